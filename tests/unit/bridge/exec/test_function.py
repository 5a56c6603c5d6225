"""A function's readings: in order, bounded, whatever its process does.

The process is a pair of pipes here. Truth: docs/serial/exec.md.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from typing import TYPE_CHECKING

import pytest

from leafnode.bridge import port_bounds
from leafnode.bridge.exec import pipe
from leafnode.bridge.exec.function import Function
from leafnode.bridge.exec.process import Pipes
from leafnode.bridge.reading import BadReading, Reading, Receipt
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.serial_stage_options import CodecOptions
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from leafnode.bridge.exec.function import Outcome
    from leafnode.bridge.exec.process import Began, Ended

OPTIONS = CodecOptions("exec", function="/x/convert.py:decode", timeout_ns=NS_PER_S)


class FakeProcess:
    """The test is the other end."""

    def __init__(self, began: Began, ended: Ended) -> None:
        self.began, self.ended = began, ended
        self.killed = 0
        self._source, to_it = os.pipe()
        from_it, self._sink = os.pipe()
        for one in (self._source, to_it, from_it):
            os.set_blocking(one, False)
        self.pipes = Pipes(to_it, from_it)
        self._is_open = True

    def kill(self) -> None:
        self.killed += 1

    def write(self, data: bytes) -> None:
        os.write(self._sink, data)

    def say(self, kind: bytes, body: bytes = b"") -> None:
        self.write(struct.pack(">cI", kind, len(body)) + body)

    def heard(self) -> bytes:
        try:
            return os.read(self._source, 1 << 20)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._source)
            os.close(self._sink)

    def die(self, reason: str = "it ended with status 1") -> None:
        self.close()
        self.ended(reason)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.processes: list[FakeProcess] = []
        self.decided: list[tuple[bytes, object]] = []
        self.room = True
        self.function = Function(
            OPTIONS,
            self.clock,
            port="scale",
            decided=self._decided,
            has_room=lambda: self.room,
            start=self._start,
        )

    def _decided(self, reading: Reading, outcome: Outcome) -> None:
        what = outcome.reason if isinstance(outcome, BadReading) else outcome
        self.decided.append((reading.payload, what))

    def _start(self, options: CodecOptions, began: Began, ended: Ended) -> FakeProcess:
        assert options is OPTIONS
        self.processes.append(FakeProcess(began, ended))
        return self.processes[-1]

    @property
    def process(self) -> FakeProcess:
        return self.processes[-1]

    def offer(self, *payloads: bytes) -> None:
        for payload in payloads:
            self.function.offer(Reading(b"id", payload))

    def count(self, name: str) -> int:
        return self.function.counts()[name]

    async def turns(self, count: int = 6) -> None:
        for _ in range(count):
            self.clock.advance(0)
            await asyncio.sleep(0)

    async def ready(self) -> None:
        if not self.processes:
            self.function.begin()
        self.process.began(self.process.pipes)
        self.process.say(pipe.READY, b"6 1")
        await self.turns()


def tell(story: Callable[[World], Coroutine[object, object, None]]) -> World:
    async def main() -> World:
        world = World()
        await story(world)
        world.function.stop()
        for one in world.processes:
            one.close()
        return world

    return asyncio.run(main())


def test_frames_go_one_by_one_and_come_back_in_order() -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.offer(b"a", b"bc")
        assert world.process.heard() == b"\0\0\0\1a"
        world.process.say(pipe.FIELDS, b'{"t":1}')
        await world.turns()
        assert world.process.heard() == b"\0\0\0\2bc"
        world.process.say(pipe.NOTHING)
        await world.turns()

    world = tell(story)

    assert world.decided == [(b"a", {"t": 1}), (b"bc", None)]


def test_what_can_be_no_reading_has_its_turn_and_never_reaches_the_function() -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.offer(b"a")
        world.function.offer(Reading(b"id", b"", wrong="is too long"))
        world.offer(b"b")
        assert world.process.heard() == b"\0\0\0\1a"
        assert world.decided == []
        world.process.say(pipe.NOTHING)
        await world.turns()
        assert world.process.heard() == b"\0\0\0\1b"

    world = tell(story)

    assert world.decided == [(b"a", None), (b"", "is too long")]


def test_a_frame_waits_for_the_process_and_for_room_behind_it() -> None:
    async def story(world: World) -> None:
        world.room = False
        world.offer(b"a")
        await world.ready()
        assert world.process.heard() == b""
        world.room = True
        world.function.pump()
        assert world.process.heard() == b"\0\0\0\1a"

    tell(story)


def test_what_it_raised_is_a_bad_reading_and_the_next_is_taken() -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.offer(b"a", b"b")
        world.process.say(pipe.BAD, b"ValueError\x1b at line 3")
        await world.turns()
        world.process.say(pipe.BYTES, b"B")
        await world.turns()
        assert world.count("errors") == 1
        assert world.count("failures") == 0

    world = tell(story)

    assert world.decided == [(b"a", "the function raised ValueError? at line 3"), (b"b", b"B")]


def test_one_that_does_not_answer_in_time_is_killed_and_costs_this_frame_only() -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.offer(b"a", b"b")
        world.clock.advance(NS_PER_S - 1)
        await world.turns()
        assert world.process.killed == 0
        world.clock.advance(1)
        await world.turns()
        assert world.process.killed == 1
        assert world.decided == [
            (b"a", "the function failed on it: it did not answer within 1000 ms")
        ]
        world.process.die("it was ended by SIGKILL")
        world.clock.advance(port_bounds.EXEC_RESTART_NS)
        assert len(world.processes) == 2
        await world.ready()
        world.process.say(pipe.BYTES, b"B")
        await world.turns()
        assert (world.count("starts"), world.count("failures")) == (2, 1)

    world = tell(story)

    assert world.decided[1] == (b"b", b"B")


def test_one_that_crashes_costs_its_frame_and_is_started_after_a_pause_that_grows() -> None:
    async def story(world: World) -> None:
        pause_ns = port_bounds.EXEC_RESTART_NS
        await world.ready()
        world.offer(b"a")
        world.process.die("it was ended by SIGSEGV")
        assert world.decided == [(b"a", "the function failed on it: it was ended by SIGSEGV")]
        for count in range(2, 20):
            world.clock.advance(pause_ns - 1)
            assert len(world.processes) == count - 1
            world.clock.advance(1)
            assert len(world.processes) == count
            world.process.die()
            pause_ns = min(2 * pause_ns, port_bounds.EXEC_RESTART_MAX_NS)
        assert pause_ns == port_bounds.EXEC_RESTART_MAX_NS
        world.clock.advance(pause_ns)
        await world.ready()
        world.offer(b"b")
        world.process.say(pipe.BYTES)
        await world.turns()
        world.process.die()
        world.clock.advance(port_bounds.EXEC_RESTART_NS)
        assert len(world.processes) == 21

    tell(story)


def test_one_that_cannot_be_loaded_is_said_and_its_frames_wait() -> None:
    async def story(world: World) -> None:
        world.function.begin()
        world.offer(b"a")
        world.process.began(world.process.pipes)
        world.process.say(pipe.NOT_LOADED, b"SyntaxError: invalid syntax")
        await world.turns()
        why = "the function failed: it cannot be loaded: SyntaxError: invalid syntax"
        assert world.function.last_error == why
        assert world.count("running") == 0
        world.process.die()
        assert world.count("failures") == 1
        world.clock.advance(port_bounds.EXEC_RESTART_NS)
        await world.ready()
        assert world.function.last_error == ""
        world.process.say(pipe.BYTES, b"A")
        await world.turns()

    world = tell(story)

    assert world.decided == [(b"a", b"A")]


def test_what_it_said_before_its_end_counts() -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.offer(b"a", b"b")
        world.process.say(pipe.BYTES, b"A")
        world.process.die()  # its answer was not read yet
        assert world.count("failures") == 1
        world.clock.advance(port_bounds.EXEC_RESTART_NS)
        await world.ready()
        world.process.say(pipe.BYTES, b"B")
        await world.turns()

    world = tell(story)

    assert world.decided == [(b"a", b"A"), (b"b", b"B")]


def test_one_whose_cpu_time_is_used_up_is_started_at_once_and_costs_nothing() -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.offer(b"a", b"b")
        world.process.say(pipe.LEAVING)
        world.process.say(pipe.BYTES, b"A")
        await world.turns()
        assert world.process.heard() == b"\0\0\0\1a"
        world.process.die("it ended with status 0")
        assert len(world.processes) == 2
        await world.ready()
        world.process.say(pipe.BYTES, b"B")
        await world.turns()
        assert world.count("failures") == 0

    world = tell(story)

    assert world.decided == [(b"a", b"A"), (b"b", b"B")]


def test_one_that_says_that_it_ends_and_does_not_is_killed() -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.offer(b"a", b"b")
        world.process.say(pipe.LEAVING)
        world.process.say(pipe.BYTES, b"A")
        await world.turns()
        assert world.decided == [(b"a", b"A")]
        world.clock.advance(port_bounds.EXEC_END_NS - 1)
        assert world.process.killed == 0
        world.clock.advance(1)
        assert world.process.killed == 1
        assert world.function.last_error == "the function failed: it does not end"
        world.process.die("it was killed")
        world.clock.advance(port_bounds.EXEC_RESTART_NS)
        await world.ready()
        world.process.say(pipe.BYTES, b"B")
        await world.turns()

    world = tell(story)

    assert world.decided == [(b"a", b"A"), (b"b", b"B")]


@pytest.mark.parametrize(
    "said",
    [
        b"garbage",
        struct.pack(">cI", pipe.FIELDS, 3) + b"[1]",
        struct.pack(">cI", pipe.FIELDS, 6) + b'{"a":{',
        struct.pack(">cI", pipe.READY, 3) + b"6 1",
        struct.pack(">cI", pipe.BYTES, 1 << 31),
    ],
)
def test_one_that_writes_what_is_no_answer_is_killed_and_costs_its_frame(said: bytes) -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.offer(b"a")
        world.process.write(said)
        await world.turns()
        assert world.process.killed == 1
        assert world.count("failures") == 1

    world = tell(story)

    assert [payload for payload, _ in world.decided] == [b"a"]


def test_an_answer_that_nobody_asked_for_ends_it_and_costs_no_frame() -> None:
    async def story(world: World) -> None:
        await world.ready()
        world.process.say(pipe.BYTES, b"A")
        world.process.say(pipe.BYTES, b"B")
        await world.turns()
        assert (world.process.killed, world.count("failures")) == (1, 1)

    assert tell(story).decided == []


def test_one_that_does_not_begin_is_killed() -> None:
    async def story(world: World) -> None:
        world.function.begin()
        world.process.began(world.process.pipes)
        world.clock.advance(port_bounds.EXEC_START_NS)
        await world.turns()
        assert world.process.killed == 1
        assert "does not begin" in world.function.last_error

    tell(story)


def test_one_that_was_stopped_before_it_began_leaves_no_descriptor() -> None:
    async def story(world: World) -> None:
        world.function.begin()
        world.function.stop()
        assert world.process.killed == 1
        world.process.began(world.process.pipes)
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(world.process.pipes.to_it)
        world.process.die()
        world.clock.advance(60 * NS_PER_S)
        assert len(world.processes) == 1

    tell(story)


def test_the_queue_has_room_up_to_its_bounds() -> None:
    async def story(world: World) -> None:
        for _ in range(port_bounds.EXEC_QUEUE_MAX - 1):
            world.offer(b"x")
        assert world.function.has_room
        world.offer(b"x")
        assert not world.function.has_room
        assert world.count("queued") == port_bounds.EXEC_QUEUE_MAX

    async def by_bytes(world: World) -> None:
        world.offer(bytes(port_bounds.EXEC_QUEUE_BYTES - 1))
        assert world.function.has_room
        world.offer(b"x")
        assert not world.function.has_room

    tell(story)
    tell(by_bytes)


def test_at_the_end_of_its_port_all_that_was_read_is_taken() -> None:
    async def story(world: World) -> None:
        world.offer(*[b"x"] * port_bounds.EXEC_QUEUE_MAX)
        world.function.takes_all = True
        world.offer(b"y")
        assert world.count("queued") == port_bounds.EXEC_QUEUE_MAX + 1
        assert not world.function.is_done

    tell(story)


def test_what_it_has_to_decide_yet_of_one_boot_of_a_board_is_known() -> None:
    world = World()
    readings = [
        Reading(b"%d" % boot, b"x", b"uno", receipt=Receipt((b"uno", boot), 1) if boot else None)
        for boot in (7, 8, 0, 7)
    ]
    for reading in readings:
        world.function.offer(reading)

    assert world.function.undecided((b"uno", 7)) == [readings[0], readings[3]]


def test_however_many_wrong_ones_wait_they_are_decided_one_after_the_other() -> None:
    """Each decision makes room, of which the port tells the function at once."""

    async def story(world: World) -> None:
        world.function.takes_all = True
        for _ in range(2000):
            world.function.offer(Reading(b"id", b"", wrong="is too long"))
        await world.ready()

        assert world.count("queued") == 0
        assert world.function.is_done

    tell(story)


def test_at_the_end_of_its_port_one_that_failed_is_started_at_once() -> None:
    async def story(world: World) -> None:
        await world.ready()
        for _ in range(6):
            world.process.die()
            world.clock.advance(port_bounds.EXEC_RESTART_MAX_NS)
        world.process.die()
        world.offer(b"a")
        count = len(world.processes)
        world.function.hurry()
        assert len(world.processes) == count + 1
        await world.ready()
        world.process.say(pipe.BYTES, b"A")
        await world.turns()
        assert world.function.is_done
        assert world.function.stop() == 0

    assert tell(story).decided == [(b"a", b"A")]


def test_one_that_ends_three_times_without_a_word_on_a_frame_is_done_with() -> None:
    async def story(world: World) -> None:
        world.function.begin()
        for payload in (b"a", b"b"):
            world.offer(payload)
        world.function.offer(Reading(b"id", b"c", receipt=Receipt((b"b", 1), 1)))  # a board has it
        world.function.hurry()
        for _ in range(port_bounds.SETTLE_FAILURES):
            assert not world.function.is_done
            world.process.die()
            world.clock.advance(4 * port_bounds.EXEC_RESTART_NS)
        assert world.function.is_done
        assert world.function.stop() == 2

    assert tell(story).decided == []


def test_a_frame_larger_than_the_pipe_is_written_as_it_is_read() -> None:
    frame = bytes(range(256)) * 4096

    async def story(world: World) -> None:
        await world.ready()
        world.offer(frame)
        heard = b""
        while len(heard) < 4 + len(frame):
            heard += world.process.heard()
            await world.turns(1)
        assert heard[4:] == frame
        world.clock.advance(999 * NS_PER_MS)
        world.process.say(pipe.BYTES, b"ok")
        await world.turns()

    assert tell(story).decided == [(frame, b"ok")]


@pytest.mark.parametrize(
    ("body", "counts", "said"),
    [
        (b"6 1", (6, 1), "by Landlock 6 and a filter of calls:"),
        (b"6 0", (6, 0), "by Landlock 6:"),
        (b"0 1", (0, 1), "by a filter of calls:"),
        (b"0 0", (0, 0), "by limits alone, the kernel has neither Landlock nor seccomp:"),
    ],
)
def test_how_far_it_is_shut_in_is_shown_and_said_once(
    caplog: pytest.LogCaptureFixture, body: bytes, counts: tuple[int, int], said: str
) -> None:
    caplog.set_level(logging.INFO, "leafnode")

    async def story(world: World) -> None:
        for _ in range(2):
            if not world.processes:
                world.function.begin()
            world.process.began(world.process.pipes)
            world.process.say(pipe.READY, body)
            await world.turns()
            assert (world.count("landlock"), world.count("seccomp")) == counts
            world.process.die()
            world.clock.advance(port_bounds.EXEC_RESTART_NS)

    tell(story)

    assert caplog.text.count(said) == 1


@pytest.mark.parametrize("body", [b"", b"6", b"6 1 1", b"x 1", b"-1 1", b"1000000 1"])
def test_one_that_says_no_such_thing_of_itself_is_killed(body: bytes) -> None:
    async def story(world: World) -> None:
        world.function.begin()
        world.process.began(world.process.pipes)
        world.process.say(pipe.READY, body)
        await world.turns()
        assert world.process.killed == 1
        assert (world.count("failures"), world.count("running")) == (1, 0)

    tell(story)
