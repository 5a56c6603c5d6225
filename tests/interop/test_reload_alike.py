"""Reloads of changed options: accepted or refused on this server as on a real one, with its words.

Each row is a change to a running configuration, and the way back. What is refused there and changes
live here has a table of its own, which docs/compatibility.md has too.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from tests.hub.process import free_ports, nats_server_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

WAIT_S: Final = 60.0
_VERDICT: Final = re.compile(
    r"(?:Reloaded server configuration \(|Failed to reload server configuration: )(?P<why>.*)\n"
)
# Of each key the line that stands before the change; a change replaces it.
BEFORE: Final = """
client_advertise: "h:1"
server_name: b
debug: true
no_sublist_cache: true
accounts { A { users: [{user: a, password: p}] }, S { users: [{user: s, password: p}] } }
mappings { a: b }
jetstream { store_dir: "{dir}/js", max_mem: 10M }
max_control_line: 2048
max_payload: 1000
max_connections: 10
max_subs: 10
max_sub_tokens: 3
max_traced_msg_len: 10
ping_interval: "10s"
ping_max: 3
write_deadline: "5s"
lame_duck_duration: "60s"
lame_duck_grace_period: "3s"
no_auth_user: a
system_account: S
no_header_support: true
server_tags: [a, b]
server_metadata { a: b }
feature_flags { x: true }
default_js_domain { A: d }
max_closed_clients: 10
leafnodes { remotes: [{url: "nats-leaf://127.0.0.1:1", account: A, disabled: true}] }
"""
KEYS: Final = [line.partition(" ")[0].strip(":") for line in BEFORE.splitlines() if line]
FROM_NOTHING: Final = [
    "port: 4567",
    "port: -1",
    'client_advertise: "h:1"',
    "server_name: b",
    "debug: true",
    "trace_verbose: true",
    "logtime: false",
    "mappings { a: b }",
    "disable_sublist_cache: true",
    "no_sublist_cache: false",
    "accounts { A { users: [{user: a, password: p}] } }",
    'default_sentinel: ""',
    "authorization { token: t }",
    "http_base_path: /x",
    'store_dir: "{dir}/s"',
    "jetstream: disabled",
    'pid_file: "{dir}/pid"',
    'ports_file_dir: "{dir}"',
    "prof_port: -1",
    "prof_block_rate: 1",
    "max_control_line: 0",
    "max_payload: -1",
    "max_pending: 64MB",
    "proxy_protocol: true",
    "max_connections: -5",
    "max_subs: -1",
    "max_subs: 0",
    "max_sub_tokens: 16",
    "ping_interval: 120",
    "ping_max: 2",
    "ocsp { mode: never }",
    "allow_non_tls: false",
    "write_timeout: default",
    'lame_duck_grace_period: "0s"',
    "no_system_account: true",
    "no_header_support: true",
    "connect_error_reports: 5",
    "server_tags: [a, b]",
    "feature_flags { x: false }",
    "feature_flags { }",
    'default_js_domain { "$G": d }',
    "default_js_domain { }",
    "no_fast_producer_stall: true",
    "max_closed_clients: 10000",
    "leafnodes { no_advertise: true }",
    'leafnodes { remotes: [{url: "nats-leaf://127.0.0.1:1", disabled: true}] }',
    "unknown_key: 1",
]
FROM_SOMETHING: Final = [
    'client_advertise: "g:2"',
    "no_sublist_cache: false",
    "mappings { a: c }",
    "accounts { A { users: [{user: a, password: q}] }, S { users: [{user: s, password: p}] } }",
    'jetstream { store_dir: "{dir}/other", max_mem: 10M }',
    'jetstream { store_dir: "{dir}/js", max_mem: 10M, domain: d }',
    'jetstream { store_dir: "{dir}/js", max_mem: 10M, sync: 90s }',
    'jetstream { store_dir: "{dir}/js", max_mem: 10M, unique_tag: x }',
    'jetstream { store_dir: "{dir}/js", max_mem: 10M, max_buffered_msgs: 5 }',
    "max_payload: 2000",
    "max_subs: 20",
    'lame_duck_duration: "61s"',
    "no_auth_user: s",
    "feature_flags { x: false }",
    "default_js_domain { A: e }",
    "default_js_domain { }",
    "server_tags: [b, a]",
    'leafnodes { remotes: [{url: "nats-leaf://127.0.0.1:2", account: A, disabled: true}] }',
]
LIVE_HERE: Final = {
    "http_port: -1": "HTTPPort: old=0, new=-1",
    "log_size_limit: 1000000": "LogSizeLimit: old=0, new=1000000",
    "log_max_num: 4": "LogMaxFiles: old=0, new=4",
    "max_pending: 2000000": "MaxPending: old=67108864, new=2000000",
    "allow_non_tls: true": "AllowNonTLS: old=false, new=true",
    "write_timeout: retry": "WriteTimeout: old=, new=retry",
    "leafnodes { reconnect: 5s }": ('LeafNode: field "ReconnectInterval": old=1s, new=5s'),
}


class Reloaded:
    """One server that runs with a configuration which is changed over and over."""

    def __init__(self, command: list[str], directory: Path) -> None:
        directory.mkdir(parents=True)
        self._command = command
        self._directory = directory
        (self._port,) = free_ports(1)
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, config: str) -> None:
        self._write(config)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, "-c", str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._until("Server is ready\n", 0)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def reload(self, config: str) -> str:
        """Return why it was refused, or nothing."""
        self._write(config)
        assert self._process is not None
        before = len(self._log.read_text())
        self._process.send_signal(signal.SIGHUP)
        found = self._until(_VERDICT, before)
        if found[0].startswith("Reloaded"):
            return ""
        return found["why"].replace(str(self._directory), "{dir}").replace(str(self._port), "PORT")

    def connect(self, subscriptions: int, *, login: str) -> socket.socket:
        """A client that is served, with so many subscriptions."""
        client = socket.create_connection(("127.0.0.1", self._port), WAIT_S)
        subs = "".join(f"SUB s{n} {n}\r\n" for n in range(subscriptions))
        client.sendall(f'CONNECT {{"verbose":false{login}}}\r\n{subs}PING\r\n'.encode())
        assert b"PONG" in heard(client, rb"PONG\r\n")
        return client

    @property
    def _file(self) -> Path:
        return self._directory / "server.conf"

    def _write(self, config: str) -> None:
        # Not by `listen`: of that and a `port` nats-server takes now the one and now the other.
        port = "" if re.search(r"^port\b", config, re.MULTILINE) else f"port: {self._port}\n"
        text = f"host: 127.0.0.1\n{port}{config}"
        self._file.write_text(text.replace("{dir}", str(self._directory)))

    def _until(self, what: str | re.Pattern[str], after: int) -> re.Match[str]:
        assert self._process is not None
        deadline = time.monotonic() + WAIT_S
        while not (found := re.search(what, self._log.read_text()[after:])):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.005)
        return found


@pytest.fixture
def both(tmp_path: Path) -> Iterator[list[Reloaded]]:
    """This server and a real one, not started."""
    commands = {"ours": [sys.executable, "-m", "leafnode"], "theirs": [str(nats_server_path())]}
    with ExitStack() as stack:
        servers = [Reloaded(command, tmp_path / name) for name, command in commands.items()]
        for server in servers:
            stack.callback(server.stop)
        yield servers


def differences(both: list[Reloaded], before: str, changes: dict[str, str]) -> list[str]:
    """Return where a change, or the way back, is judged differently by the two."""
    for server in both:
        server.start(before)
    found = []
    for name, changed in changes.items():
        verdicts = []
        for server in both:
            there = server.reload(changed)
            verdicts.append((there, "" if there else server.reload(before)))
        if verdicts[0] != verdicts[1]:
            found.append(f"{name}: ours {verdicts[0]}, theirs {verdicts[1]}")
    return found


def replaced(key: str, line: str) -> str:
    kept = [one for one in BEFORE.splitlines() if not re.match(rf"{key}\b", one)]
    return "\n".join([*kept, line, ""])


def test_options_that_come_and_go(both: list[Reloaded]) -> None:
    assert differences(both, "", {line: line + "\n" for line in FROM_NOTHING}) == []


def test_options_that_change_or_go_back_to_the_default(both: list[Reloaded]) -> None:
    needed = {"accounts", "jetstream"}
    changes = {f"no {key}": replaced(key, "") for key in KEYS if key not in needed}
    for line in FROM_SOMETHING:
        changes[line] = replaced(line.partition(" ")[0].strip(":"), line)

    assert differences(both, BEFORE, changes) == []


def test_what_changes_live_here_is_refused_there(both: list[Reloaded]) -> None:
    ours, theirs = both
    for server in both:
        server.start("")

    for line, why in LIVE_HERE.items():
        assert ours.reload(line + "\n") == ""
        assert theirs.reload(line + "\n") == f"config reload not supported for {why}"


USERS: Final = "authorization { users [{user: a, password: b}] }"
SINGLE: Final = "authorization { user: a, password: b }"
TOKEN: Final = "authorization { token: b }"
AS_USER: Final = ',"user":"a","pass":"b"'
FULL: Final = b"-ERR 'maximum subscriptions exceeded'"


@pytest.mark.parametrize(
    ("config", "login", "ours", "theirs"),
    [
        (USERS, AS_USER, [b"", FULL], [b"", FULL]),
        (TOKEN, ',"auth_token":"b"', [b"", b""], [b"", b""]),
        ("", "", [b"", b""], [b"", b""]),
        (SINGLE, AS_USER, [b"", b""], [b"ended", b"ended"]),
    ],
)
def test_any_reload_looks_at_users_with_all_the_subscriptions_that_they_may_have(
    both: list[Reloaded], config: str, login: str, ours: list[bytes], theirs: list[bytes]
) -> None:
    found = []
    for server in both:
        server.start(f"max_subscriptions: 2\n{config}\n")
        with ExitStack() as stack:
            clients = [server.connect(count, login=login) for count in (1, 2)]
            for client in clients:
                stack.enter_context(client)

            assert server.reload(f"max_subscriptions: 2\nping_max: 7\n{config}\n") == ""

            wanted = ours if server is both[0] else theirs
            found.append([end_of(*pair) for pair in zip(clients, wanted, strict=True)])

    assert found == [ours, theirs]


def heard(client: socket.socket, until: bytes) -> bytes:
    """What comes until this pattern, or the end."""
    said = b""
    while not re.search(until, said) and (data := client.recv(4096)):
        said += data
    return said


def end_of(client: socket.socket, wanted: bytes) -> bytes:
    """With which error a client was ended; empty: it is served.

    nats-server goes on for a moment with whom it ends: of who is to be ended only that counts.
    """
    try:
        if not wanted:
            client.sendall(b"PING\r\n")
            return b"" if b"PONG" in heard(client, rb"PONG\r\n") else b"ended"
        said = re.search(rb"-ERR [^\r]*", heard(client, rb"-ERR .*\r\n"))
    except ConnectionError:
        return b"ended"
    return said[0] if said else b"ended"
