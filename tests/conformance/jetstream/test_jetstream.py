"""Every JetStream behaviour and every recorded request, on this server and on nats-server 2.15.1.

What a script expects must hold on the real one; and both must say the same. `differences.txt` names
what is not so yet, with the reason: a row of it that holds is an error too. All chapters run once,
side by side, before the first test looks at its row.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conformance.jetstream import schemas
from tests.conformance.jetstream.player import Played, Player, compared, shown
from tests.conformance.jetstream.script import Chapter, read
from tests.hub.process import Hub, nats_server_path
from tests.interop.gateway import Gateway

pytestmark = pytest.mark.skipif(nats_server_path() is None, reason="nats-server not installed")

HERE = Path(__file__).parent
CHAPTERS = [one for path in sorted(HERE.glob("*/*.txt")) for one in read(path)]
OURS, THEIRS = "leafnode", "nats-server"
WORKERS = 6
KINDS_AT_LEAST = 30
RECORDED = 925  # names in recorded.txt

_ACCOUNTS = "\n".join(
    f"  A{n} {{ jetstream: enabled, users: [{{ user: A{n}, password: x }}] }}"
    for n in range(WORKERS)
)
_MAIN = f"""server_name: js
accounts {{
{_ACCOUNTS}
  NOJS {{ users: [{{ user: NOJS, password: x }}] }}
  LIM {{
    jetstream {{ max_mem: 500000, max_file: 2000000, max_streams: 2, max_consumers: 2,
      max_ack_pending: 100, max_bytes_required: true,
      mem_max_stream_bytes: 500000, disk_max_stream_bytes: 1048576 }}
    users: [{{ user: LIM, password: x }}]
  }}
  SYS {{ users: [{{ user: SYS, password: x }}] }}
}}
system_account: SYS
jetstream {{ store_dir: "{{dir}}/store", max_memory_store: 1G, max_file_store: 10G }}
"""
_ONE = """server_name: js
accounts { A0 { jetstream: enabled, users: [{ user: A0, password: x }] }, SYS {} }
system_account: SYS
"""
CONFIGS = {
    "main": _MAIN,
    "domain": _ONE + 'jetstream { store_dir: "{dir}/store", domain: HUB }\n',
    "bare": _ONE.replace("jetstream: enabled, ", ""),
    "limited": _ONE
    + """jetstream {
  store_dir: "{dir}/store", strict: false
  limits {
    max_request_batch: 100, max_ack_pending: 50, duplicate_window: "90s", default_max_consumers: 3
    batch { max_inflight_per_stream: 2, max_inflight_total: 3, max_msgs: 4, timeout: "100s" }
  }
}
""",
    "own": _ONE + 'jetstream { store_dir: "{dir}/store" }\n',
}


def reasons(name: str) -> dict[str, str]:
    """Return the reasons by row, as a file gives them."""
    found: dict[str, str] = {}
    reason = ""
    for line in (HERE / name).read_text().splitlines():
        if line.startswith("  "):
            for row in line.split():
                assert row not in found, f"{row} is there twice"
                found[row] = reason
        elif line and not line.startswith("#"):
            reason = line.rstrip(":")
    return found


DIFFERENCES = reasons("differences.txt")
ROWS = [row for chapter in CHAPTERS for row in chapter.rows]


def _hopeless(chapter: Chapter) -> set[str]:
    """Return the rows whose answers may not come; with them, what prepares them."""
    rows = {row for row in chapter.rows if row in DIFFERENCES}
    return rows | {""} if rows else rows


class Stage:
    """The servers, and what they said."""

    def __init__(self, directory: Path, rows: set[str]) -> None:
        self._directory = directory
        self._chapters = [one for one in CHAPTERS if rows.intersection(one.rows)]
        self._stack = ExitStack()
        self._servers: dict[str, dict[str, Gateway | Hub]] = {}
        self.played: dict[str, dict[str, Played]] = {OURS: {}, THEIRS: {}}

    def run(self) -> None:
        """Play every chapter on both servers; what then differs again, with nobody beside it.

        Chapters wait for real time: on a machine that stands still for a while one may see less.
        """
        with self._stack, ThreadPoolExecutor(2) as both:
            for ended in [both.submit(self._run_on, name) for name in (OURS, THEIRS)]:
                ended.result()
            for chapter in filter(self._is_unexpected, self._chapters):
                for name in (OURS, THEIRS):
                    player = Player(
                        self._servers[name][chapter.server], chapter.account or "A0", set()
                    )
                    self.played[name] |= player.play(chapter)

    def _is_unexpected(self, chapter: Chapter) -> bool:
        """Say whether a row failed that is not known to."""
        ours, theirs = self.played[OURS], self.played[THEIRS]
        return any(
            row not in DIFFERENCES
            and (theirs[row].unmet or ours[row].unmet or ours[row].said != theirs[row].said)
            for row in chapter.rows
            if row in ours and row in theirs
        )

    def _run_on(self, name: str) -> None:
        servers = {server: self._started(name, server) for server in self._needed()}
        self._servers[name] = servers
        accounts = deque(f"A{number}" for number in range(WORKERS))
        kept = {account: threading.Lock() for account in ("LIM", "NOJS", "SYS")}
        alone = {server: threading.Lock() for server in servers if server != "main"}

        def play(chapter: Chapter) -> dict[str, Played]:
            server = servers[chapter.server]
            with ExitStack() as held:
                if chapter.server != "main":
                    held.enter_context(alone[chapter.server])
                    account = "A0"
                elif chapter.account:
                    held.enter_context(kept[chapter.account])
                    account = chapter.account
                else:
                    account = accounts.popleft()
                    held.callback(accounts.append, account)
                hopeless = _hopeless(chapter) if name == OURS else set()
                return Player(server, account, hopeless).play(chapter)

        # The slow ones first: those that wait.
        chapters = sorted(
            self._chapters, key=lambda one: -sum(step.verb == "sleep" for step in one.steps)
        )
        with ThreadPoolExecutor(WORKERS) as pool:
            for rows in pool.map(play, chapters):
                self.played[name] |= rows

    def _needed(self) -> set[str]:
        return {chapter.server for chapter in self._chapters}

    def _started(self, name: str, server: str) -> Gateway | Hub:
        directory, config = self._directory / f"{name}-{server}", CONFIGS[server]
        started: Gateway | Hub = (
            Gateway(directory, config) if name == OURS else Hub(directory, config)
        )
        started.start()
        self._stack.callback(started.stop)
        return started


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Played]]:
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted: set[str] = set()
    for item in functions:
        if item.module is request.module and "played" in item.fixturenames:
            row = getattr(item, "callspec", _NONE).params.get("row")
            wanted |= set(ROWS) if row is None else {str(row)}
    stage = Stage(tmp_path_factory.mktemp("conformance"), wanted)
    stage.run()
    return stage.played


class _NONE:
    params: dict[str, object] = {}  # noqa: RUF012 -- stands for a test without parameters


@pytest.mark.interop
@pytest.mark.parametrize("row", ROWS)
def test_both_servers_do_the_same(row: str, played: dict[str, dict[str, Played]]) -> None:
    ours, theirs = (played[name].get(row, Played()) for name in (OURS, THEIRS))

    if theirs.unmet or not theirs.said:
        pytest.fail(f"nats-server does not: {theirs.unmet}\n{shown(theirs)}", pytrace=False)
    same = not ours.unmet and ours.said == theirs.said
    if row in DIFFERENCES:
        if same:
            pytest.fail("no difference any more: remove it from differences.txt", pytrace=False)
        pytest.xfail(DIFFERENCES[row])
    if not same:
        pytest.fail(f"{ours.unmet}\n{compared(ours, theirs)}", pytrace=False)


def test_every_row_is_there_once_and_every_difference_is_one() -> None:
    assert len(ROWS) == len(set(ROWS))
    assert set(DIFFERENCES) <= set(ROWS)


def test_nothing_that_was_recorded_is_forgotten() -> None:
    recorded = reasons("recorded.txt")
    elsewhere = {name: why for name, why in recorded.items() if why != "rows"}

    assert len(recorded) == RECORDED
    assert {name for name, why in recorded.items() if why == "rows"} <= set(ROWS)
    assert not elsewhere.keys() & set(ROWS)
    for why in set(elsewhere.values()):
        tests = re.findall(r"tests/[\w/.]+", why)
        assert tests, why
        assert all((HERE.parents[2] / test).is_file() for test in tests), why


@pytest.mark.interop
def test_what_is_said_is_what_the_schemas_say(played: dict[str, dict[str, Played]]) -> None:
    wrong = {
        name: {
            violation
            for one in rows.values()
            for received in one.received
            for violation in schemas.violations(received)
        }
        for name, rows in played.items()
    }
    kinds = {schemas.kind_of(one) for row in played[OURS].values() for one in row.received}

    assert wrong[OURS] == schemas.BEHIND
    assert wrong[THEIRS] >= schemas.BEHIND
    assert len(kinds) > KINDS_AT_LEAST
