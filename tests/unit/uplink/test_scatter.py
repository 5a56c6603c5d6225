"""The window of a stream that is sent newest first."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from leafnode.uplink.onward import InFlight
from leafnode.uplink.position import Position
from leafnode.uplink.ranges import Ranges
from leafnode.uplink.scatter import Scatter
from leafnode.uplink.window import Entry, Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "00000"


def scatter(*seqs: int) -> Scatter:
    window = Scatter(10, 1000)
    for seq in seqs:
        window.offer(Entry(seq, b"a", 0, b"x", b""))
    return window


def send(window: Scatter, seq: int) -> InFlight | None:
    entry = window.get(seq)
    assert entry is not None
    return window.send(entry, 0)


def test_messages_stay_in_the_order_in_which_they_came() -> None:
    window = scatter(9, 10, 3, 4)

    assert [entry.seq for entry in window.unsent()] == [9, 10, 3, 4]
    assert window.offer(Entry(3, b"a", 0, b"x", b"")) is Offer.HELD


def test_each_message_says_all_that_the_hub_has_and_behind_what_the_rest_is() -> None:
    window = scatter(9, 10, 3)
    window.land(Position(stored=Ranges([(1, 2)]), hub_seq=70))

    assert send(window, 9) == InFlight(2, 70, b"1-2")
    assert send(window, 10) == InFlight(2, 70, b"1-2")
    window.settle(10, 102)
    assert send(window, 3) == InFlight(2, 70, b"1-2,10-10", MARK)
    window.settle(9, 101)

    window.offer(Entry(4, b"a", 0, b"x", b""))
    assert send(window, 4) == InFlight(2, 102, b"1-2,9-10", MARK)


def test_what_was_looked_at_in_full_leaves_nothing_else_before_it() -> None:
    window = scatter(9)
    window.land(Position(stored=Ranges([(1, 2)]), hub_seq=70, seen=110))

    assert send(window, 9) == InFlight(2, 110, b"1-2")


def test_what_is_refused_or_a_dead_letter_holds_nothing_back() -> None:
    window = scatter(9, 10, 11)
    for seq in (9, 10, 11):
        send(window, seq)
    dead = window.get(9)
    assert dead is not None
    window.refuse(dead)
    window.settle(10, 5)
    assert window.set_aside(dead)

    assert window.done == Ranges([(9, 10)])
    window.settle(11, 6)
    window.offer(Entry(1, b"a", 0, b"x", b""))
    assert send(window, 1) == InFlight(0, 6, b"9-11", MARK)


def test_what_the_stream_lets_go_of_is_done_but_for_what_is_here() -> None:
    window = scatter(9, 3, 10, 12)
    window.land(Position(stored=Ranges([(1, 2)])))

    assert window.let_go(1, 10) == 5  # 4 to 8
    assert window.let_go(11, 10) == window.let_go(2, 9) == 0

    assert [seq for seq in range(1, 13) if window.is_done(seq)] == [1, 2, 4, 5, 6, 7, 8]
    assert (window.floor, window.before(10), window.held, len(window)) == (2, 2, 1, 4)
    window.settle(9, 70)
    assert window.done == Ranges([(1, 2), (4, 9)])
    assert (window.held, len(window)) == (1, 3)


def test_a_hole_is_written_with_what_is_next_to_it() -> None:
    window = scatter(11, 13, 16)
    window.let_go(17, 20)
    window.let_go(9, 10)
    window.let_go(5, 8)
    window.let_go(12, 12)
    window.let_go(14, 15)
    assert send(window, 11) == InFlight(0, 0)

    window.settle(13, 70)
    assert send(window, 16) == InFlight(0, 0, b"12-13", MARK)
    window.settle(11, 71)
    assert window.done == Ranges([(5, 15)])
    window.settle(16, 72)
    assert window.done == Ranges([(5, 20)])
    window.let_go(21, 25)
    assert window.done == Ranges([(5, 25)])
    assert window.said() == InFlight(0, 72, b"5-16", MARK)


def test_a_stream_full_of_holes_is_written_as_what_is_in_flight() -> None:
    window = Scatter(3000, 1 << 20)
    for seq in range(2, 6001, 2):
        window.let_go(seq - 1, seq - 1)
        window.offer(Entry(seq, b"a", 0, b"x", b""))
        send(window, seq)
    assert len(window.done) == 1

    for seq in range(2002, 4001, 2):
        window.settle(seq, seq)

    assert window.done == Ranges([(1, 1), (2001, 4001)])
    assert window.looked_at == Ranges([(1, 6000)])


def test_a_hole_beside_what_the_hub_turns_out_to_have_is_done() -> None:
    window = scatter(4, 8, 12)
    for first in (5, 9, 13):
        window.let_go(first, first + 2)

    window.land(Position(stored=Ranges([(1, 2), (8, 10)])))

    assert window.done == Ranges([(1, 2), (5, 11)])
    window.settle(12, 70)
    assert window.done == Ranges([(1, 2), (5, 15)])


@pytest.mark.parametrize("seed", range(20))
def test_in_the_end_all_is_done_in_whatever_order_it_came(seed: int) -> None:
    rng = Random(seed)
    gone = {seq for seq in range(1, 121) if rng.random() < 0.5}
    window = Scatter(200, 1000)
    steps = [*range(1, 121), *range(1, 121)]
    rng.shuffle(steps)
    for seq in steps:
        if seq in gone:
            window.let_go(seq, seq)
        elif seq in window.looked_at:
            window.settle(seq, 0)
        else:
            window.offer(Entry(seq, b"a", 0, b"x", b""))
        ranges = (one for one in window.done if one[0] > 1)
        assert not any(gone.issuperset(range(one[0], one[1] + 1)) for one in ranges)

    assert window.done == window.looked_at == Ranges([(1, 120)])


@pytest.mark.parametrize("last", [3, 8, 40])
def test_a_range_is_let_go_of_alike_whether_it_is_shorter_than_the_window(last: int) -> None:
    window = scatter(9, 3, 10, 12)

    window.let_go(2, last)

    left_out = {3, 9, 10, 12}
    assert {seq for seq in range(1, 50) if window.is_done(seq)} == {*range(2, last + 1)} - left_out
    assert window.held == sum(seq > last for seq in left_out)


def test_one_hole_is_not_looked_for_all_over_a_large_window() -> None:
    window, looks = scatter(*range(1, 9)), 0

    class Looked(dict[int, Entry]):
        def __iter__(self) -> Iterator[int]:
            nonlocal looks
            looks += 1
            return super().__iter__()

    window._entries = Looked(window._entries)

    window.let_go(20, 21)

    assert (looks, window.looked_at) == (0, Ranges([(1, 8), (20, 21)]))


def test_landing_takes_the_hubs_word() -> None:
    window = scatter(9, 10, 3)
    for seq in (9, 10, 3):
        send(window, seq)

    stored = window.land(Position(stored=Ranges([(1, 2), (9, 9)]), hub_seq=8))

    assert [entry.seq for entry in stored] == [9]
    assert [entry.seq for entry in window.unsent()] == [10, 3]
    assert window.floor == 2


def test_what_may_come_to_be_stored_is_looked_for_before_what_is_sent_meanwhile() -> None:
    window = Scatter(10, 1000)
    held, later = Entry(1, b"a", 0, b"x", b""), Entry(2, b"a", 0, b"y", b"")
    window.offer(held)
    window.send(held, 1)
    window.land(Position())  # asked: it is not there, and waits to be sent again
    window.offer(later)

    window.send(later, 2)
    window.settle(2, 10)

    assert window.known().hub_seq < 9


def test_what_is_acknowledged_while_the_hub_is_asked_stays_done() -> None:
    window = scatter(9, 10)
    for seq in (9, 10):
        send(window, seq)
    window.settle(10, 8)

    assert window.land(Position(stored=Ranges([(1, 2)]), hub_seq=7)) == []

    assert window.done == Ranges([(1, 2), (10, 10)])
    assert window.said() == InFlight(2, 7, b"1-2,10-10", MARK)


def test_what_the_hub_had_and_has_no_more_stays_done() -> None:
    window = scatter(3, 4)
    window.land(Position(stored=Ranges([(1, 2)]), hub_seq=70))
    send(window, 3)
    window.settle(3, 71)

    window.land(Position())

    assert window.done == Ranges([(1, 3)])
    assert window.said() == InFlight(3, 0, b"1-3", MARK)
