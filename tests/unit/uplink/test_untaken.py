"""Since when nobody upstream wants a subject, of those that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from leafnode import limits
from leafnode.clock import NS_PER_S
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
    return Untaken(cast("Link", Hub(*subjects)))


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
    assert len(one) == 4

    one.clear()
    assert one.oldest_ns is None


def test_the_oldest_under_which_nothing_waits_is_forgotten() -> None:
    one = untaken()
    one.not_taken(b"e.1", names(2, 10), NS_PER_S)
    one.not_taken(b"e.11", [*names(2, 10), *names(12, 2 * MOST)], 2 * NS_PER_S)

    assert len(one) == MOST
    assert b"e.1" not in one  # nothing waits under it
    assert all(name in one for name in names(2, MOST + 1))
    assert one.not_taken(b"e.0", names(12, MOST + 1), 3 * NS_PER_S) == 3 * NS_PER_S
    assert len(one) == MOST
    assert b"e.2" not in one
    assert one.not_taken(b"e.12", [], 4 * NS_PER_S) == 2 * NS_PER_S


def test_nothing_more_is_looked_at_when_its_minute_is_over() -> None:
    one = untaken()
    one.not_taken(b"e.1", [], 0)

    assert one.not_taken(b"e.1", [b"e.2"], limits.UPLINK_UNTAKEN_NS) == 0
    assert b"e.2" not in one
