"""Values of simulated sensors stay between their bounds and move by small steps."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from leafnode.cli.sim.sensor import Walk


def test_a_walk_keeps_its_bounds_and_its_step() -> None:
    walk = Walk(Random(1), 10, 12, 0.5)

    values = [walk.value, *(walk.next() for _ in range(1000))]

    assert all(10 <= value <= 12 for value in values)
    assert all(abs(later - before) <= 0.5 for before, later in pairwise(values))
    assert len(set(values)) > 500


def test_the_same_seed_has_the_same_values() -> None:
    first, second = Walk(Random(7), 0, 1, 0.1), Walk(Random(7), 0, 1, 0.1)

    assert [first.next() for _ in range(9)] == [second.next() for _ in range(9)]
