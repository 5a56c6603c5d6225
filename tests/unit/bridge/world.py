"""One port on a fake line: a socket pair instead of a tty, a clock that a test moves."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from random import Random
from typing import TYPE_CHECKING, ClassVar

from leafnode import limits
from leafnode.bridge.port import LineErrors, PortGone
from leafnode.bridge.runner import PortRunner
from leafnode.bridge.seams import BridgeSeams
from leafnode.config.serial_options import SerialPort
from leafnode.config.serial_stage_options import CodecOptions, FramingOptions
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import FakeStream, new_account

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class FakeLine:
    """A cable: the test holds `device`, the bridge opens the other end, any number of times.

    A thread that opens it may outlive its test. What it left open would be found by the collector
    amid another test, which fails then: so `end` closes for good.
    """

    lines: ClassVar[list[FakeLine]] = []  # of the test that runs

    def __init__(self) -> None:
        self.lines.append(self)
        self._is_over = False
        self.device: socket.socket | None = None
        self.opens = 0
        self.closes = 0
        self.refusal: Exception | None = None
        self.errors = LineErrors()  # that the driver counted since the port was opened
        self.path = "/dev/fake"
        self._lock = threading.Lock()

    def open(self, options: SerialPort) -> FakePort:
        if self.refusal is not None:
            raise self.refusal
        device, port = socket.socketpair()
        device.setblocking(False)
        port.setblocking(False)
        with self._lock:  # this is another thread than the test's, and there may be two
            before, self.device = self.device, device
        for one in (before, device if self._is_over else None):
            if one is not None:
                one.close()
        self.opens += 1
        return FakePort(self, port)

    def find(self, options: SerialPort) -> str:
        if self.refusal is not None:
            raise self.refusal
        return self.path

    def end(self) -> None:
        """The test is over."""
        with self._lock:
            self._is_over, device = True, self.device
        if device is not None:
            device.close()

    def unplug(self) -> None:
        assert self.device is not None
        self.device.close()


class FakePort:
    """Implements OpenPort on a socket."""

    def __init__(self, line: FakeLine, sock: socket.socket) -> None:
        self._line = line
        self._socket = sock
        self.path = line.path

    is_low_latency = False

    def stop(self) -> None:
        pass

    def describe(self) -> str:
        return "baud=115200"

    def line_errors(self) -> LineErrors:
        return self._line.errors

    def write_pause_ns(self) -> int:
        return 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> bytes:
        try:
            data = os.read(self._socket.fileno(), limits.SERIAL_READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise PortGone("the other end hung up")
        return data

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._socket.fileno(), data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        self._line.closes += 1
        self._socket.close()


class World:
    """A running port with a stream behind it."""

    def __init__(self, options: SerialPort, *, max_payload_bytes: int = 1000) -> None:
        self.line = FakeLine()
        self.account = new_account()
        self.clock = FakeClock()
        self.max_payload_bytes = max_payload_bytes
        self.stream = FakeStream(self.account, b"s.>")
        self.stream.commits_at_once = True
        max_payload = lambda: self.max_payload_bytes  # noqa: E731
        seams = BridgeSeams(
            self.account, self.clock, Random(1), self.line.open, self.line.find, max_payload
        )
        self.runner = PortRunner(options, seams, boot="boot", inbox=b"_INBOX.x")

    def say(self, data: bytes) -> None:
        assert self.line.device is not None
        self.line.device.sendall(data)

    def hear(self) -> bytes:
        assert self.line.device is not None
        try:
            return self.line.device.recv(65536)
        except BlockingIOError:
            return b""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Give the loop turns, without time passing, until the condition holds."""
        async with asyncio.timeout(10):
            while not condition():
                self.clock.advance(0)
                await asyncio.sleep(0)

    async def turns(self, count: int = 20) -> None:
        for _ in range(count):
            self.clock.advance(0)
            await asyncio.sleep(0)

    async def opened(self) -> None:
        await self.until(lambda: self.runner.status().open)


def line_port(*, subject: str = "s.{port}", **options: object) -> SerialPort:
    framing = options.pop("framing", FramingOptions(keep_first=True))
    if isinstance(framing, str):
        framing = FramingOptions(framing, keep_first=True)
    codec = CodecOptions(str(options.pop("codec", "text")), options.pop("fields", ()))  # type: ignore[arg-type]
    given = {"framing": framing, "codec": codec, **options}
    return SerialPort(device="/dev/fake", name="scale", subject=subject, **given)  # type: ignore[arg-type]


def run(world: World, story: Callable[[World], Coroutine[object, object, None]]) -> None:
    """Run the port while the story is told, then stop it."""

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            port = tasks.create_task(world.runner.run())
            await story(world)
            port.cancel()
        world.runner.leave()

    try:
        asyncio.run(main())
    finally:
        if world.line.device is not None:
            world.line.device.close()
