"""What holds on a leaf link of 40 kbit/s: a mirror, the uplink and live messages side by side.

    python -m tests.faults.thin [--edges ours,nats-server] [--what mirror,up,live] [--seconds 300]

`mirror`: the edge mirrors `--messages` of `--size` bytes of the hub; with `--consumer N` by one
that the hub's people made, with `max_ack_pending: N`. `up`: as many go up, by the uplink of ours,
or read by the hub as a source where the edge is a nats-server. `live`: `--live BYTES:SECONDS` is
published to the other side at both ends. `--link` is a profile of `radio.py`, `--was` one that the
link had while it came up. Prints for each edge how far all is and by when, how late PONGs and live
messages were at most, how often the mirror's origin was asked, and which links the hub had.
Needs root, /dev/net/tun and iproute2; time depends on the link alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nats.errors

from tests.faults.links import Inside, connected, leafs, linked, server, wait_for
from tests.faults.radio import HUB_IP, Radio
from tests.hub.process import nats_server_path
from tests.interop.scenarios.streams import ask, elsewhere, made, publish, state

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

NS_PER_S: Final = 1_000_000_000
# A consumer that sends on only when what it sent is stored: the hub's people make it for the edge.
PACED: Final = {
    "durable_name": "thin",
    "deliver_subject": "thin.to.edge",
    "ack_policy": "flow_control",
}


@dataclass(slots=True)
class Seen:
    """How one edge did; times in seconds since all of it began."""

    counts: dict[str, int] = field(default_factory=dict)
    done_s: dict[str, float] = field(default_factory=dict)
    late_s: dict[str, float] = field(default_factory=dict)  # the worst, of live messages
    heard: dict[str, int] = field(default_factory=dict)
    rtt_s: dict[str, float] = field(default_factory=dict)  # the worst PONG that each end had
    links: set[int] = field(default_factory=set)  # that the hub had


def config(directory: Path, end: str, given: argparse.Namespace) -> str:
    pings = "" if given.pings == "default" else f"ping_interval: {given.pings}"
    leafnodes = f'listen: "{HUB_IP}:7422", compression: off'
    if end == "edge":
        remote = f'url: "nats-leaf://{HUB_IP}:7422", compression: off'
        leafnodes = f"remotes [ {{ {remote} }} ], reconnect: 1s"
    if given.deadline:
        leafnodes += f", write_deadline: {given.deadline}"
    return f"""
server_name: {end}, listen: 127.0.0.1:4222, http: 127.0.0.1:8222
{pings}
jetstream {{ store_dir: "{directory}/{end}", domain: {end} }}
leafnodes {{ {leafnodes} }}
"""


async def talk(client: Client, subject: str, live: str) -> None:
    """Publish messages with the time of this machine."""
    size, _, every_s = live.partition(":")
    while True:
        await client.publish(subject, b"%d ".ljust(int(size)) % time.monotonic_ns())
        await asyncio.sleep(float(every_s))


async def listen(client: Client, subject: str, seen: Seen) -> None:
    """Note how late they are."""

    async def heard(message: Msg) -> None:
        late_s = (time.monotonic_ns() - int(message.data.split()[0])) / NS_PER_S
        seen.late_s[subject] = max(late_s, seen.late_s.get(subject, 0.0))
        seen.heard[subject] = seen.heard.get(subject, 0) + 1

    await client.subscribe(subject, cb=heard)
    await client.flush()


async def count(client: Client, subject: str, seen: Seen, name: str) -> None:
    """Note how many there are."""

    async def heard(_: Msg) -> None:
        seen.heard[name] = seen.heard.get(name, 0) + 1

    await client.subscribe(subject, cb=heard)
    await client.flush()


async def watch(client: Client, end: str, stream: str, seen: Seen, messages: int) -> None:
    """Follow one end's stream and its link."""
    begun_s = time.monotonic()
    while True:
        with contextlib.suppress(nats.errors.Error, OSError):
            for leaf in await leafs():
                rtt_s = _seconds(leaf.get("rtt", "0s"))
                seen.rtt_s[end] = max(rtt_s, seen.rtt_s.get(end, 0.0))
                if end == "hub":
                    seen.links.add(leaf["id"])
            if stream:
                count = seen.counts[stream] = int((await state(client, stream))["messages"])
                if count >= messages:
                    seen.done_s.setdefault(stream, time.monotonic() - begun_s)
        await asyncio.sleep(1)


def _seconds(text: str) -> float:
    """Read a duration as Go writes it."""
    units = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
    return sum(
        float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(µs|ms|s|m)", text)
    )


def one(edge: str, given: argparse.Namespace) -> Seen:
    """Run one edge."""
    real = [str(nats_server_path())]
    program = real if edge == "nats-server" else [sys.executable, "-m", "leafnode"]
    what = given.what.split(",")
    uplink = "uplink { streams [ { stream: EV, hub_stream: ALL, domain: hub } ] }"
    with (
        tempfile.TemporaryDirectory(prefix="leafnode-thin-") as name,
        Radio(f"lt{os.getpid()}", given.seed) as radio,
        server(radio.hub, real, Path(name), config(Path(name), "hub", given)),
        server(
            radio.edge,
            program,
            Path(name),
            config(Path(name), "edge", given) + (uplink if edge == "ours" and "up" in what else ""),
        ),
        Inside(radio.hub) as up,
        Inside(radio.edge) as down,
    ):
        radio.becomes(given.was or given.link)
        above, below = up.do(connected()), down.do(connected())
        up.do(wait_for(linked))
        up.do(made(above, "H", subjects=["h.>"]))
        up.do(publish(above, "h.x", range(given.messages), size=given.size))
        down.do(made(below, "EV", subjects=["ev.>"]))
        radio.becomes(given.link)
        seen = Seen()
        hubs = up.do(_begin(above, "hub", given, seen, uplink=edge == "ours"))
        edges = down.do(_begin(below, "edge", given, seen, uplink=edge == "ours"))
        begun_s = time.monotonic()
        while (passed_s := time.monotonic() - begun_s) < given.seconds:
            time.sleep(10)
            print(
                f"{edge} {passed_s + 10:.0f}s {seen.counts} heard {seen.heard} "
                f"links {len(seen.links)}",
                file=sys.stderr,
                flush=True,
            )
            if "live" not in what and len(seen.done_s) == len(what):
                break
        up.do(_end(above, hubs))
        down.do(_end(below, edges))
    return seen


async def _begin(
    client: Client, end: str, given: argparse.Namespace, seen: Seen, *, uplink: bool
) -> list[asyncio.Task[None]]:
    """Let one end do its part; what it returns goes on."""
    what, stream = given.what.split(","), ""
    if end == "hub" and "up" in what:
        stream = "ALL"
        taken: dict[str, Any] = {"sources": [elsewhere("EV", "edge")]}
        await made(client, stream, **({"subjects": ["edge.>"]} if uplink else taken))
    if end == "hub" and given.consumer:
        wanted = PACED | {"max_ack_pending": given.consumer}
        answer = await ask(
            client, "$JS.API.CONSUMER.CREATE.H.thin", {"stream_name": "H", "config": wanted}
        )
        assert "error" not in answer, answer
    if end == "hub":
        await count(client, "$JS.API.CONSUMER.*.H.>", seen, "asked")
        await count(client, "$JS.API.CONSUMER.CREATE.H", seen, "asked")
    if end == "edge" and "mirror" in what:
        stream = "M"
        mirror = elsewhere("H", "hub")
        if given.consumer:
            mirror["consumer"] = {"name": "thin", "deliver_subject": PACED["deliver_subject"]}
        await made(client, stream, mirror=mirror)
    if end == "edge" and "up" in what:
        await publish(client, "ev.x", range(given.messages), size=given.size)
    begun = [watch(client, end, stream, seen, given.messages)]
    if "live" in what:
        here, there = ("live.down", "live.up") if end == "hub" else ("live.up", "live.down")
        await listen(client, there, seen)
        begun.append(talk(client, here, given.live))
    return [asyncio.get_running_loop().create_task(work) for work in begun]


async def _end(client: Client, tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--edges", default="ours,nats-server")
    parser.add_argument("--what", default="mirror,up")
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--live", default="1000:1")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--pings", default="5s")
    parser.add_argument("--deadline", default="")
    parser.add_argument("--link", default="thin")
    parser.add_argument("--was", default="")
    parser.add_argument("--consumer", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for edge in given.edges.split(","):
        print(edge, one(edge, given), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
