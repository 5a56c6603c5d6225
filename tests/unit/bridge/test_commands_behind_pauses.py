"""Commands of a port that was not read for a while: what came meanwhile is nobody else's answer."""

from __future__ import annotations

from typing import Final

import pytest

from leafnode import limits
from leafnode.bridge.frame_commands import OPENING_MS, FrameCommands
from leafnode.bridge.framing import new_framing
from leafnode.bridge.framing.frames import READ_MOST_MS, READ_MS, Frames
from leafnode.clock import NS_PER_MS
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import new_account
from tests.unit.bridge.requester import Heard, Requester
from tests.unit.bridge.test_commands_on_slow_lines import passes
from tests.unit.bridge.test_frame_commands import Device, play
from tests.unit.config.test_serial_framing import port

NOBODY_KNOWS: Final = Heard(b"", 504, "no answer in time: nobody knows whether it was done")
COMMANDS: Final = (
    "framing { type: line, keep_first: true }, "
    'commands [ { subject: c.any, starts: ["answer", "late"] } ]'
)
POLLED: Final = COMMANDS.replace("}, c", r', poll: "P\r\n", poll_every: 3s }, c', 1)


async def pauses(world: Device) -> None:
    """Say so much that the port is not read until `is_read_again`."""
    world.stream.commits_at_once = False
    for _ in range(limits.READINGS_UNCOMMITTED_MAX // 64 + 1):
        world.say(b"x\r\n" * 64)
        await world.turns(5)
    await world.until(lambda: world.runner.status().paused)


async def is_read_again(world: Device) -> None:
    world.stream.commits_at_once = True
    world.stream.commit()
    await world.turns(100)
    await world.until(lambda: not world.runner.status().paused)


def test_a_device_is_not_polled_while_its_port_is_not_read() -> None:
    async def story(world: Device) -> None:
        assert await world.hears() == b"P\r\n"
        await pauses(world)
        await passes(world, 4000)
        assert world.hear() == b""
        await is_read_again(world)
        assert await world.hears() == b"P\r\n"

    play(POLLED, story)


def test_the_answer_to_a_command_of_before_a_pause_is_no_other_commands() -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.any", b"A?")
        assert await world.hears() == b"A?\r\n"
        await pauses(world)
        world.say(b"answer to A\r\n")
        await passes(world, 4500)  # longer than it may take, and as long again
        world.requester.ask(b"c.any", b"B?")
        await is_read_again(world)
        await passes(world, 50)
        assert await world.hears() == b"B?\r\n"
        world.say(b"answer to B\r\n")
        await world.answered(2)

    world = play(COMMANDS, story)

    assert world.requester.heard == [NOBODY_KNOWS, Heard(b"answer to B")]
    assert world.stream.payloads[-1] == b"x"
    assert world.counts()["late"] == 1


@pytest.mark.parametrize(
    ("framing", "ends_ms"),
    [
        ("idle, keep_first: true, gap: 20ms", 20),
        ("idle, keep_first: true, gap: 300ms", 300),
        ("raw, every: 50ms", 50),
        ("raw, every: 300ms", 300),
    ],
)
def test_an_old_answer_whose_end_time_alone_tells_is_no_other_commands(
    framing: str, ends_ms: int
) -> None:
    """What came is read at once, but a frame only some time later."""

    async def frame(world: Device, content: bytes = b"x") -> None:
        world.say(content)
        await world.turns(2)
        world.clock.advance(ends_ms * NS_PER_MS)
        await world.turns(2)

    async def story(world: Device) -> None:
        world.stream.commits_at_once = False
        while world.runner.status().queued < limits.READINGS_UNCOMMITTED_MAX - 1:
            await frame(world)
        world.requester.ask(b"c.any", b"A?")
        assert await world.hears() == b"A?"
        await frame(world)
        assert world.runner.status().paused
        world.say(b"answer to A")
        await passes(world, 4500)
        world.requester.ask(b"c.any", b"B?")
        await is_read_again(world)
        await passes(world, ends_ms + 100)
        assert await world.hears() == b"B?"
        await frame(world, b"answer to B")
        await world.answered(2)

    world = play(COMMANDS.replace("line, keep_first: true", framing), story)

    assert world.requester.heard == [NOBODY_KNOWS, Heard(b"answer to B")]
    assert set(world.stream.payloads) == {b"x"}
    assert world.counts()["late"] == 1


def test_half_an_old_answer_is_the_beginning_of_no_other_commands() -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.any", b"A?")
        assert await world.hears() == b"A?\r\n"
        await pauses(world)
        world.say(b"answer ")
        await passes(world, 4500)
        world.requester.ask(b"c.any", b"B?")
        await is_read_again(world)
        assert world.hear() == b""
        world.say(b"to A\r\n")
        assert await world.hears() == b"B?\r\n"
        world.say(b"answer to B\r\n")
        await world.answered(2)

    world = play(COMMANDS, story)

    assert world.requester.heard == [NOBODY_KNOWS, Heard(b"answer to B")]
    assert world.counts()["late"] == 1


@pytest.mark.parametrize("waiting_bytes", [0, 3_000, 4_500, 20_000])
def test_behind_many_pauses_an_old_answer_is_no_later_commands(waiting_bytes: int) -> None:
    """A queue that was full empties burst by burst: a read, and the port is not read again."""

    async def story(world: Device) -> None:
        world.requester.ask(b"c.any", b"A?")
        assert await world.hears() == b"A?\r\n"
        await pauses(world)
        for _ in range(-(-waiting_bytes // 192)):
            world.say(b"x\r\n" * 64)
        world.say(b"answer to A\r\n")
        await passes(world, 4500)
        world.requester.ask(b"c.any", b"B?")
        heard = b""
        while not heard:
            world.stream.commit()
            await passes(world, 50)
            heard = world.hear()
        assert heard == b"B?\r\n"
        world.say(b"answer to B\r\n")
        world.stream.commits_at_once = True
        world.stream.commit()
        await world.answered(2)

    world = play(COMMANDS, story)

    assert world.requester.heard == [NOBODY_KNOWS, Heard(b"answer to B")]
    assert set(world.stream.payloads) == {b"x"}
    assert world.counts()["late"] == 1


def test_a_late_answer_is_awaited_for_what_is_left_of_its_time_behind_a_pause() -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.any", b"A?")
        assert await world.hears() == b"A?\r\n"
        await passes(world, 2100)  # its own time; as much again is left
        await pauses(world)
        await passes(world, 1000)
        world.requester.ask(b"c.any", b"B?")
        await is_read_again(world)
        await passes(world, 700)
        assert world.hear() == b""
        await passes(world, 300)
        assert await world.hears() == b"B?\r\n"

    play(COMMANDS, story)


def test_pauses_without_end_do_not_hold_up_commands_without_end() -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.any", b"A?")
        assert await world.hears() == b"A?\r\n"
        await passes(world, 2100)
        await pauses(world)
        await passes(world, 2100)
        world.requester.ask(b"c.any", b"B?")
        await is_read_again(world)
        await pauses(world)  # before a moment is over
        await is_read_again(world)
        await passes(world, 20)
        assert await world.hears() == b"B?\r\n"

    play(COMMANDS, story)


def test_what_another_opening_asked_for_is_read_before_a_command_goes() -> None:
    async def story(world: Device) -> None:
        await pauses(world)
        assert world.runner._commands is not None
        world.runner._commands.opened()  # the device was away for a moment
        await passes(world, 3000)
        world.requester.ask(b"c.any", b"CMD?")
        world.say(b"answer to something else\r\n")
        await is_read_again(world)
        assert world.hear() == b""
        await passes(world, 200)
        assert await world.hears() == b"CMD?\r\n"

    world = play(COMMANDS, story)

    assert world.stream.payloads[-1] == b"answer to something else"


def test_what_another_opening_asked_for_is_a_frame_before_a_command_goes() -> None:
    async def story(world: Device) -> None:
        assert world.runner._commands is not None
        world.runner._commands.opened()  # the device was away for a moment
        world.requester.ask(b"c.any", b"CMD?")
        await passes(world, 900)
        world.say(b"answer to something else")
        await passes(world, 1900)
        assert world.hear() == b""
        await passes(world, 200)
        assert await world.hears() == b"CMD?"

    world = play(
        "framing { type: raw, every: 2s }, commands [ { subject: c.any, timeout: 3s } ]", story
    )

    assert world.stream.payloads == [b"answer to something else"]


def test_the_first_command_behind_an_opening_goes_in_the_slowest_framing_that_is_allowed() -> None:
    async def story(world: Device) -> None:
        assert world.runner._commands is not None
        world.runner._commands.opened()
        await passes(world, 50)
        world.requester.ask(b"c.any", b"CMD?")
        await passes(world, 4900)
        assert world.hear() == b""
        await passes(world, 50)
        assert world.hear() == b"CMD?"

    play("framing { type: raw, every: 4s }, commands [ { subject: c.any, timeout: 9s } ]", story)


class Flooded:
    """Commands and their framing, of a port that is not read again and again."""

    def __init__(self) -> None:
        self._clock, account = FakeClock(), new_account()
        options = port(COMMANDS)
        framing = new_framing(options, b"scale.boot", lambda: 0)
        assert isinstance(framing, Frames)
        self._framing = framing
        self.commands = FrameCommands(options, framing, account, self._clock, send=lambda: None)
        self.requester = Requester(account)
        self.commands.start()

    @property
    def now_ms(self) -> int:
        return self._clock.monotonic_ns() // NS_PER_MS

    def passes(self, duration_ms: int) -> None:
        self._clock.advance(duration_ms * NS_PER_MS)

    def pauses(self, size: int) -> None:
        """Come to a pause of 40 ms, 40 ms behind the last, with a read of so many bytes."""
        self.passes(40)
        self._framing.receive(b"x\n" * (size // 2), self.now_ms)
        self.commands.hold(on=True, now_ms=self.now_ms)
        while self._framing.next_event() is not None:
            pass
        self.passes(40)
        self.commands.hold(on=False, now_ms=self.now_ms)

    def sent_behind_ms(self, size: int) -> int:
        """Return how long it takes until a command goes; who asked asks again."""
        begin_ms = self.now_ms
        while self.now_ms < begin_ms + 60_000:
            if not self.commands.counts()["waiting"]:
                self.requester.ask(b"c.any", b"B?")
            if self.commands.data_to_send(self.now_ms):
                break
            self.pauses(size)
        return self.now_ms - begin_ms


@pytest.mark.parametrize(
    ("size", "least_ms", "most_ms"),
    [
        (limits.SERIAL_READ_BYTES, READ_MOST_MS, READ_MOST_MS + OPENING_MS + READ_MS),
        (64, OPENING_MS, OPENING_MS + READ_MS),
    ],
)
def test_behind_an_opening_pauses_without_end_hold_up_no_command_without_end(
    size: int, least_ms: int, most_ms: int
) -> None:
    """What another opening asked for is read when a read brings less than there may be."""
    flooded = Flooded()
    flooded.commands.opened()

    assert least_ms <= flooded.sent_behind_ms(size) <= most_ms


def test_behind_a_command_a_device_that_never_stops_holds_up_no_other_without_end() -> None:
    flooded = Flooded()
    flooded.commands.opened()
    flooded.passes(OPENING_MS)
    flooded.requester.ask(b"c.any", b"A?")
    assert flooded.commands.data_to_send(flooded.now_ms) == b"A?\r\n"
    while not flooded.requester.heard:
        flooded.pauses(limits.SERIAL_READ_BYTES)
    late_ms = flooded.now_ms

    took_ms = flooded.sent_behind_ms(limits.SERIAL_READ_BYTES)

    assert READ_MOST_MS <= took_ms <= READ_MOST_MS + late_ms
