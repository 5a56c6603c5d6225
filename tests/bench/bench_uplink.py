"""What a link to a hub costs, idle and a reading, and how soon it drains after the hub's kill -9.

    python tests/bench/bench_uplink.py idle [--seconds 600] [--ping-interval 2m]
    python tests/bench/bench_uplink.py traffic
    python tests/bench/bench_uplink.py outage [--rounds 10] [--messages 1000]

Against the nats-server beside this Python. Idle: a proxy between gateway and hub counts what both
send, after the first 10 s, and the kernel its segments. Outage: the hub is killed while messages
come, and started again 3 s later; counted from its leaf port being open to the first and to the
last message in its stream, with the gateway's default `reconnect` of 1 s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import socket
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.hub.process import Hub, free_ports, running_hub
from tests.interop.gateway import Gateway, running_gateway
from tests.interop.uplinking import HUB, gateway_config, jetstream_of, make_streams

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS_OF_DAY = 86_400
SEGMENT_BYTES = 52  # IPv4 20, TCP 20, its timestamps 12
TCP_INFO_BYTES = 144
SEGMENTS_AT = 136  # tcpi_segs_out and tcpi_segs_in of Linux's struct tcp_info
SETTLE_S = 10
DOWN_S = 3
STABLE_S = 6  # a link that breaks sooner is taken for one that does not work, and dialed less often


class Proxy:
    """Passes bytes on and counts them."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.up = self.down = 0
        self._socket: socket.socket | None = None

    def segments(self) -> int:
        """Return how many the gateway's connection had, both ways, empty ones too."""
        assert self._socket is not None, "the gateway has connected"
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
        out, came = struct.unpack_from("II", info, SEGMENTS_AT)
        return int(out + came)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._socket = writer.get_extra_info("socket")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass(reader, far_writer, is_up=True))
            group.create_task(self._pass(far_reader, writer, is_up=False))

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool
    ) -> None:
        while chunk := await reader.read(65_536):
            if is_up:
                self.up += len(chunk)
            else:
                self.down += len(chunk)
            writer.write(chunk)
        writer.close()


async def until_empty(gateway: Gateway, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        (stream,) = (await asyncio.to_thread(gateway.get, "uplinkz"))["streams"]
        if stream["state"] == "running" and not stream["lag_messages"]:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("the uplink did not drain")


@contextlib.asynccontextmanager
async def counted(
    directory: Path, *, top: str = "", uplink: str = "", packed: bool = False
) -> AsyncIterator[tuple[Gateway, Proxy]]:
    """A gateway whose uplink goes through a proxy that counts, and has nothing to do."""
    mode = "compression: s2_fast" if packed else "compression: off"
    with running_hub(directory / "hub", top + HUB, leafnodes=mode) as hub:
        proxy = Proxy(hub.leaf_port)
        (port,) = free_ports(1)
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", port)
        url = f'url: "nats-leaf://127.0.0.1:{port}", ignore_discovered_servers: true, {mode}'
        config = gateway_config(hub, uplink).replace(f'url: "{hub.leaf_url}"', url)
        gateway = Gateway(directory / "edge", top + config)
        await asyncio.to_thread(gateway.start)
        try:
            await make_streams(hub, gateway)
            await until_empty(gateway)
            yield gateway, proxy
        finally:
            await asyncio.to_thread(gateway.stop)
            server.close()


async def idle(directory: Path, seconds: int, ping_interval: str) -> None:
    async with counted(directory, top=f"ping_interval: {ping_interval}\n") as (_, proxy):
        await asyncio.sleep(SETTLE_S)
        up, down, segments = proxy.up, proxy.down, proxy.segments()
        await asyncio.sleep(seconds)
        up, down, segments = proxy.up - up, proxy.down - down, proxy.segments() - segments
    a_day = SECONDS_OF_DAY / seconds
    wire = up + down + segments * SEGMENT_BYTES
    print(f"{seconds} s idle: {up} bytes up, {down} down, in {segments} segments")
    print(f"a day: {(up + down) * a_day / 1024:.1f} KiB, with TCP/IP {wire * a_day / 1024:.1f} KiB")


# How messages come: their number, the pause between them, and what the configuration says of it.
WAYS = {
    "one a time": (100, 0.05, ""),
    "20 a second, coalesce: 2s": (200, 0.05, "coalesce: 2s"),
    "a backlog": (5000, 0.0, "coalesce: 3s, coalesce_bytes: 10MB"),
}


async def traffic(directory: Path) -> None:
    """Count what a reading costs on the wire, both ways, each way of sending."""
    print("| readings of 46 B | bytes up | down | segments | with TCP/IP, both ways |")
    print("|---|---|---|---|---|")
    for number, (way, packed) in enumerate(itertools.product(WAYS, (False, True))):
        messages, pause_s, uplink = WAYS[way]
        place = directory / str(number)
        async with counted(place, uplink=uplink, packed=packed) as (gateway, proxy):
            await asyncio.sleep(2)  # the first PINGs
            up, down, segments = proxy.up, proxy.down, proxy.segments()
            async with jetstream_of(gateway.client_url) as jetstream:
                for index in range(messages):
                    reading = f'{{"t":{20 + index % 9}.{index % 10},"h":{index % 50 + 30},"ts":'
                    reading += f'"2026-11-28T01:{index % 60:02}:00Z"}}'
                    await jetstream.publish("ev.line1.temp", reading.ljust(46).encode())
                    await asyncio.sleep(pause_s)
            await until_empty(gateway)
            up, down, segments = proxy.up - up, proxy.down - down, proxy.segments() - segments
        wire = up + down + segments * SEGMENT_BYTES
        shown = [f"{count / messages:.1f}" for count in (up, down, segments, wire)]
        print(f"| {way}{', packed' if packed else ''} | {' | '.join(shown)} |", flush=True)


async def outage(directory: Path, rounds: int, messages: int) -> None:
    first_s: list[float] = []
    all_s: list[float] = []
    with (
        running_hub(directory / "hub", HUB) as hub,
        running_gateway(
            directory / "edge", gateway_config(hub).replace(", reconnect: 200ms", "")
        ) as gateway,
    ):
        await make_streams(hub, gateway)
        await until_empty(gateway)
        for _ in range(rounds):
            await asyncio.sleep(STABLE_S)
            async with jetstream_of(gateway.client_url) as jetstream:
                await asyncio.to_thread(hub.kill)
                for number in range(messages):
                    await jetstream.publish("ev.reading", b"%d" % number)
            await asyncio.sleep(DOWN_S)
            stored = (await asyncio.to_thread(gateway.get, "uplinkz"))["streams"][0]["uplinked"]
            starting = asyncio.create_task(asyncio.to_thread(hub.start))
            opened = await opening(hub)
            first, last = await arrivals(gateway, stored, messages)
            await starting
            first_s.append(first - opened)
            all_s.append(last - opened)
    for name, taken in (("first message", first_s), (f"all {messages}", all_s)):
        print(
            f"{rounds} x kill -9, {name} after the leaf port is open: "
            f"{statistics.median(taken):.2f} s median, {max(taken):.2f} s at most"
        )


async def opening(hub: Hub) -> float:
    """Return when the hub's leaf port is open."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", hub.leaf_port)
        except OSError:
            await asyncio.sleep(0.005)
            continue
        opened = time.monotonic()
        writer.close()
        return opened


async def arrivals(gateway: Gateway, stored: int, messages: int) -> tuple[float, float]:
    """Return when the first and when the last message was acknowledged by the hub."""
    first = 0.0
    while True:
        row = (await asyncio.to_thread(gateway.get, "uplinkz"))["streams"][0]
        now = time.monotonic()
        if not first and row["uplinked"] + row["skipped"] > stored:
            first = now
        if row["uplinked"] + row["skipped"] >= stored + messages:
            return first, now
        await asyncio.sleep(0.01)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("idle", "traffic", "outage"))
    options.add_argument("--seconds", type=int, default=600)
    options.add_argument("--ping-interval", default="2m")
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--messages", type=int, default=1000)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.what == "idle":
            asyncio.run(idle(Path(name), given.seconds, given.ping_interval))
        elif given.what == "traffic":
            asyncio.run(traffic(Path(name)))
        else:
            asyncio.run(outage(Path(name), given.rounds, given.messages))


if __name__ == "__main__":
    main()
