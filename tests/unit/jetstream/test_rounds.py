"""Long answers take turns, and a turn does no more than a page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreBusy
from leafnode.jetstream.rounds import Rounds
from leafnode.limits import DIRECT_BATCHES_MAX, READ_BATCH_MSGS
from tests.sim.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Timer


class Turns(FakeClock):
    """A loop: what is added in a turn is for the next one."""

    def __init__(self) -> None:
        super().__init__()
        self._ready: list[Callable[[], None]] = []

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        self._ready.append(callback)
        return super().call_later(delay_ns, lambda: None)

    def turn(self) -> None:
        ready, self._ready = self._ready, []
        for callback in ready:
            callback()


def test_pages_are_done_one_in_a_turn_in_the_order_of_asking() -> None:
    clock, rounds, done = Turns(), Rounds(), list[str]()
    for name in "abc":
        rounds.begin(clock, partial(done.append, name))

    clock.turn()
    assert done == ["a"]

    clock.turn()
    clock.turn()
    assert done == ["a", "b", "c"]


def test_single_messages_are_done_so_many_in_a_turn_as_make_a_page() -> None:
    clock, rounds, done = Turns(), Rounds(), list[int]()
    for number in range(READ_BATCH_MSGS + 1):
        rounds.add(clock, partial(done.append, number), 1)

    clock.turn()
    assert len(done) == READ_BATCH_MSGS

    clock.turn()
    assert done == list(range(READ_BATCH_MSGS + 1))


def test_a_step_that_adds_another_has_it_done_in_the_next_turn() -> None:
    clock, rounds, done = Turns(), Rounds(), list[str]()

    def step() -> None:
        done.append("first")
        rounds.add(clock, partial(done.append, "second"), 1)

    rounds.add(clock, step, 1)

    clock.turn()
    assert done == ["first"]

    clock.turn()
    assert done == ["first", "second"]


def test_at_the_bound_no_answer_is_begun_and_those_that_are_go_on() -> None:
    clock, rounds, done = Turns(), Rounds(), list[int]()
    for number in range(DIRECT_BATCHES_MAX):
        rounds.begin(clock, partial(done.append, number))

    with pytest.raises(StoreBusy):
        rounds.begin(clock, partial(done.append, -1))
    rounds.add(clock, partial(done.append, DIRECT_BATCHES_MAX))
    for _ in range(DIRECT_BATCHES_MAX + 1):
        clock.turn()

    assert done == list(range(DIRECT_BATCHES_MAX + 1))


def test_an_answer_that_goes_on_comes_before_the_others() -> None:
    clock, rounds, done = Turns(), Rounds(), list[str]()

    def step() -> None:
        done.append("first")
        rounds.go_on(clock, partial(done.append, "second"))

    rounds.begin(clock, step)
    rounds.begin(clock, partial(done.append, "other"))
    for _ in range(3):
        clock.turn()

    assert done == ["first", "second", "other"]


def test_a_step_that_raises_keeps_no_other_from_its_turn() -> None:
    clock, rounds, done = Turns(), Rounds(), list[str]()

    def fails() -> None:
        raise ZeroDivisionError

    rounds.add(clock, fails, 1)
    rounds.add(clock, partial(done.append, "other"), 1)
    with pytest.raises(ZeroDivisionError):
        clock.turn()
    clock.turn()

    assert done == ["other"]
