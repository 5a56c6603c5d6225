"""Commands that are on the wire for longer than their timeout: the kernel takes them at once."""

from __future__ import annotations

from typing import Final

from leafnode.clock import NS_PER_MS
from tests.unit.bridge.requester import Heard
from tests.unit.bridge.test_frame_commands import Device, play

LONG: Final = b"A" * 1000  # 4.17 s at 2400 baud, 4.2 s with what is around it
COMMANDS: Final = (
    "baud: 2400, framing { type: line, keep_first: true }, commands [ "
    '{ subject: c.any }, { subject: c.show, send: "D {payload}", answer: none } ]'
)
WITH_POLL: Final = r'keep_first: true, poll: "P\r\n", poll_every: 1s'
POLLED: Final = COMMANDS.replace("keep_first: true", WITH_POLL)


async def passes(world: Device, duration_ms: int) -> None:
    for _ in range(duration_ms // 50):
        world.clock.advance(50 * NS_PER_MS)
        await world.turns(2)


def test_a_command_on_a_slow_line_gets_its_own_answer_and_not_the_one_of_before() -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.any", LONG)
        assert await world.hears() == LONG + b"\r\n"
        await passes(world, 3900)
        world.requester.ask(b"c.any", b"B?")
        await passes(world, 400)
        assert world.hear() == b""  # the last byte of the first went out a moment ago
        world.say(b"answer to A\r\n")
        assert await world.hears() == b"B?\r\n"
        world.say(b"answer to B\r\n")
        await world.answered(2)

    world = play(COMMANDS, story)

    assert world.requester.heard == [Heard(b"answer to A"), Heard(b"answer to B")]
    assert world.stream.payloads == []


def test_a_command_behind_a_long_one_without_an_answer_has_its_whole_time() -> None:
    async def story(world: Device) -> None:
        world.requester.ask(b"c.show", LONG)
        assert await world.hears() == b"D " + LONG + b"\r\n"
        await world.answered()
        world.requester.ask(b"c.any", b"B?")
        await passes(world, 4100)
        assert world.hear() == b""
        await passes(world, 100)
        assert await world.hears() == b"B?\r\n"
        await passes(world, 1900)
        world.say(b"answer to B\r\n")
        await world.answered(2)

    world = play(COMMANDS, story)

    assert world.requester.heard == [Heard(b""), Heard(b"answer to B")]
    assert world.stream.payloads == []


def test_a_poll_waits_until_a_long_command_is_on_the_wire() -> None:
    async def story(world: Device) -> None:
        assert await world.hears() == b"P\r\n"
        world.say(b"21.5\r\n")
        await world.until(lambda: world.runner.status().stored == 1)
        world.requester.ask(b"c.show", LONG)
        assert await world.hears() == b"D " + LONG + b"\r\n"
        await passes(world, 4100)
        assert world.hear() == b""
        await passes(world, 100)
        assert await world.hears() == b"P\r\n"

    play(POLLED, story)


def test_a_command_waits_while_the_answer_to_a_poll_comes_slowly() -> None:
    async def story(world: Device) -> None:
        assert await world.hears() == b"P\r\n"
        world.requester.ask(b"c.any", b"CMD?")
        telegram = b"T" * 200 + b"\r\n"  # 1.7 s at 1200 baud
        for at in range(0, len(telegram), 12):
            assert world.hear() == b""
            world.say(telegram[at : at + 12])
            await passes(world, 100)
        assert await world.hears() == b"CMD?\r\n"
        world.say(b"answer to CMD\r\n")
        await world.answered()

    slow = POLLED.replace("2400", "1200").replace("poll_every: 1s", "poll_every: 5s")
    world = play(slow, story)

    assert world.requester.heard == [Heard(b"answer to CMD")]
    assert world.stream.payloads == [b"T" * 200]


def test_an_answer_is_awaited_from_when_the_poll_is_on_the_wire() -> None:
    async def story(world: Device) -> None:
        poll = await world.hears()
        world.requester.ask(b"c.any", b"CMD?")
        await passes(world, 1800)  # 0.83 s of them it is on the wire
        assert (len(poll), world.hear()) == (200, b"")
        await passes(world, 100)
        assert await world.hears() == b"CMD?\r\n"

    play(POLLED.replace(r"P\r\n", "P" * 200).replace("poll_every: 1s", "poll_every: 5s"), story)
