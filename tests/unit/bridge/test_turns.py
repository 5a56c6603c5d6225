"""What all ports together take in one turn of the loop."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge.port_bounds import SERIAL_TURN_NS
from leafnode.bridge.turns import PortTurns
from leafnode.clock import NS_PER_S
from leafnode.config.serial_stage_options import MappingOptions
from tests.sim.clock import FakeClock
from tests.unit.bridge.world import World, line_port, run

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME_NS = SERIAL_TURN_NS // 4
LINES = b"".join(b"%d\n" % number for number in range(100))


def slow(world: World) -> None:
    """Let each reading of this port take a quarter of the share."""
    codec = world.runner._mapper._codec

    def slow_codec(payload: bytes) -> object:
        world.clock.advance(FRAME_NS)
        return codec(payload)

    world.runner._mapper._codec = slow_codec  # type: ignore[assignment]


def test_a_read_of_many_frames_takes_several_turns_and_the_port_is_not_read_meanwhile() -> None:
    world = World(line_port())
    slow(world)
    stored: list[int] = []

    async def story(world: World) -> None:
        await world.opened()
        world.say(LINES)
        await world.until(lambda: world.runner.status().stored > 0)
        world.say(b"last\n")
        bytes_in = world.runner.status().bytes_in
        assert bytes_in == len(LINES)
        while world.runner.status().stored < 100:
            stored.append(world.runner.status().stored)
            assert world.runner.status().bytes_in == bytes_in
            await asyncio.sleep(0)
        await world.until(lambda: world.runner.status().stored == 101)

    run(world, story)

    steps = [after - before for before, after in pairwise(stored)]
    assert max(steps) == 4
    assert world.stream.payloads == [*LINES.split(), b"last"]
    assert world.runner.status().pauses == 0


def test_what_waits_for_its_turn_is_stored_when_the_port_ends() -> None:
    world = World(line_port())
    slow(world)

    async def story(world: World) -> None:
        await world.opened()
        world.say(LINES)
        await world.until(lambda: world.runner.status().stored > 0)
        assert world.runner.status().stored < 50

    run(world, story)

    assert world.stream.payloads == LINES.split()


def test_a_port_that_ends_takes_what_was_read_in_turns_and_waits_for_none_afterwards() -> None:
    world = World(line_port())
    slow(world)
    count = limits.SERIAL_READ_BYTES // 2
    turns = world.runner._turns

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"1\n" * count)
        await world.until(lambda: world.runner.status().stored > 0)

    run(world, story)

    assert world.stream.payloads == [b"1"] * count
    assert not turns._waiting
    assert turns.deferred > count // 8
    assert world.clock.pending() == 0


def test_a_port_that_ended_takes_no_more_whatever_is_answered() -> None:
    world = World(line_port())
    world.stream.commits_at_once = False
    slow(world)

    async def story(world: World) -> None:
        await world.opened()
        world.say(b"1\n" * (limits.SERIAL_READ_BYTES // 2))
        await world.until(lambda: world.runner.status().queued == limits.READINGS_UNCOMMITTED_MAX)

    run(world, story)
    world.runner.leave()
    world.runner._progressed()

    assert world.runner.status().queued == 0
    assert not world.runner._turns._waiting
    assert world.clock.pending() == 0


def gathering() -> World:
    """A port whose windows end all at once; the message of each takes a quarter of the share."""
    gather = MappingOptions(every_ns=60 * NS_PER_S, functions=("max",))
    world = World(line_port(subject="s.{n}", codec="csv", fields=("n", "t"), mapping=gather))
    messages = world.runner._mapper._messages
    whole = messages.whole

    def slow_whole(*args: object, **kwargs: object) -> object:
        world.clock.advance(FRAME_NS)
        return whole(*args, **kwargs)  # type: ignore[arg-type]

    messages.whole = slow_whole  # type: ignore[assignment, method-assign]
    return world


WINDOWS = b"".join(b"%d,1\n" % number for number in range(20))


def test_windows_that_end_together_take_several_turns_and_go_in_one() -> None:
    world = gathering()
    made: list[int] = []
    stored: set[int] = set()

    async def story(world: World) -> None:
        await world.opened()
        world.say(WINDOWS)
        await world.until(lambda: world.runner.status().frames == 20)
        world.clock.advance(60 * NS_PER_S)
        world.say(b"1,7\n")
        while world.runner.status().stored < 20:
            made.append(world.runner.status().windows)
            stored.add(world.runner.status().stored)
            world.clock.advance(0)
            await asyncio.sleep(0)
        assert world.runner.status().frames == 21  # it is read meanwhile
        world.clock.advance(60 * NS_PER_S)
        await world.until(lambda: world.runner.status().stored == 21)

    run(world, story)

    assert max(after - before for before, after in pairwise(made)) <= 4
    assert stored == {0}
    assert world.stream.subjects == [b"s.%d" % number for number in range(20)] + [b"s.1"]
    assert world.runner.status().pauses == 0


def test_windows_of_a_port_that_ends_take_several_turns_too() -> None:
    world = gathering()

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            port = tasks.create_task(world.runner.run())
            await world.opened()
            world.say(WINDOWS)
            await world.until(lambda: world.runner.status().frames == 20)
            port.cancel()
        assert world.runner.status().windows < 20
        assert not world.runner.is_decided
        await world.until(lambda: world.runner.is_settled)
        assert world.runner.leave().publications == []

    try:
        asyncio.run(main())
    finally:
        assert world.line.device is not None
        world.line.device.close()

    assert world.stream.subjects == [b"s.%d" % number for number in range(20)]


def test_who_follows_a_port_waits_for_its_windows_without_a_word() -> None:
    ended, heir = gathering(), World(line_port())

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            ports = [tasks.create_task(one.runner.run()) for one in (ended, heir)]
            await ended.opened()
            await heir.opened()
            ended.say(WINDOWS)
            await ended.until(lambda: ended.runner.status().frames == 20)
            heir.runner.wait_for(ended.runner)
            heir.say(b"1\n")
            ports[0].cancel()
            await heir.until(lambda: heir.runner.status().bytes_in == 2)
            assert (heir.runner.status().stored, heir.runner.status().pauses) == (0, 0)

            await ended.until(lambda: ports[0].done() and ended.runner.is_settled)
            heir.runner.inherit(ended.runner)
            await heir.until(lambda: heir.runner.status().stored == 1)
            ports[1].cancel()

    try:
        asyncio.run(main())
    finally:
        for world in (ended, heir):
            assert world.line.device is not None
            world.line.device.close()

    assert heir.runner.status().pauses == 0


class Worker:
    """A port with so many frames left, each of which takes a quarter of the share."""

    def __init__(self, turns: PortTurns, clock: FakeClock, name: str, done: list[str]) -> None:
        self.left = 0
        self._turns, self._clock, self._name, self._done = turns, clock, name, done

    def work(self) -> None:
        began_ns = self._turns.begin()
        while self.left:
            if self._turns.is_full(began_ns):
                self._turns.wait(self.work)
                break
            self._clock.advance(FRAME_NS)
            self._done.append(self._name)
            self.left -= 1
        self._turns.end(began_ns)


def told(story: Callable[[PortTurns, dict[str, Worker], list[str]], object]) -> list[str]:
    done: list[str] = []

    async def main() -> None:
        clock = FakeClock()
        turns = PortTurns(clock)
        workers = {name: Worker(turns, clock, name, done) for name in "abc"}
        story(turns, workers, done)
        for _ in range(40):
            done.append("|")
            await asyncio.sleep(0)

    asyncio.run(main())
    return "".join(done).rstrip("|").split("|")


def test_all_ports_together_have_one_share_and_who_waits_longest_goes_first() -> None:
    def story(turns: PortTurns, workers: dict[str, Worker], done: list[str]) -> None:
        for worker in workers.values():
            worker.left = 6
            worker.work()

    rounds = told(story)

    assert rounds == ["aaaa", "aabb", "cccc", "bbbb", "cc"]


def test_who_comes_while_others_wait_does_not_overtake_them() -> None:
    def story(turns: PortTurns, workers: dict[str, Worker], done: list[str]) -> None:
        workers["a"].left = 5
        workers["a"].work()
        workers["b"].left = 1
        workers["b"].work()
        assert done == ["a"] * 4
        assert turns.deferred == 2

    assert told(story) == ["aaaa", "ab"]


def test_who_is_forgotten_has_no_turn() -> None:
    def story(turns: PortTurns, workers: dict[str, Worker], done: list[str]) -> None:
        workers["a"].left = 5
        workers["a"].work()
        turns.forget(workers["a"].work)

    assert told(story) == ["aaaa"]
