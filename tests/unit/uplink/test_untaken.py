"""Since when nobody upstream wants a subject, of those that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.routing.leaf_interest import LeafInterest
from leafnode.routing.peer import LeafSide
from leafnode.uplink.untaken import Untaken

if TYPE_CHECKING:
    from leafnode.uplink.link import Link

MOST = limits.UPLINK_UNTAKEN_MAX


class Hub:
    """A link whose other side asks for these."""

    def __init__(self, *subjects: bytes) -> None:
        self.subjects = set(subjects)

    def asks_for(self, subject: bytes) -> bool:
        return subject in self.subjects


def untaken(*subjects: bytes) -> Untaken:
    return Untaken(cast("Link", Hub(*subjects)), LeafInterest())


def names(first: int, last: int) -> list[bytes]:
    return [b"e.%d" % number for number in range(first, last + 1)]


def test_what_waits_behind_it_has_the_same_minute_but_for_what_somebody_wants() -> None:
    one = untaken(b"e.2")

    assert one.not_taken(b"e.1", [b"e.2", b"e.3"], 5) == 5
    assert one.not_taken(b"e.3", [b"e.4"], 7) == 5
    assert one.not_taken(b"e.2", [], 9) == 9
    assert one.oldest_ns == 5

    one.taken(b"e.3")
    assert one.not_taken(b"e.3", [], 11) == 11
    assert len(one) == 3

    one.clear()
    assert one.oldest_ns is None


def ask(hub: Hub, interest: LeafInterest, pattern: bytes, *subjects: bytes) -> None:
    """It asks for a moment: these are of it."""
    side = LeafSide("hub", is_hub=True)
    hub.subjects = set(subjects)
    interest.add((pattern, b""), side, 1)
    hub.subjects = set()
    interest.add((pattern, b""), side, -1)


def test_a_minute_ends_with_each_interest_however_short_and_between_two_looks() -> None:
    hub, interest = Hub(), LeafInterest()
    one = Untaken(cast("Link", hub), interest)
    one.not_taken(b"e.1", [b"e.2", b"e.3"], 0)
    assert len(interest.listeners) == 1
    ask(hub, interest, b"x.>", b"e.1")
    ask(hub, interest, b"e.2", b"e.2")

    one.not_taken(b"e.1", [b"e.2", b"e.3"], 20 * NS_PER_S)
    assert one.not_taken(b"e.2", [b"e.3"], 30 * NS_PER_S) == 20 * NS_PER_S
    assert one.not_taken(b"e.3", [], 30 * NS_PER_S) == 0

    ask(hub, interest, b"e.*", b"e.1", b"e.2", b"e.3")
    assert (len(one), len(interest.listeners)) == (0, 0)
    assert one.not_taken(b"e.1", [], 40 * NS_PER_S) == 40 * NS_PER_S


@pytest.mark.parametrize("pattern", [b"*.line.*.temp.>", b"plant.*.*.temp.now", b"plant.line.>"])
def test_of_a_pattern_with_several_wildcards_all_that_fits_has_its_minute_ended(
    pattern: bytes,
) -> None:
    hub, interest = Hub(), LeafInterest()
    one = Untaken(cast("Link", hub), interest)
    other, subject = b"plant.hall.line.temp.x", b"plant.line.3.temp.now"
    one.not_taken(other, [], 0)
    one.not_taken(subject, [], 0)
    ask(hub, interest, pattern, subject)

    assert (subject in one, other in one) == (False, True)


@pytest.mark.parametrize("pattern", [b"e.1", b"e.*", b">"])
def test_what_another_leaf_asks_for_ends_no_minute(pattern: bytes) -> None:
    hub, interest = Hub(), LeafInterest()
    one = Untaken(cast("Link", hub), interest)
    one.not_taken(b"e.1", [], 0)
    ask(hub, interest, pattern)

    assert one.not_taken(b"e.1", [], 40 * NS_PER_S) == 0


def test_nothing_is_listened_to_when_nothing_waits_any_more() -> None:
    interest = LeafInterest()
    one = Untaken(cast("Link", Hub()), interest)
    one.not_taken(b"e.1", [b"e.2"], 0)
    one.clear()

    assert interest.listeners == set()


def test_so_many_are_looked_at_and_remembered_and_no_more() -> None:
    one = untaken()
    one.not_taken(b"e.0", names(1, 2 * MOST), 1)
    last = limits.UPLINK_UNTAKEN_LOOK_MAX
    assert one.not_taken(b"e.%d" % last, [], 2) == 1
    assert one.not_taken(b"e.%d" % (last + 1), [], 2) == 2

    for name in names(1000, 1000 + MOST):
        one.not_taken(name, [], 3)
    assert len(one) == MOST
    assert b"e.0" not in one


def test_nothing_more_is_looked_at_when_its_minute_is_over() -> None:
    one = untaken()
    one.not_taken(b"e.1", [b"e.2"], 0)
    one.not_taken(b"e.1", [b"e.2"], limits.UPLINK_UNTAKEN_NS // 2)

    assert one.not_taken(b"e.1", [b"e.3"], limits.UPLINK_UNTAKEN_NS) == 0
    assert one.not_taken(b"e.2", [], limits.UPLINK_UNTAKEN_NS) == 0
    assert one.not_taken(b"e.3", [], limits.UPLINK_UNTAKEN_NS + 1) > 0
