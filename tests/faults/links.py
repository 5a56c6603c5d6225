"""An edge behind a radio link that breaks: what was published meanwhile arrives once, in order.

    python -m tests.faults.links [--profiles lte-rural,gsm] [--messages 5000] [--seed 1]

For each profile of `radio.py` three edges take turns with the same seed: ours whose stream the hub
sources, nats-server's likewise, and ours with an uplink. Each publishes some messages on the link,
then `--messages` in a partition (or while one direction is dead), and is timed from the moment when
the link is back, five minutes at most for each. Ends with 1 when a message of ours is missing,
doubled or out of order.
Needs root, /dev/net/tun and iproute2; time depends on the link alone, a gsm row takes minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nats
import nats.errors

from tests.faults.radio import HUB_IP, PROFILES, Radio, enter
from tests.hub.process import end_process, nats_server_path
from tests.interop.scenarios.streams import made, numbers, publish, state

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from nats.aio.client import Client

BEFORE: Final = 100
SIZE: Final = 64
PATIENCE_S: Final = 300.0
PINGS: Final = "ping_interval: 5s, ping_max: 2"
OUTAGES: Final = ("deaf-edge", "mute-edge")  # one direction is dead, instead of a partition
EDGES: Final = ("ours, sourced", "nats-server, sourced", "ours, uplink")


@dataclass(frozen=True, slots=True)
class Row:
    """How one edge did. `drops`: links given up as stale while it drained."""

    profile: str
    edge: str
    linked_s: float
    drained_s: float
    drops: int
    fault: str


class Inside:
    """A thread of its own loop in a network namespace: its sockets are there."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._loop = asyncio.new_event_loop()
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.result()

    def _run(self, started: Future[None]) -> None:
        enter(self._namespace)
        started.set_result(None)
        self._loop.run_forever()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def hub_config(directory: Path) -> str:
    return f"""
server_name: hub, listen: 127.0.0.1:4222, http: 127.0.0.1:8222, {PINGS}
jetstream {{ store_dir: "{directory}/hub", domain: hub }}
leafnodes {{ listen: "{HUB_IP}:7422" }}
"""


def edge_config(directory: Path, edge: str) -> str:
    uplink = "uplink { streams [ { stream: EV, hub_stream: ALL, domain: hub } ] }"
    return f"""
server_name: edge, listen: 127.0.0.1:4222, http: 127.0.0.1:8222, {PINGS}
jetstream {{ store_dir: "{directory}/edge", domain: edge }}
leafnodes {{ remotes [ {{ url: "nats-leaf://{HUB_IP}:7422" }} ], reconnect: 1s  }}
{uplink if edge.endswith("uplink") else ""}
"""


@contextlib.contextmanager
def server(namespace: str, program: list[str], directory: Path, config: str) -> Any:
    """A server inside a namespace for the length of the block."""
    file = directory / f"{namespace}.conf"
    file.write_text(config)
    with (directory / f"{namespace}.log").open("wb") as log:
        process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, *program, "-c", str(file), "-D"],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        end_process(process, signal.SIGTERM)


async def connected() -> Client:
    """A client of the server of this namespace, once it is there."""
    while True:
        with contextlib.suppress(OSError, nats.errors.Error):
            return await nats.connect(
                "nats://127.0.0.1:4222", allow_reconnect=False, error_cb=_not_yet
            )
        await asyncio.sleep(0.1)


async def _not_yet(_: Exception) -> None:
    """The server is still starting."""


async def leafs() -> list[dict[str, Any]]:
    """The leaf links of the server of this namespace."""
    _, writer = opened = await asyncio.open_connection("127.0.0.1", 8222)
    writer.write(b"GET /leafz HTTP/1.0\r\n\r\n")
    answer = await opened[0].read()
    writer.close()
    return json.loads(answer.partition(b"\r\n\r\n")[2])["leafs"] or []


async def wait_for(true: Callable[[], Coroutine[Any, Any, bool]]) -> float:
    """Return after how many seconds it was true."""
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < PATIENCE_S:
        with contextlib.suppress(nats.errors.Error):
            if await true():
                return time.monotonic() - begun_s
        await asyncio.sleep(0.1)
    raise TimeoutError


async def has(client: Client, stream: str, count: int) -> bool:
    return int((await state(client, stream))["messages"]) >= count


async def linked() -> bool:
    return len(await leafs()) == 1


async def lost() -> bool:
    return not await leafs()


def stale(*logs: Path) -> int:
    """How many links were given up since their PONGs did not come."""
    return sum(log.read_text().count("Stale Connection") for log in logs)


def one(profile: str, edge: str, messages: int, seed: int) -> Row:
    """Run one edge behind one link."""
    python = [sys.executable, "-m", "leafnode"]
    real = [str(nats_server_path())]
    outage = profile if profile in OUTAGES else "partition"
    link = "lte-rural" if profile in OUTAGES else profile
    with (
        tempfile.TemporaryDirectory(prefix="leafnode-links-") as name,
        Radio(f"ln{os.getpid()}", seed) as radio,
        server(radio.hub, real, Path(name), hub_config(Path(name))),
        server(
            radio.edge,
            real if edge.startswith("nats-server") else python,
            Path(name),
            edge_config(Path(name), edge),
        ),
        Inside(radio.hub) as up,
        Inside(radio.edge) as down,
    ):
        above, below = up.do(connected()), down.do(connected())
        down.do(made(below, "EV", subjects=["ev.>"]))
        source = {"name": "EV", "external": {"api": "$JS.edge.API", "deliver": ""}}
        taken = {"subjects": ["edge.>"]} if edge.endswith("uplink") else {"sources": [source]}
        up.do(wait_for(linked))
        up.do(made(above, "ALL", **taken))
        radio.becomes(link)
        down.do(publish(below, "ev.x", range(BEFORE), size=SIZE))
        up.do(wait_for(lambda: has(above, "ALL", BEFORE)))
        radio.becomes(outage)
        down.do(publish(below, "ev.x", range(BEFORE, BEFORE + messages), size=SIZE))
        down.do(wait_for(lost))
        up.do(wait_for(lost))
        logs = [Path(name) / f"{end}.log" for end in (radio.hub, radio.edge)]
        before = stale(*logs)
        begun_s = time.monotonic()
        radio.becomes(link)
        with contextlib.suppress(TimeoutError):
            up.do(wait_for(linked))
        linked_s = time.monotonic() - begun_s
        with contextlib.suppress(TimeoutError):
            up.do(wait_for(lambda: has(above, "ALL", BEFORE + messages)))
        drained_s = time.monotonic() - begun_s
        drops = stale(*logs) - before
        radio.becomes("lan")
        found = up.do(numbers(above, "ALL"))
        up.do(above.close())
        down.do(below.close())
    wanted = list(range(BEFORE + messages))
    fault = "" if found == wanted else judge(found, wanted)
    return Row(profile, edge, linked_s, drained_s, drops, fault)


def judge(found: list[int], wanted: list[int]) -> str:
    missing = len(set(wanted) - set(found))
    return f"{missing} missing, {len(found) - len(set(found))} doubled, or out of order"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--profiles", default=",".join(p for p in PROFILES if p != "partition"))
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print("| link | edge | linked again | all there | links lost while draining | |")
    print("|---|---|---|---|---|---|", flush=True)
    faults = 0
    for profile in given.profiles.split(","):
        for edge in EDGES:
            row = one(profile, edge, given.messages, given.seed)
            faults += bool(row.fault) and edge.startswith("ours")
            print(
                f"| {row.profile} | {row.edge} | {row.linked_s:.1f} s | {row.drained_s:.1f} s "
                f"| {row.drops} | {row.fault} |",
                flush=True,
            )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
