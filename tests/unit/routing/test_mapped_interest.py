"""leafnode.routing.mapped_interest: sources of mappings are interest, by the last of them."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from leafnode.limits import MAPPED_WORK, TURN_WORK
from leafnode.routing.mapped_interest import MappedInterest
from leafnode.routing.mapping import MappedSubject, Mappings, Weighted
from leafnode.routing.peer import Outbox
from tests.sim.imports import Slices

if TYPE_CHECKING:
    from collections.abc import Iterable

MANY = 3 * TURN_WORK // MAPPED_WORK


def mappings(sources: Iterable[bytes]) -> Mappings:
    return Mappings(
        [MappedSubject(one, [Weighted(b"to", 100)]) for one in sources], random.Random(1)
    )


class World:
    """Mapped sources as an account counts them, in turns that come when they are told to."""

    def __init__(self) -> None:
        self.outbox = Outbox(lambda: None)
        self.slices = Slices(self.outbox)
        self.counts: dict[bytes, int] = {}
        self.interest = MappedInterest(self.outbox, self._change)
        self._mappings: Mappings | None = None

    def _change(self, source: bytes, by: int) -> None:
        self.counts[source] = self.counts.get(source, 0) + by
        if not self.counts[source]:
            del self.counts[source]

    def map(self, mappings: Mappings | None) -> None:
        before, self._mappings = self._mappings, mappings
        self.interest.follow(mappings, before)


def test_many_sources_are_counted_and_freed_in_turns() -> None:
    world = World()
    many = [b"a.%d.*" % number for number in range(MANY)]
    seen = [0]

    world.map(mappings(many))
    assert world.counts == {}
    while world.slices.next():
        seen.append(len(world.counts))
        assert world.outbox.work_left >= -MAPPED_WORK
    assert len(world.counts) == MANY
    assert max(after - before for before, after in itertools.pairwise(seen)) <= MANY // 3 + 1

    world.map(None)
    turns = 0
    while world.slices.next():
        turns += 1
        assert world.outbox.work_left >= -MAPPED_WORK
    assert world.counts == {}
    assert turns > 8, "its entries and its trie are freed in steps of their own"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=8))
@settings(max_examples=30, deadline=None)
def test_of_several_mappings_in_between_the_last_ones_hold(changes: list[tuple[int, int]]) -> None:
    world = World()
    third = MANY // 3
    sets = [[b"a.%d" % one for one in range(third * kind // 2, third * kind)] for kind in range(5)]

    for kind, turns in changes:
        world.map(mappings(sets[kind]) if kind else None)
        for _ in range(turns):
            world.slices.next()
    world.slices.all()

    last = sets[changes[-1][0]] if changes else []
    assert world.counts == dict.fromkeys(last, 1)


def test_a_source_that_comes_twice_is_counted_once() -> None:
    world = World()

    world.map(mappings([b"a", b"b", b"a"]))
    world.slices.all()
    assert world.counts == {b"a": 1, b"b": 1}


def test_what_was_let_go_holds_nothing_any_more() -> None:
    one = mappings([b"a.*.b", b"x.y", b"x.*"])
    for _ in one.let_go():
        pass

    assert list(one.sources()) == []
    assert not one.holds(b"x.y")
