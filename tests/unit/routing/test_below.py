"""leafnode.routing.below: what is remembered stays within its bounds."""

from __future__ import annotations

from leafnode.limits import BELOW_BYTES_MAX, BELOW_CACHE_MAX
from leafnode.routing.below import Below
from leafnode.routing.budget import Budget


def test_as_many_are_remembered_as_may_be_and_then_it_starts_over() -> None:
    below = Below(budget := Budget(BELOW_BYTES_MAX))
    for number in range(BELOW_CACHE_MAX):
        below.keep((b"%d" % number, 1), None)
    assert len(below.known) == BELOW_CACHE_MAX

    below.keep((b"a", 1), None)

    assert below.known == {(b"a", 1): None}
    assert budget.held_bytes == below.held_bytes > 0


def test_its_bytes_are_bounded_and_what_is_larger_is_not_kept() -> None:
    below = Below(Budget(2 * BELOW_BYTES_MAX))
    for number in range(3):
        below.keep((b"%d" % number + b"x" * (BELOW_BYTES_MAX // 2), 1), None)
        assert below.held_bytes <= BELOW_BYTES_MAX
        assert len(below.known) == 1

    below.keep((b"x" * BELOW_BYTES_MAX, 1), None)

    assert len(below.known) == 1
    below.empty()
    assert (below.known, below.held_bytes) == ({}, 0)
