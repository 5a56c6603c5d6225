"""A reading from the wire to its acknowledgement, and a command to its answer: how long, how many.

    python -m tests.bench.bench_reading --seconds 8

Devices are on pseudo-terminals, which know no speed, so this is what the gateway adds. `paced`: 20
a second. `full`: as many as one device gets through. Where a device hears of its acknowledgement,
the time is until then; else until a consumer of the stream has the message, which is after the
COMMIT too. For a bus it counts from the slave's answer; for commands from the request to its reply.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import tty
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import nats
from pymodbus.framer import FramerRTU

from leafnode.link.device import REFUSE, DeviceSession
from tests.bench.bench_server import Server
from tests.hub.process import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

PACE_S: Final = 0.05
MODBUS: Final = """modbus {{ timeout: 1s, commands {{ subject: "c.{{device}}.{{name}}" }}, slaves [
    {{ name: m, address: 1, groups [
        {{ name: g, every: {every}, registers [ {{ name: t, address: 0, type: u64 }} ] }}
        {{ name: now, registers [ {{ name: t, address: 0, type: u64 }} ] }} ] }} ] }}"""


class Terminal:
    """The device's end of a pseudo-terminal."""

    def __init__(self) -> None:
        self.descriptor, port = os.openpty()
        tty.setraw(port)
        os.set_blocking(self.descriptor, False)
        self.path = os.ttyname(port)

    def say(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self.descriptor, data) :]
            except BlockingIOError:
                time.sleep(0.0005)

    def hear(self) -> bytes:
        try:
            return os.read(self.descriptor, 65536)
        except BlockingIOError:
            return b""


async def quiet(_: Exception) -> None:
    """The server is starting."""


class World:
    """A server with one port, a stream and a client."""

    def __init__(self, options: str, directory: Path) -> None:
        self.terminal = Terminal()
        self.late_ms: list[float] = []
        nats_port, http_port = free_ports(2)
        file = directory / "x.conf"
        file.write_text(
            f"listen: 127.0.0.1:{nats_port}, http: 127.0.0.1:{http_port}\n"
            f'jetstream {{ store_dir: "{directory}", domain: x }}\n'
            f'serial {{ ports: [ {{ name: p, device: "{self.terminal.path}", {options} }} ] }}'
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "leafnode", "-c", str(file)], stderr=subprocess.DEVNULL
        )
        self.server = Server("leafnode", nats_port, self._process.pid)
        self._url = f"nats://127.0.0.1:{nats_port}"
        self._http = f"http://127.0.0.1:{http_port}/serialz"

    def row(self) -> dict[str, Any]:
        with urllib.request.urlopen(self._http) as answer:
            row: dict[str, Any] = json.load(answer)["ports"][0]
        return row

    async def ready(self) -> nats.NATS:
        while True:
            try:
                self.client = await nats.connect(self._url, allow_reconnect=False, error_cb=quiet)
                break
            except (OSError, nats.errors.Error):
                await asyncio.sleep(0.1)
        await self.client.jetstream().add_stream(name="S", subjects=["s.>"])
        while not (await asyncio.to_thread(self.row))["open"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return self.client

    async def listen(self, stamp: Callable[[bytes], int]) -> None:
        """Note how late messages of the stream come behind the time in them."""

        async def heard(message: Any) -> None:
            self.late_ms.append((time.monotonic_ns() - stamp(message.data)) / 1e6)

        await self.client.jetstream().subscribe("s.>", cb=heard, ordered_consumer=True)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


async def line(world: World, seconds: float, *, full: bool) -> None:
    await world.listen(int)
    end_s = time.monotonic() + seconds
    if full:
        # No more on its way than the port's queue: what waits in it would be counted as late.
        said = 0
        while time.monotonic() < end_s:
            if said - len(world.late_ms) < 200:
                world.terminal.say(b"%d\n" % time.monotonic_ns())
                said += 1
            else:
                await asyncio.sleep(0.0005)
            if said % 20 == 0:
                await asyncio.sleep(0)
        return
    while time.monotonic() < end_s:
        world.terminal.say(b"%d\n" % time.monotonic_ns())
        await asyncio.sleep(PACE_S)


async def link(world: World, seconds: float, *, full: bool) -> None:
    device = DeviceSession("board", 7, window=8, ring_messages=16, policy=REFUSE)
    sent: list[int] = []
    end_s, due_s = time.monotonic() + seconds, 0.0
    while (now_s := time.monotonic()) < end_s:
        now_ms = int(now_s * 1000)
        before = device.unacked
        device.receive(world.terminal.hear(), now_ms)
        for _ in range(before - device.unacked):
            world.late_ms.append((time.monotonic_ns() - sent.pop(0)) / 1e6)
        room = device.is_up and (device.unacked < 8 if full else now_s >= due_s)
        if room and device.publish("t", b"%d" % time.monotonic_ns(), now_ms):
            sent.append(time.monotonic_ns())
            due_s = now_s + PACE_S
        while data := device.data_to_send(now_ms):
            world.terminal.say(data)
        await asyncio.sleep(0 if full else 0.0005)


async def text_link(world: World, seconds: float, *, full: bool) -> None:
    world.terminal.say(b"\nhello board 7\n")
    await asyncio.sleep(0.5)
    world.terminal.hear()
    end_s, number = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        number += 1
        sent_ns = time.monotonic_ns()
        world.terminal.say(b"#%d pt t %d.5\n" % (number, number))
        while b"ok %d\n" % number not in world.terminal.hear():  # noqa: ASYNC110 -- a terminal
            await asyncio.sleep(0.0002)
        world.late_ms.append((time.monotonic_ns() - sent_ns) / 1e6)
        if not full:
            await asyncio.sleep(PACE_S)


def slave(world: World) -> None:
    """Answer each request with the time in four registers."""

    def answer() -> None:
        asked = world.terminal.hear()
        if asked:
            frame = b"\x01\x03\x08" + struct.pack(">Q", time.monotonic_ns())
            world.terminal.say(frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big"))

    asyncio.get_running_loop().add_reader(world.terminal.descriptor, answer)


async def bus_begins(world: World) -> None:
    """Answer, and wait until nothing of the time before that counts any more."""
    slave(world)
    await asyncio.sleep(3)


async def bus(world: World, seconds: float, *, full: bool) -> None:
    await world.listen(lambda payload: int(json.loads(payload)["t"]))
    await asyncio.sleep(0.5)
    world.late_ms.clear()
    await asyncio.sleep(seconds)
    asyncio.get_running_loop().remove_reader(world.terminal.descriptor)
    await asyncio.sleep(0.3)


async def requests(world: World, subject: str, seconds: float, *, full: bool) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        sent_ns = time.monotonic_ns()
        answer = await world.client.request(subject, b"", timeout=5)
        assert answer.data, answer.headers
        world.late_ms.append((time.monotonic_ns() - sent_ns) / 1e6)
        if not full:
            await asyncio.sleep(PACE_S)


async def command(world: World, seconds: float, *, full: bool) -> None:
    def answer() -> None:
        for _ in range(world.terminal.hear().count(b"\n")):
            world.terminal.say(b"S S     1.234 g\r\n")

    loop = asyncio.get_running_loop()
    loop.add_reader(world.terminal.descriptor, answer)
    await requests(world, "c.weigh", seconds, full=full)
    loop.remove_reader(world.terminal.descriptor)


async def bus_command(world: World, seconds: float, *, full: bool) -> None:
    await requests(world, "c.m.now", seconds, full=full)
    asyncio.get_running_loop().remove_reader(world.terminal.descriptor)


LINE: Final = 'subject: "s.{port}", framing { type: line, keep_first: true }'
BOARD: Final = 'subject: "s.{device}.{name}"'
KINDS: Final[dict[str, tuple[Any, str, str]]] = {
    "a line": (line, LINE, LINE),
    "a reading of the device link, to its ack": (
        link,
        f"{BOARD}, framing: link",
        f"{BOARD}, framing: link",
    ),
    "a numbered line of the text dialect, to its ack": (
        text_link,
        f"{BOARD}, framing: text_link",
        f"{BOARD}, framing: text_link",
    ),
    "four registers of a Modbus slave": (
        bus,
        f"{BOARD}, {MODBUS.format(every='50ms')}",
        f"{BOARD}, {MODBUS.format(every='1ms')}",
    ),
    "a command to a scale, to its answer": (
        command,
        f'{LINE}, commands [ {{ subject: c.weigh, send: "SI" }} ]',
        f'{LINE}, commands [ {{ subject: c.weigh, send: "SI" }} ]',
    ),
    "a group of a Modbus slave when asked": (
        bus_command,
        f"{BOARD}, {MODBUS.format(every='60s')}",
        f"{BOARD}, {MODBUS.format(every='60s')}",
    ),
}


async def measured(world: World, load: Any, seconds: float, *, full: bool) -> str:
    await world.ready()
    if load in (bus, bus_command):
        await bus_begins(world)
    cpu_s = world.server.cpu_s()
    await load(world, seconds, full=full)
    used_s = world.server.cpu_s() - cpu_s
    await world.client.close()
    late_ms = sorted(world.late_ms)
    count = len(late_ms)
    assert count, "nothing came through"
    middle, most = (late_ms[int(part * (count - 1))] for part in (0.5, 0.99))
    return (
        f"| {'full' if full else 'paced'} | {count / seconds:,.0f} | "
        f"{used_s / count * 1e6:,.0f} us | {middle:.1f} ms | {most:.1f} ms |"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    print("| | load | a second | CPU each | median | 99 % |")
    print("|---|---|---|---|---|---|")
    for name, (load, paced, full) in KINDS.items():
        loads = ((paced, False), (full, True)) if options.only in name else ()
        for text, is_full in loads:
            with tempfile.TemporaryDirectory() as directory:
                world = World(text, Path(directory))
                try:
                    row = asyncio.run(measured(world, load, options.seconds, full=is_full))
                    print(f"| {name} {row}", flush=True)
                finally:
                    world.stop()


if __name__ == "__main__":
    main()
