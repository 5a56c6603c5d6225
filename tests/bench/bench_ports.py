"""Readings of many serial ports into a stream: how many a second, their CPU, how late they are.

    python -m tests.bench.bench_ports --ports 24 --seconds 10

The sensors are pseudo-terminals, which know no speed. `paced`: each says ten lines a second; how
late a line is counts from its writing until a consumer has it, which is after the COMMIT.
`flood`: each says as much as is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tty
import urllib.request
from pathlib import Path
from typing import Any, Final

import nats

from tests.bench.bench_server import Server
from tests.hub.process import free_ports

LINES_EACH_S: Final = 10


class Sensors:
    """Pseudo-terminals that say when they spoke."""

    def __init__(self, count: int) -> None:
        self.descriptors: list[int] = []
        self.paths: list[str] = []
        for _ in range(count):
            device, port = os.openpty()
            tty.setraw(port)
            os.set_blocking(device, False)
            self.descriptors.append(device)
            self.paths.append(os.ttyname(port))

    def say(self, number: int, lines: int = 1) -> int:
        """Say a line of 40 bytes, or several; return how many bytes were taken."""
        data = b"".join(b"%019d,%019d\n" % (time.monotonic_ns(), number) for _ in range(lines))
        try:
            return os.write(self.descriptors[number], data)
        except BlockingIOError:
            return 0


class World:
    """A server whose ports are the sensors."""

    def __init__(self, ports: int, directory: Path) -> None:
        self.sensors = Sensors(ports)
        nats_port, http_port = free_ports(2)
        entries = "\n".join(
            f'{{ name: p{number}, device: "{path}", subject: "s.{{port}}" }}'
            for number, path in enumerate(self.sensors.paths)
        )
        file = directory / "x.conf"
        file.write_text(
            f"listen: 127.0.0.1:{nats_port}, http: 127.0.0.1:{http_port}\n"
            f'jetstream {{ store_dir: "{directory}", domain: x }}\n'
            f"serial {{ ports: [ {entries} ] }}"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "leafnode", "-c", str(file)], stderr=subprocess.DEVNULL
        )
        self.server = Server("leafnode", nats_port, self.process.pid)
        self.url = f"nats://127.0.0.1:{nats_port}"
        self._http = f"http://127.0.0.1:{http_port}/serialz"

    def rows(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(self._http) as answer:
            rows: list[dict[str, Any]] = json.load(answer)["ports"]
        return rows

    def stored(self) -> int:
        return sum(row["stored"] for row in self.rows())

    async def ready(self) -> nats.NATS:
        client = None
        while client is None:
            try:
                client = await nats.connect(self.url, allow_reconnect=False)
            except (OSError, nats.errors.Error):
                await asyncio.sleep(0.1)
        await client.jetstream().add_stream(name="S", subjects=["s.>"])
        while not all(row["open"] for row in await asyncio.to_thread(self.rows)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return client

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


async def paced(world: World, seconds: float) -> str:
    client = await world.ready()
    late_ms: list[float] = []

    async def heard(message: Any) -> None:
        late_ms.append((time.monotonic_ns() - int(message.data.split(b",")[0])) / 1e6)

    await client.jetstream().subscribe("s.>", cb=heard, ordered_consumer=True)
    count = len(world.sensors.paths)
    cpu_s, start_s = world.server.cpu_s(), time.monotonic()
    said = 0
    while (passed_s := time.monotonic() - start_s) < seconds:
        while said < passed_s * LINES_EACH_S * count:
            world.sensors.say(said % count)
            said += 1
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.5)
    used_s = world.server.cpu_s() - cpu_s
    await client.close()
    late_ms.sort()
    at = {part: late_ms[int(part * (len(late_ms) - 1))] for part in (0.5, 0.99)}
    return (
        f"| paced | {count} | {said / seconds:,.0f} | {len(late_ms):,} of {said:,} | "
        f"{used_s / len(late_ms) * 1e6:.0f} us | {at[0.5]:.1f} ms | {at[0.99]:.1f} ms | "
        f"{world.server.rss_mib():.0f} MiB |"
    )


async def flood(world: World, seconds: float) -> str:
    client = await world.ready()
    count = len(world.sensors.paths)
    cpu_s, start_s = world.server.cpu_s(), time.monotonic()
    while time.monotonic() - start_s < seconds:
        if not sum(world.sensors.say(number, 50) for number in range(count)):
            await asyncio.sleep(0.001)
    stored = await asyncio.to_thread(world.stored)
    passed_s = time.monotonic() - start_s
    used_s = world.server.cpu_s() - cpu_s
    each = [row["stored"] for row in await asyncio.to_thread(world.rows)]
    await client.close()
    spread = f"{min(each):,} to {max(each):,} each, median {statistics.median(each):,.0f}"
    return (
        f"| flood | {count} | {stored / passed_s:,.0f} | {spread} | "
        f"{used_s / stored * 1e6:.0f} us | | | {world.server.rss_mib():.0f} MiB |"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ports", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    print("| load | ports | readings/s | stored | CPU each | late, median | late, 99 % | RSS |")
    print("|---|---|---|---|---|---|---|---|")
    for ports in (1, options.ports):
        for load in (paced, flood):
            with tempfile.TemporaryDirectory() as directory:
                world = World(ports, Path(directory))
                try:
                    print(asyncio.run(load(world, options.seconds)), flush=True)
                finally:
                    world.stop()


if __name__ == "__main__":
    main()
