"""leafnode.monitor.steps: an answer that takes several turns of the loop."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from leafnode.monitor.steps import Rounds, Run, at_once, consumed, slices
from leafnode.slices import finish
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    from leafnode.monitor.steps import Steps


def counting(turns: int) -> Steps[int]:
    for _ in range(turns):
        yield
    return turns


def failing() -> Steps[int]:
    yield
    raise ValueError("no")


class World:
    """A run on a clock, and what it came to."""

    def __init__(self, steps: Steps[int]) -> None:
        self.clock = FakeClock()
        self.answers: list[int] = []
        self.errors: list[Exception] = []
        self.run = Run(
            steps, partial(self.clock.call_later, 0), self.answers.append, self.errors.append
        )


def test_an_answer_that_needs_no_slices_is_there_at_once() -> None:
    world = World(at_once(7))

    world.run.start()

    assert world.answers == [7]
    assert not world.run.paused


def test_every_step_takes_one_turn_of_the_loop() -> None:
    world = World(counting(2))

    world.run.start()
    assert (world.answers, world.clock.pending()) == ([], 1)
    world.clock.advance(0)

    assert (world.answers, world.run.paused) == ([2], True)


def test_what_the_steps_raise_is_told() -> None:
    world = World(failing())

    world.run.start()
    world.clock.advance(0)

    assert [str(err) for err in world.errors] == ["no"]
    assert world.answers == []


def test_a_cancelled_run_comes_to_nothing() -> None:
    world = World(counting(2))
    world.run.start()

    world.run.cancel()
    world.clock.advance(0)

    assert (world.answers, world.clock.pending()) == ([], 0)


def test_of_all_who_have_more_to_do_one_has_its_turn_and_none_twice_before_another() -> None:
    clock = FakeClock()
    rounds = Rounds(clock)
    log: list[str] = []

    def steps(name: str) -> Steps[str]:
        for _ in range(3):
            log.append(name)
            yield
        return name

    def look(left: int) -> None:
        log.append("|")
        if left:
            clock.call_later(0, lambda: look(left - 1))

    for name in "abc":
        Run(steps(name), rounds.later, log.append, lambda err: log.append(repr(err))).start()
    gone = Run(steps("d"), rounds.later, log.append, lambda err: log.append(repr(err)))
    gone.start()
    gone.cancel()
    clock.call_later(0, lambda: look(8))
    clock.advance(0)

    assert "".join(log) == "abcda|b|c|a|b|c|a|b|c|"
    assert clock.pending() == 0


def test_slices_cut_without_losing_the_rest() -> None:
    assert [list(piece) for piece in slices([1, 2, 3], 2)] == [[1, 2], [3]]
    assert finish(counting(3)) == 3


def test_what_is_consumed_comes_in_order_and_is_let_go() -> None:
    items = list(range(7))

    pieces = consumed(items, 3)

    assert next(pieces) == [0, 1, 2]
    assert len(items) == 4
    assert list(pieces) == [[3, 4, 5], [6]]
    assert items == []
