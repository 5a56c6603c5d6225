"""The bridge on real terminals: bytes written at one end of a pty are messages in a stream.

Real time, pyserial, threads and account; the stream is the one of the unit tests.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import tty
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.bridge.bridge import Bridge
from leafnode.clock import NS_PER_MS, SystemClock
from leafnode.config.serial_options import SerialOptions, SerialPort
from leafnode.config.serial_stage_options import FramingOptions
from leafnode.link.device import DeviceSession
from tests.unit.bridge.fake_stream import FakeStream, new_account

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from leafnode.bridge.status import PortStatus

TIMEOUT_S = 30


class Cable:
    """A pty behind a link that stays, as in /dev/serial/by-id when a device comes back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.device = -1
        self._kept = -1
        self.plug()

    def plug(self) -> None:
        self.device, self._kept = os.openpty()
        tty.setraw(self._kept)
        os.set_blocking(self.device, False)
        self.path.symlink_to(os.ttyname(self._kept))

    def unplug(self) -> None:
        if self.device >= 0:
            self.path.unlink()
            os.close(self.device)
            os.close(self._kept)
            self.device = -1

    def say(self, data: bytes) -> int:
        try:
            return os.write(self.device, data)
        except BlockingIOError:
            return 0

    def hear(self) -> bytes:
        try:
            return os.read(self.device, 65536)
        except BlockingIOError:
            return b""


class World:
    """A running bridge with one stream for everything."""

    def __init__(self, *ports: SerialPort) -> None:
        self.account = new_account()
        self.stream = FakeStream(self.account, b"s.>")
        self.stream.commits_at_once = True
        self.clock = SystemClock()
        self.bridge = Bridge(SerialOptions(ports=ports), self.account, self.clock, random.Random(1))

    def status(self, index: int = 0) -> PortStatus:
        return self.bridge.status()[index]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():  # noqa: ASYNC110 -- a kernel has no event for us to wait on
                await asyncio.sleep(0.001)

    def run(self, story: Callable[[], Coroutine[object, object, None]]) -> None:
        async def main() -> None:
            async with asyncio.TaskGroup() as tasks:
                bridge = tasks.create_task(self.bridge.run())
                await story()
                bridge.cancel()

        asyncio.run(main())


@pytest.fixture
def cable(tmp_path: Path) -> Cable:
    return Cable(tmp_path / "by-id")


def line_port(cable: Cable, name: str = "scale") -> SerialPort:
    return SerialPort(
        device=str(cable.path),
        name=name,
        subject="s.{port}",
        baud=9600,
        framing=FramingOptions(keep_first=True),
    )


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_hundred_unpluggings_lose_no_descriptor_no_task_and_no_callback(
    cable: Cable, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "leafnode")
    monkeypatch.setattr(limits, "PORT_REOPEN_NS", NS_PER_MS)
    monkeypatch.setattr(limits, "PORT_REOPEN_MAX_NS", 2 * NS_PER_MS)
    monkeypatch.setattr(limits, "PORT_POLL_NS", 2 * NS_PER_MS)
    world = World(line_port(cable))
    seen: list[tuple[int, int]] = []

    async def story() -> None:
        for cycle in range(1, 101):
            await world.until(lambda: world.status().open)
            cable.say(b"%d\r\n" % cycle)
            await world.until(lambda wanted=cycle: world.status().stored == wanted)
            seen.append((descriptors(), len(asyncio.all_tasks())))
            cable.unplug()
            await world.until(lambda: not world.status().open)
            cable.plug()
        await world.until(lambda: world.status().open)

    before = descriptors()
    world.run(story)

    assert world.stream.payloads == [b"%d" % cycle for cycle in range(1, 101)]
    assert world.status().reopens == 100
    assert len(set(seen[5:])) == 1
    assert descriptors() == before
    opened = [record for record in caplog.records if "opened" in record.getMessage()]
    lost = [record for record in caplog.records if "lost" in record.getMessage()]
    assert (len(opened), len(lost)) == (101, 100)
    cable.unplug()


def test_what_a_sensor_said_while_the_gateway_was_away_is_stored_after_its_return(
    cable: Cable,
) -> None:
    first, second = World(line_port(cable)), World(line_port(cable))

    async def before() -> None:
        await first.until(lambda: first.status().open)
        cable.say(b"1\n")
        await first.until(lambda: first.status().stored == 1)

    async def after() -> None:
        await second.until(lambda: second.status().stored == 2)

    first.run(before)
    cable.say(b"2\n3\n")
    second.run(after)

    assert first.stream.payloads + second.stream.payloads == [b"1", b"2", b"3"]
    cable.unplug()


def test_a_flood_is_stored_whole_while_another_port_is_served(tmp_path: Path) -> None:
    flood, scale = Cable(tmp_path / "flood"), Cable(tmp_path / "scale")
    world = World(line_port(flood, "flood"), line_port(scale, "scale"))
    lines = b"".join(b"%d\n" % number for number in range(20_000))
    waits: list[float] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        await world.until(lambda: world.status(0).open and world.status(1).open)
        said = 0
        asked = loop.time()
        scale.say(b"0\n")
        while said < len(lines):
            said += flood.say(lines[said : said + 4096])
            await asyncio.sleep(0)
            if world.status(1).stored > len(waits):
                waits.append(loop.time() - asked)
                asked = loop.time()
                scale.say(b"0\n")
        await world.until(lambda: world.status(0).stored == 20_000)

    world.run(story)

    flooded = [
        int(payload)
        for subject, payload in zip(world.stream.subjects, world.stream.payloads, strict=True)
        if subject == b"s.flood"
    ]
    assert flooded == list(range(20_000))
    assert len(waits) >= 10
    assert world.status(0).queued_bytes == 0
    flood.unplug()
    scale.unplug()


def test_a_board_delivers_each_reading_once_across_unpluggings_and_a_new_gateway(
    cable: Cable,
) -> None:
    port = SerialPort(
        device=str(cable.path),
        name="node",
        subject="s.{device}.{name}",
        framing=FramingOptions("link"),
    )
    board = DeviceSession("node1", 77)
    worlds = [World(port), World(port)]
    # The same disk behind both lives of the gateway.
    worlds[1].stream.ids = worlds[0].stream.ids
    worlds[1].stream.payloads = worlds[0].stream.payloads
    worlds[1].stream.subjects = worlds[0].stream.subjects
    worlds[1].stream._seqs = worlds[0].stream._seqs
    published = 0

    def turn(world: World) -> None:
        now_ms = world.clock.monotonic_ns() // NS_PER_MS
        if cable.device < 0:
            return
        board.receive(cable.hear(), now_ms)
        while data := board.data_to_send(now_ms):
            cable.say(data)

    async def publish(world: World, count: int) -> None:
        nonlocal published
        for _ in range(count):
            published += 1
            board.publish("temp", b"%d" % published)
            wanted = published
            await world.until(lambda w=world, n=wanted: bool(turn(w)) or len(w.stream.ids) >= n)

    async def first_life() -> None:
        world = worlds[0]
        await world.until(lambda: world.status().open)
        await publish(world, 10)
        cable.unplug()
        await world.until(lambda: not world.status().open)
        cable.plug()
        await publish(world, 10)
        # Committed, and the gateway dies before the board hears of it.
        world.stream.commits_at_once = False
        board.publish("temp", b"21")
        await world.until(lambda: bool(turn(world)) or world.stream.staged == 1)
        world.stream.commit_unheard()

    async def second_life() -> None:
        nonlocal published
        published = 21
        await publish(worlds[1], 10)
        await worlds[1].until(lambda: bool(turn(worlds[1])) or board.counters.acked == 31)

    worlds[0].run(first_life)
    worlds[1].run(second_life)

    assert worlds[1].stream.payloads == [b"%d" % number for number in range(1, 32)]
    assert worlds[1].stream.ids == [b"node1.77.%d" % number for number in range(1, 32)]
    assert worlds[1].status().duplicates == 1
    cable.unplug()
