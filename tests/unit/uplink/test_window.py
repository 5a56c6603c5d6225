"""The window: bounds, order, and up to where everything is stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leafnode.uplink.onward import InFlight, Place
from leafnode.uplink.position import Position
from leafnode.uplink.ranges import Ranges
from leafnode.uplink.scatter import Scatter
from leafnode.uplink.window import Budget, Entry, Offer, Window


def entry(seq: int, size: int = 10) -> Entry:
    return Entry(seq, b"", 0, b"x" * size, b"ack.%d" % seq)


def window_of(*seqs: int, max_msgs: int = 10, max_bytes: int = 1000) -> Window:
    window = Window(max_msgs, max_bytes)
    for seq in seqs:
        window.offer(entry(seq))
    return window


def refuse(window: Window, seq: int) -> None:
    refused = window.get(seq)
    assert refused is not None
    window.refuse(refused)


def seqs(window: Window) -> list[int]:
    return [entry.seq for entry in window]


def test_the_budget_is_what_is_left_of_both_bounds() -> None:
    window = window_of(1, 2, max_msgs=4, max_bytes=100)

    assert window.budget() == Budget(2, 80)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["offer", "send", "unsend", "refuse", "wait", "settle", "aside", "land", "late"]
        ),
        st.integers(1, 12),
    ),
    max_size=60,
)


@given(steps=STEPS, kind=st.sampled_from([Window, Scatter]))
def test_what_is_unsent_is_counted_through_anything(
    steps: list[tuple[str, int]], kind: type[Window]
) -> None:
    window = kind(10, 1000)
    gone: list[Entry] = []  # a message that has left may still be spoken of
    for step, seq in steps:
        known = window.get(seq)
        if step == "offer":
            window.offer(entry(seq))
        elif step == "land":
            position = Position(floor=seq, stored=Ranges([(1, seq)]))
            gone += window.land(position)
        elif step == "late" and gone:
            window.refuse(gone[seq % len(gone)])
        elif known is None:
            continue
        elif step == "send":
            window.send(known, 1)
        elif step == "unsend" and known.sent_ns is not None:
            window.unsend(known)
        elif step == "refuse":
            window.refuse(known)
        elif step == "wait":
            window.wait_for(known)
        elif step == "settle":
            settled = window.settle(seq, seq)
            gone += [settled] if settled else []
        elif step == "aside":
            window.set_aside(known)

        idle = [one for one in window if one.sent_ns is None]
        unsent = [one for one in idle if not one.refused and not one.is_awaited]
        assert {one.seq for one in window.unsent()} == {one.seq for one in unsent}
        assert window.has_unsent is bool(unsent)


def test_where_the_hub_lost_its_end_what_lay_there_is_behind_what_is_left() -> None:
    window = window_of(1, 2, 3, 4)
    for seq, hub_seq in ((2, 11), (3, 12), (4, 13)):
        window.settle(seq, hub_seq)

    window.ends_before(12)

    assert window.known().above == {2: 11, 3: 11, 4: 11}


def test_a_full_window_has_no_budget() -> None:
    assert window_of(1, 2, max_msgs=3).budget() is not None
    assert window_of(1, 2, 3, max_msgs=3).budget() is None
    assert window_of(1, 2, max_bytes=21).budget() == Budget(8, 1)
    assert window_of(1, 2, max_bytes=20).budget() is None


def test_a_redelivery_of_what_is_here_only_renews_its_ack_subject() -> None:
    window = window_of(1)
    again = Entry(1, b"", 0, b"x" * 10, b"ack.again")

    assert window.offer(again) is Offer.HELD

    assert next(iter(window)).ack == b"ack.again"
    assert window.size == 10


def test_what_comes_out_of_order_is_put_in_order() -> None:
    window = window_of(5, 6)

    assert window.offer(entry(2)) is Offer.TAKEN

    assert seqs(window) == [2, 5, 6]


def test_what_is_before_all_that_waits_and_how_much_of_that_the_stream_has() -> None:
    window = window_of(5, 6, 9)

    assert [window.before(seq) for seq in (3, 4, 5, 100)] == [3, 4, 4, 4]
    assert [window.held_from(seq) for seq in (0, 5, 6, 10)] == [3, 3, 2, 0]
    assert window_of().before(7) == 7


def test_a_message_sent_behind_open_ones_says_how_far_the_hub_is() -> None:
    window = window_of(1, 2, 3)
    one, two, three = list(window)

    assert window.send(one, 0) is None
    assert window.send(two, 0) == InFlight(0, 0)
    window.settle(1, 501)
    assert window.send(three, 0) == InFlight(1, 501)


def test_a_gap_holds_the_floor_until_it_is_closed() -> None:
    window = window_of(1, 2, 3, 4)
    for one in list(window):
        window.send(one, 0)
    window.settle(1, 501)
    refuse(window, 2)
    window.settle(3, 502)
    window.settle(4, 503)
    window.offer(entry(5))
    window.offer(entry(6))
    five, six = list(window)[1:]

    assert window.send(five, 0) == InFlight(1, 501)
    window.settle(2, 504)
    assert window.send(six, 0) == InFlight(4, 503)


def test_landing_returns_what_the_hub_has_and_forgets_what_was_sent() -> None:
    window = window_of(1, 2, 3)
    for one in list(window):
        window.send(one, 0)

    stored = window.land(Position(floor=2, hub_seq=7, last=2))

    assert [one.seq for one in stored] == [1, 2]
    assert [one.seq for one in window.unsent()] == [3]
    assert window.in_flight == 0
    assert window.size == 10


def test_landing_keeps_what_was_refused_wherever_the_hub_is() -> None:
    window = window_of(1, 2, 3)
    for one in list(window):
        window.send(one, 0)
    refuse(window, 2)

    stored = window.land(Position(floor=3, hub_seq=7, last=3))

    assert [one.seq for one in stored] == [1, 3]
    assert seqs(window) == [2]
    refused = window.first_refused()
    assert refused is not None
    assert refused.seq == 2


def test_what_the_hub_has_is_not_taken_again() -> None:
    window = Window(10, 1000)
    window.land(Position(floor=5, hub_seq=7, last=8, above={7: 7, 8: 7}))

    offers = [window.offer(entry(seq)) for seq in (4, 5, 6, 7, 8, 9)]

    assert offers == [
        *(Offer.STORED, Offer.STORED, Offer.TAKEN),
        *(Offer.STORED, Offer.STORED, Offer.TAKEN),
    ]


@given(st.lists(st.tuples(st.sampled_from("ospr"), st.integers(1, 12)), max_size=60))
def test_the_floor_is_never_beyond_something_that_is_not_stored(
    steps: list[tuple[str, int]],
) -> None:
    window = Window(20, 10_000)
    stored: set[int] = set()
    taken = 0
    for step, seq in steps:
        if step == "o":
            taken += 1
            window.offer(entry(taken))
        held = {one.seq: one for one in window}
        if step == "s" and seq in held:
            in_flight = window.send(held[seq], 0)
            if in_flight is not None:
                assert all(below in stored for below in range(1, in_flight.floor + 1))
        if step == "p" and seq in held:
            window.settle(seq, 100 + seq)
            stored.add(seq)
        if step == "r" and seq in held:
            window.refuse(held[seq])
    assert window.size == 10 * len(window)


def test_a_second_try_says_that_others_behind_it_may_be_at_the_hub() -> None:
    window = Window(10, 10**6)
    for seq in (5, 6, 7):
        window.offer(Entry(seq, b"a", 0, b"x", b"ack"))
    marks = {entry.seq: window.send(entry, 0) for entry in list(window)}
    assert marks[5] is None

    refuse(window, 5)
    refused = window.first_refused()
    assert refused is not None

    assert window.send(refused, 1) == InFlight(0, 0)


def test_a_refused_message_below_what_the_hub_has_keeps_what_was_known_of_the_hubs_end() -> None:
    window = window_of(1, 2, 3)
    for one in list(window):
        window.send(one, 0)
    window.settle(1, 5000)
    refuse(window, 2)

    window.land(Position(floor=3, hub_seq=9000, last=3))
    window.offer(entry(4))

    assert seqs(window) == [2, 4]
    assert window.send(list(window)[1], 0) == InFlight(1, 5000)


def test_what_went_newest_first_is_said_until_all_before_it_is_there() -> None:
    window, top = Window(10, 1000), Place(7, "abcde")
    window.land(Position(2, 90, 7, stored=Ranges([(1, 2), (5, 7)]), top=top))
    offers = [window.offer(entry(seq)) for seq in range(3, 10)]
    three, four, eight, nine = list(window)

    assert offers.count(Offer.STORED) == 3
    assert window.send(three, 0) == InFlight(2, 90, b"1-2,5-7", "abcde")
    window.settle(3, 91)
    window.land(window.known())
    assert window.send(four, 0) == InFlight(3, 91, b"1-3,5-7", "abcde")
    window.settle(4, 92)
    assert window.send(eight, 0) == InFlight(4, 92, b"1-7", "abcde")
    window.settle(8, 93)
    assert window.send(nine, 0) is None


def test_what_was_refused_since_is_not_said_to_be_there() -> None:
    window = window_of(3, 6)
    refuse(window, 6)
    window.land(Position(2, 90, 7, stored=Ranges([(1, 2), (5, 7)]), top=Place(7, "abcde")))

    assert window.send(next(iter(window)), 0) is None
    assert window.said() == InFlight(2, 90)


def test_what_was_found_behind_what_a_message_says_is_not_said() -> None:
    """It is looked up again: each message of a flight would have all of it."""
    window = Window(10, 1000)
    stored = Ranges([(1, 2), (4, 4), (6, 6)])
    window.land(Position(2, 90, 6, {4: 90, 6: 90}, stored, top=Place(6, "abcde")))
    window.offer(entry(3))

    assert window.send(next(iter(window)), 0) == InFlight(2, 90)


_STEPS = ("offer", "send", "send", "store", "store", "lose", "answer", "no", "land")


@pytest.mark.parametrize("kind", [Window, Scatter])
@given(data=st.data())
@settings(max_examples=300)
def test_what_is_in_doubt_is_at_the_hub_behind_what_the_window_says(
    kind: type[Window], data: st.DataObject
) -> None:
    """Of each link all comes in order, of one that is gone at any later time; it may be lost, or
    refused, and is sent again.
    """
    window, hub_top, taken = kind(6, 10_000), 0, 0
    places: dict[int, int] = {}  # at the hub; one of an id is stored once
    links: list[list[int]] = [[]]  # what is on its way over each
    for _ in range(data.draw(st.integers(5, 60))):
        step = data.draw(st.sampled_from(_STEPS))
        held = list(window)
        busy = [link for link in links if link]
        if step == "offer" and window.budget() is not None:
            taken += 1
            window.offer(entry(taken))
        elif step == "send" and (waits := [one for one in held if one.sent_ns is None]):
            one = data.draw(st.sampled_from(waits))
            window.send(one, 1)
            links[-1].append(one.seq)
        elif step == "store" and busy:
            seq = data.draw(st.sampled_from(busy)).pop(0)
            if seq not in places:
                hub_top += 1
                places[seq] = hub_top
        elif step == "lose" and busy:
            lossy = data.draw(st.sampled_from(busy))
            lossy.pop(data.draw(st.integers(0, len(lossy) - 1)))
        elif step == "answer" and (stored := [one for one in held if one.seq in places]):
            one = data.draw(st.sampled_from(stored))
            window.settle(one.seq, places[one.seq])
        elif step == "no" and links[-1] and links[-1][0] not in places:
            if refused := window.get(links[-1].pop(0)):
                window.refuse(refused)
        elif step == "land":
            position = window.known()
            above = dict(position.above)
            for one in held:
                if one.is_doubtful and places.get(one.seq, 0) > position.hub_seq:
                    above[one.seq] = places[one.seq]
                    position.stored.add(one.seq, one.seq)
            window.land(replace(position, above=above))
            links.append([])
        doubtful = [one.seq for one in window if one.is_doubtful]
        assert all(places.get(seq, hub_top + 1) > window.known().hub_seq for seq in doubtful)
