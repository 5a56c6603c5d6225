"""What goes out on a port: in which pieces, and when again."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any

from leafnode.bridge.output import PortOutput
from leafnode.bridge.taps import Taps
from leafnode.clock import NS_PER_MS
from tests.sim.clock import FakeClock
from tests.unit.bridge.world import FakeLine, FakePort

if TYPE_CHECKING:
    from collections.abc import Callable


class Slow(FakePort):
    """Takes so many bytes at once, and says how long it takes none."""

    takes = 1 << 20
    pause_ns = 0

    def write(self, data: bytes) -> int:
        return super().write(data[: self.takes])

    def write_pause_ns(self) -> int:
        return self.pause_ns


class Sender:
    """Has these pieces to say, and then something in so many milliseconds."""

    def __init__(self, *pieces: bytes, due_ms: int | None = None) -> None:
        self.pieces = list(pieces)
        self.due_ms = due_ms

    def data_to_send(self, now_ms: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def next_timeout_ms(self, now_ms: int) -> int | None:
        return self.due_ms


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.device, sock = socket.socketpair()
        self.device.setblocking(False)
        sock.setblocking(False)
        self.port = Slow(FakeLine(), sock)
        self.calls: list[str] = []
        self.output = PortOutput(
            self.clock,
            Taps(self.clock, lambda subject, body: True),
            again=lambda: self.calls.append("again"),
            due=lambda: self.calls.append("due"),
        )
        self.output.opened(self.port)

    def send(self, sender: Sender) -> None:
        self.output.send(sender)  # type: ignore[arg-type]

    def heard(self) -> bytes:
        try:
            return os.read(self.device.fileno(), 1 << 20)
        except BlockingIOError:
            return b""

    def pass_ms(self, count: int) -> None:
        self.clock.advance(count * NS_PER_MS)


def told(story: Callable[[World], Any]) -> None:
    async def main() -> None:
        world = World()
        await story(world)
        world.output.closed(world.port)
        assert world.clock.pending() == 0
        world.port.close()
        world.device.close()

    asyncio.run(main())


def test_a_port_that_takes_nothing_is_not_asked_over_and_over() -> None:
    async def story(world: World) -> None:
        world.port.takes = 0

        world.send(Sender(b"pong", due_ms=0))

        assert world.clock.due_in_ns() == 20 * NS_PER_MS
        world.pass_ms(20)
        assert world.calls == ["due"]
        world.send(Sender(due_ms=500))
        assert world.clock.due_in_ns() == 500 * NS_PER_MS
        world.port.takes = 4
        world.send(Sender(due_ms=0))
        assert world.clock.due_in_ns() == 0
        assert world.heard() == b"pong"

    told(story)


def test_a_turn_writes_sixteen_pieces_and_the_rest_follows_at_once() -> None:
    async def story(world: World) -> None:
        sender = Sender(*[b"%d," % number for number in range(17)])

        world.send(sender)

        assert world.heard() == b"".join(b"%d," % number for number in range(16))
        assert sender.pieces == [b"16,"]
        world.pass_ms(0)
        assert world.calls == ["due"]

    told(story)


def test_what_the_port_did_not_take_goes_first_when_it_is_writable() -> None:
    async def story(world: World) -> None:
        world.port.takes = 3
        sender = Sender(b"abcde", b"f")

        world.send(sender)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert "again" in world.calls
        world.port.takes = 10
        world.send(sender)

        assert world.heard() == b"abcdef"

    told(story)


def test_a_port_that_takes_nothing_for_a_while_is_asked_again_then() -> None:
    async def story(world: World) -> None:
        world.port.takes, world.port.pause_ns = 0, 5 * NS_PER_MS

        world.send(Sender(b"x", due_ms=7))
        world.pass_ms(4)
        await asyncio.sleep(0)
        assert world.calls == []
        world.pass_ms(1)

        assert world.calls == ["due"]

    told(story)


def test_the_sender_is_asked_again_when_it_says() -> None:
    async def story(world: World) -> None:
        world.send(Sender(due_ms=7))
        world.pass_ms(6)
        assert world.calls == []
        world.pass_ms(1)
        assert world.calls == ["due"]

    told(story)


def test_a_port_that_is_opened_again_gets_nothing_of_before() -> None:
    async def story(world: World) -> None:
        world.port.takes = 1
        world.send(Sender(b"abc"))
        world.output.closed(world.port)
        world.port.takes = 10
        world.output.opened(world.port)

        world.send(Sender(b"new"))

        assert world.heard() == b"anew"

    told(story)
