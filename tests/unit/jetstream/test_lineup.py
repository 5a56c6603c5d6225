"""Requests about one stream in line: who waits, whose turn it is, how many may wait."""

from __future__ import annotations

from functools import partial

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy
from leafnode.jetstream.lineup import Lineup
from tests.sim.clock import FakeClock


def test_one_after_the_other_and_again_while_one_of_them_is_at_work() -> None:
    clock, done = FakeClock(), list[str]()
    lineup = Lineup(clock)

    def long() -> None:
        done.append("long")
        lineup.hold("S")

    assert not lineup.waits("S")
    lineup.hold("S")
    for name in ("a", "b"):
        lineup.add("S", 1, partial(done.append, name))
    lineup.add("S", 1, long)
    lineup.add("S", 1, partial(done.append, "c"))
    clock.advance(0)
    assert (done, lineup.waits("S"), lineup.waits("T")) == ([], True, False)

    lineup.go_on("S")
    clock.advance(0)
    assert done == ["a", "b", "long"]

    lineup.go_on("S")
    clock.advance(0)
    assert done == ["a", "b", "long", "c"]
    assert not lineup.waits("S")


def test_what_comes_while_the_others_have_their_turns_waits_behind_them() -> None:
    clock, done = FakeClock(), list[str]()
    lineup = Lineup(clock)
    lineup.hold("S")
    lineup.add("S", 1, partial(done.append, "a"))

    lineup.go_on("S")
    assert lineup.waits("S")
    lineup.add("S", 1, partial(done.append, "b"))
    clock.advance(0)

    assert done == ["a", "b"]


@pytest.mark.parametrize(("most", "size"), [(3, 1), (99, 10)])
def test_the_bounds(monkeypatch: pytest.MonkeyPatch, most: int, size: int) -> None:
    monkeypatch.setattr(limits, "REQUESTS_WAITING_MAX", most)
    monkeypatch.setattr(limits, "REQUESTS_WAITING_BYTES", 30)
    clock, done = FakeClock(), list[str]()
    lineup = Lineup(clock)
    for stream in ("S", "T"):
        lineup.hold(stream)
    for stream in ("S", "S", "T"):
        lineup.add(stream, size, partial(done.append, stream))
    with pytest.raises(StoreBusy):
        lineup.add("T", size, partial(done.append, "T"))

    lineup.go_on("T")
    clock.advance(0)
    lineup.add("S", size, partial(done.append, "S"))
    lineup.go_on("S")
    clock.advance(0)

    assert done == ["T", "S", "S", "S"]


def test_nobody_has_a_turn_behind_the_end() -> None:
    clock, done = FakeClock(), list[str]()
    lineup = Lineup(clock)
    lineup.hold("S")
    for name in ("a", "b"):
        lineup.add("S", 1, partial(done.append, name))
    lineup.go_on("S")

    lineup.close()
    clock.advance(0)

    assert done == ["a"]
