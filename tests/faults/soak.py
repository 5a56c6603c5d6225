"""A whole gateway used for a long time by everybody, then asked what it kept of it.

    python -m tests.faults.soak --minutes 30 --seed 1

A real hub that is killed now and then, a sensor whose cable is pulled, a board on the device link,
an uplink, and guests without end who come by TCP and WebSocket, make streams, buckets, services and
subscriptions, reload the configuration, say garbage, read slowly, and go politely or not
(`soak_visits`). Beforehand and afterwards, in quiet, the objects of every class, descriptors,
threads, connections, subscriptions, streams and consumers are counted: what is more than before is
a leak. Every reading of the board must be at the hub once and in order, and the log may hold no
error that nobody caused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import nats
from nats.js.api import ConsumerConfig, StreamConfig

from leafnode.link.device import REFUSE, DeviceSession
from leafnode.routing.match import Match
from leafnode.routing.route import Route
from tests.faults import census
from tests.faults.census import CYCLES
from tests.faults.serial_lab import Cable
from tests.faults.soak_visits import VISITS, Place, read_page
from tests.hub.process import Hub, free_ports
from tests.interop.gateway import Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

GUESTS: Final = 4  # at a time
WARM_VISITS: Final = 3  # of each kind, before it counts
SAMPLE_S: Final = 10.0
QUIET_S: Final = 15.0  # longer than inactive thresholds and login time-outs of visits
HUB_EVERY_S: Final = 120.0
HUB_AWAY_S: Final = 4.0
CABLE_EVERY_S: Final = 20.0
READING_S: Final = 0.05
# A class may have so many more objects than before: what is bounded fills up to its bound.
MORE_OBJECTS: Final = 50
MORE_DESCRIPTORS: Final = 4
_CACHED: Final = {  # up to bounds of their own, see docs/memory.md
    f"{kind.__module__}.{kind.__qualname__}" for kind in (Route, Match)
}
# What was deleted goes by itself.
_OF_STREAMS: Final = tuple(f"{CYCLES}leafnode.{part}." for part in ("jetstream", "store"))
_RELOADS: Final = ("reload", "reopen")
KINDS: Final = [kind for kind in VISITS if kind not in _RELOADS]
_EXPECTED: Final = re.compile(
    r"authentication error|Unknown Protocol|arser|more errors of clients|low consumer|Stale|"
    r"WebSocket|websocket|TLS|User Authentication|read error|Leafnode|leafnode|uplink|serial",
)
_CONFIG: Final = """
server_name: soak
websocket {{ listen: "127.0.0.1:{websocket_port}", no_tls: true }}
log_file: "{directory}/leafnode.log"
jetstream {{ store_dir: "{directory}", domain: soak }}
system_account: SYS
accounts {{
  PLANT {{
    jetstream: enabled
    users [ {{ user: guest, password: guest }}{user} ]
    exports [ {{ service: "shared.>" }}, {{ stream: "news.>" }} ]
  }}
  VISITORS {{
    users [ {{ user: visitor, password: visitor }} ]
    imports [
      {{ service: {{ account: PLANT, subject: "shared.>" }} }}
      {{ stream: {{ account: PLANT, subject: "news.>" }} }}
    ]
  }}
  SYS {{ users [ {{ user: admin, password: admin }} ] }}
}}
leafnodes {{
  reconnect: "500ms"
  remotes [ {{ url: "{hub}", account: PLANT, deny_exports: ["readings.>"] }} ]
}}
uplink {{ account: PLANT, streams [ {{ stream: READINGS, hub_stream: EDGE, domain: hub }} ] }}
serial {{
  account: PLANT
  ports [
    {{ name: line, device: "{directory}/line", framing: line, subject: "readings.line" }}
    {{ name: board, device: "{directory}/board", framing: link, codec: raw
      subject: "readings.board" }}
  ]
}}
"""


@dataclass
class Report:
    """What was done and found. `faults` are sentences."""

    visits: Counter[str] = field(default_factory=Counter)
    memory_kb: list[int] = field(default_factory=list)  # anonymous, one sample each SAMPLE_S
    readings: int = 0
    hub_kills: int = 0
    cables: int = 0
    cycles: int = 0  # objects that nobody could reach, which a full collection would free
    grown: dict[str, tuple[int, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        grown = "".join(f"\n  {name}: {a:,} to {b:,}" for name, (a, b) in self.grown.items())
        memory = self.memory_kb
        return (
            f"{self.visits.total():,} visits ({dict(self.visits)}), "
            f"{self.hub_kills} kills of the hub, {self.cables} cables pulled, "
            f"{self.readings:,} readings, each once; anonymous memory {memory[0]:,} KiB "
            f"beforehand, {max(memory):,} at most, {memory[-1]:,} in quiet afterwards; "
            f"{self.cycles:,} objects waited for the collector{grown}"
        )


class Site:
    """A gateway, its hub and the other ends of its cables."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.hub = Hub(
            directory / "hub", 'jetstream { store_dir: "{dir}/jetstream", domain: hub }\n'
        )
        self.socket = directory / "census"
        self.board = DeviceSession(
            "board", seed % 1000 + 1, ring_messages=4096, ring_bytes=200_000, policy=REFUSE
        )
        self.cables = {"line": Cable(), "board": Cable()}
        self.said: list[bytes] = []
        self.lines = 0
        program = ("tests.faults.census", str(self.socket))
        self.gateway = Gateway(directory, "", program=program)
        ports = self.gateway.client_port, *free_ports(1), self.gateway.http_port
        self.place = Place(*ports, pid=0, configure=self._configure)

    def _configure(self, user: str) -> None:
        self.gateway.config = _CONFIG.format(
            websocket_port=self.place.websocket_port,
            directory=self.directory,
            hub=self.hub.leaf_url,
            user=f", {{ user: {user}, password: {user} }}" if user else "",
        )
        self.gateway.write()

    async def start(self) -> None:
        self.hub.start()
        for name, cable in self.cables.items():
            (self.directory / name).symlink_to(cable.path)
        self._configure("")
        await asyncio.to_thread(self.gateway.start)
        assert self.gateway.process is not None, "it has started"
        self.place.pid = self.gateway.process.pid
        client = await self.place.enter()
        await client.jetstream().add_stream(
            StreamConfig("READINGS", subjects=["readings.>"], max_msgs=5000)
        )
        await client.close()

    async def make_hub_stream(self) -> None:
        client = await nats.connect(self.hub.client_url)
        await client.jetstream().add_stream(StreamConfig("EDGE", subjects=["soak.>"]))
        await client.close()

    def stop(self) -> None:
        self.gateway.stop()
        self.hub.stop()
        for cable in self.cables.values():
            cable.close()

    def pull_cable(self) -> None:
        """Another adapter in the place of the one before."""
        old, self.cables["line"] = self.cables["line"], Cable()
        old.close()
        link = self.directory / "line"
        link.unlink()
        link.symlink_to(self.cables["line"].path)

    async def speak(self) -> None:
        """Let both devices speak until this is cancelled."""
        board = self.cables["board"]
        spoken_s = 0.0
        while True:
            now_ms = time.monotonic_ns() // 1_000_000 & 0x3FFFFFFF
            if time.monotonic() - spoken_s >= READING_S:
                spoken_s = time.monotonic()
                text = b"%08d" % len(self.said)
                if self.board.publish("r", text, now_ms):
                    self.said.append(text)
                self.lines += 1
                self.cables["line"].say(b"%d\n" % self.lines)
            if heard := board.hear():
                self.board.receive(heard, now_ms)
            while data := self.board.data_to_send(now_ms):
                board.say(bytes(data))
            await asyncio.sleep(0.005)


def _memory_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+)", status)
    assert found
    return int(found[1])


def _entries(pid: int, directory: str) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/{directory}").iterdir())


def _state(site: Site) -> dict[str, int]:
    """Return what is there by the server's own word and the kernel's."""
    pid, place = site.place.pid, site.place
    varz = json.loads(read_page(place, "varz"))
    jsz = json.loads(read_page(place, "jsz"))
    return {
        "descriptors": _entries(pid, "fd"),
        "threads": _entries(pid, "task"),
        "connections": varz["connections"],
        "subscriptions": varz["subscriptions"],
        "leafnodes": varz["leafnodes"],
        "streams": jsz["streams"],
        "consumers": jsz["consumers"],
    }


async def _visit_until(site: Site, kinds: Iterator[str], seed: int, report: Report) -> None:
    chance = random.Random(seed)
    for kind in kinds:
        try:
            await VISITS[kind](site.place, chance)
        except Exception as err:  # noqa: BLE001 -- reported, and the others go on
            report.faults.append(f"{kind}: {type(err).__name__} {err}")
            if len(report.faults) > 20:
                return
        report.visits[kind] += 1


def _kinds(kinds: list[str], until_s: float, chance: random.Random) -> Iterator[str]:
    while time.monotonic() < until_s:
        yield chance.choice(kinds)


def _reloads(until_s: float) -> Iterator[str]:
    while time.monotonic() < until_s:
        yield from _RELOADS


async def _trouble(site: Site, until_s: float, report: Report) -> None:
    """Kill the hub and pull the cable, again and again."""
    kill_s = time.monotonic() + HUB_EVERY_S / 4
    while time.monotonic() < until_s:
        await asyncio.sleep(CABLE_EVERY_S)
        site.pull_cable()
        report.cables += 1
        if time.monotonic() > kill_s:
            kill_s = time.monotonic() + HUB_EVERY_S
            await asyncio.to_thread(site.hub.kill)
            await asyncio.sleep(HUB_AWAY_S)
            await asyncio.to_thread(site.hub.start)
            report.hub_kills += 1


async def _sample(site: Site, report: Report) -> None:
    while True:
        report.memory_kb.append(_memory_kb(site.place.pid))
        await asyncio.sleep(SAMPLE_S)


async def soak(minutes: float, seed: int, kinds: list[str]) -> Report:
    """Warm up, count, let everybody in for so long, count again."""
    report = Report()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        site = Site(Path(name), seed)
        try:
            await site.start()
            await site.make_hub_stream()
            speaking = asyncio.create_task(site.speak())
            await _visit_until(site, iter([*kinds, *_RELOADS] * WARM_VISITS), seed, report)
            await asyncio.sleep(QUIET_S)
            report.memory_kb.append(_memory_kb(site.place.pid))
            objects = await asyncio.to_thread(census.ask, site.socket)
            state = await asyncio.to_thread(_state, site)
            report.visits.clear()
            await _busy(site, minutes * 60, kinds, seed, report)
            await asyncio.sleep(QUIET_S)
            speaking.cancel()
            report.memory_kb.append(_memory_kb(site.place.pid))
            _compare(objects, await asyncio.to_thread(census.ask, site.socket), report)
            _compare_state(state, await asyncio.to_thread(_state, site), report)
            await _audit(site, report)
            _read_log(Path(name) / "leafnode.log", report)
        finally:
            site.stop()
    return report


async def _busy(site: Site, seconds: float, kinds: list[str], seed: int, report: Report) -> None:
    until_s = time.monotonic() + seconds
    sampling = asyncio.create_task(_sample(site, report))
    turns = _kinds(kinds, until_s, random.Random(seed))
    async with asyncio.TaskGroup() as tasks:
        for number in range(GUESTS):
            tasks.create_task(_visit_until(site, turns, seed + number, report))
        tasks.create_task(_visit_until(site, _reloads(until_s), seed, report))
        tasks.create_task(_trouble(site, until_s, report))
    sampling.cancel()


def _compare(before: dict[str, int], after: dict[str, int], report: Report) -> None:
    for name, count in sorted(after.items()):
        if name.startswith(CYCLES):
            report.cycles += count
            if name.startswith(_OF_STREAMS):
                report.faults.append(f"{count} {name}")
        elif count - before.get(name, 0) > MORE_OBJECTS:
            report.grown[name] = (before.get(name, 0), count)
            if name.startswith("leafnode.") and name not in _CACHED:
                report.faults.append(f"{name}: {before.get(name, 0)} objects, then {count}")


def _compare_state(before: dict[str, int], after: dict[str, int], report: Report) -> None:
    for name, count in after.items():
        most = MORE_DESCRIPTORS if name in ("descriptors", "threads") else 0
        if count - before[name] > most or (name == "leafnodes" and count != before[name]):
            report.faults.append(f"{name}: {before[name]}, then {count}")


async def _audit(site: Site, report: Report) -> None:
    client = await nats.connect(site.hub.client_url)
    jetstream = client.jetstream(timeout=30)
    count = (await jetstream.stream_info("EDGE")).state.messages
    pull = await jetstream.pull_subscribe(
        "soak.>", durable="audit", config=ConsumerConfig(ack_policy="none")
    )
    boards: list[bytes] = []
    lines: list[int] = []
    while count:
        messages = await pull.fetch(min(count, 1000), timeout=30)
        count -= len(messages)
        for message in messages:
            if message.subject.endswith("board"):
                boards.append(message.data)
            elif message.data.isdigit():
                lines.append(int(message.data))
    await client.close()
    report.readings = len(boards)
    missing = len(set(site.said) - set(boards)) - site.board.unacked
    if missing > 0 or boards != sorted(set(boards)):
        twice = len(boards) - len(set(boards))
        report.faults.append(f"board: {missing} readings missing, {twice} twice, or not in order")
    if lines != sorted(set(lines)):
        report.faults.append("line: readings twice or not in order")


def _read_log(file: Path, report: Report) -> None:
    text = file.read_text(errors="replace")
    if "Traceback" in text:
        report.faults.append("a traceback: " + text[text.index("Traceback") :][:1000])
    for line in text.splitlines():
        if ("[ERR]" in line or "[FTL]" in line) and not _EXPECTED.search(line):
            report.faults.append(f"log: {line}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--visits", help="only these, with commas between")
    given = parser.parse_args()
    kinds = KINDS
    if given.visits is not None:
        kinds = given.visits.split(",")
    report = asyncio.run(soak(given.minutes, given.seed, kinds))
    print(report)
    for fault in report.faults:
        print("FAULT", fault)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
