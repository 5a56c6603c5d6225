"""Ack floor, ack pending and redelivery, by example; test_pending_model.py has any order of them.

Floors measured on nats-server 2.15.1 (acks 3, 2, 1 of five leave the floor at 0, 0, 3).
"""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.jetstream.pending import Pending, Position
from tests.sim.positions import entries

WAIT_NS = 100


def delivered(*seqs: int, **options: object) -> Pending:
    pending = Pending(1, ack_wait_ns=WAIT_NS, **options)  # type: ignore[arg-type]
    for seq in seqs:
        pending.deliver(seq, 0)
    return pending


def test_a_new_consumer_stands_before_its_start() -> None:
    pending = Pending(7, ack_wait_ns=WAIT_NS)

    assert pending.delivered == pending.floor == Position(0, 6)


def test_the_floor_waits_for_the_lowest_unacknowledged_message() -> None:
    pending = delivered(1, 2, 3, 4, 5)
    floors = []

    for seq in (3, 2, 1):
        pending.ack(seq)
        floors.append(pending.floor)

    assert floors == [Position(0, 0), Position(0, 0), Position(3, 3)]


def test_the_floor_jumps_over_gaps_of_a_filtered_stream() -> None:
    pending = delivered(2, 9)

    pending.ack(2)

    assert pending.floor == Position(1, 8)


def test_the_last_ack_lifts_the_floor_to_what_was_delivered() -> None:
    pending = delivered(2, 9)

    pending.ack(9)
    pending.ack(2)

    assert pending.floor == pending.delivered == Position(2, 9)


def test_acking_twice_does_nothing() -> None:
    pending = delivered(1, 2)
    assert pending.ack(1)

    assert not pending.ack(1)

    assert pending.floor == Position(1, 1)


def test_ack_all_takes_everything_up_to_a_sequence() -> None:
    pending = delivered(1, 2, 3, 4)

    assert pending.ack_all(3, 3) == [1, 2, 3]

    assert (pending.floor, len(pending)) == (Position(3, 3), 1)
    assert pending.ack_all(2, 2) == []
    assert pending.ack_all(99, 99) == []


def test_ack_all_of_a_second_delivery_is_above_the_first_deliveries_behind_it() -> None:
    """Measured: floor 6/2, and the acknowledgements 4/4 and 5/5 change nothing."""
    pending = delivered(1, 2, 3, 4, 5)
    pending.nak(2, 0)
    pending.redeliver(2, 0)

    assert pending.ack_all(2, 6) == [1, 2]
    assert (pending.up_to(4, 4), pending.ack_all(4, 4), pending.ack_all(5, 5)) == ([], [], [])

    assert (pending.floor, len(pending)) == (Position(6, 2), 3)


@pytest.mark.parametrize("consumer_seq", [4, 9])
def test_ack_all_with_a_forged_consumer_sequence_ends_at_what_was_delivered(
    consumer_seq: int,
) -> None:
    pending = delivered(1, 2, 3, 4)

    pending.ack_all(2, consumer_seq)
    pending.ack_all(4, 4)

    assert (pending.floor, len(pending)) == (Position(4, 2), 2)


def test_the_floor_moves_on_behind_what_was_delivered_again() -> None:
    """Measured: one NAK, then acks with three in flight."""
    pending = delivered(1, 2, 3)
    pending.nak(1, 0)
    assert pending.redeliver(1, 0) == 4
    floors = []

    for acked, given in ((2, 4), (3, 5), (1, 6), (4, 7), (5, 8)):
        pending.ack(acked)
        pending.deliver(given, 0)
        floors.append(pending.floor)

    assert floors[:2] == [Position(0, 0)] * 2
    assert floors[2:] == [Position(4, 3), Position(5, 4), Position(6, 5)]


def test_a_run_of_acks_moves_the_floor_behind_what_was_delivered_again() -> None:
    pending = delivered(1, 2, 3, 4)
    pending.nak(2, 0)
    pending.redeliver(2, 0)
    pending.deliver(5, 0)

    assert pending.ack_run([3, 1, 2]) == [3, 1, 2]
    assert pending.floor == Position(3, 3)
    assert pending.ack_run([4]) == [4]
    assert pending.floor == Position(5, 4)


def test_what_starts_over_does_not_begin_with_what_was_given_up() -> None:
    """Measured: the floor that is shown stays below it, and a reset goes on behind it."""
    pending = delivered(1, 2, 3)
    assert pending.reset_seq() == 1
    pending.give_up(1)
    assert pending.reset_seq() == 2
    pending.ack(2)
    pending.give_up(3)

    assert (pending.floor, pending.reset_seq()) == (Position(0, 0), 4)


def test_a_position_with_consumer_sequences_of_last_deliveries_is_set_right() -> None:
    new = Pending(1, ack_wait_ns=WAIT_NS)

    assert not list(
        new.restore(
            Position(7, 5), Position(0, 0), [(2, 2, 9), (5, 5, 9), (1, 6, 9), (3, 7, 9)], {}
        )
    )

    assert [entry[:2] for entry in entries(new)] == [(1, 1), (2, 2), (3, 4), (5, 5)]
    new.ack(1)
    assert new.floor == Position(1, 1)


def test_an_expired_message_is_redelivered_with_a_new_consumer_sequence() -> None:
    pending = delivered(1, 2)

    assert pending.expire(WAIT_NS) == [1, 2]
    assert pending.next_redelivery() == 1

    assert pending.redeliver(1, WAIT_NS) == 3
    assert pending.delivered == Position(3, 2)
    assert (pending.deliveries(1), pending.deliveries(2), pending.redelivered) == (2, 1, 1)
    assert pending.next_redelivery() == 2


def redelivered(pending: Pending, now_ns: int = 0) -> list[int]:
    """Redeliver what is queued, once each; the order."""
    order = []
    for _ in range(pending.queued):
        seq = pending.next_redelivery()
        assert seq is not None
        pending.redeliver(seq, now_ns)
        order.append(seq)
    return order


def test_redelivery_is_in_the_order_of_the_naks() -> None:
    pending = delivered(1, 2, 3, 4, 5)

    for seq in (4, 2, 5, 1, 2):
        pending.nak(seq, 0)

    assert redelivered(pending) == [4, 2, 5, 1]


def test_a_message_that_is_refused_again_goes_behind_the_others() -> None:
    pending = delivered(1, 2)
    pending.nak(1, 0)
    pending.nak(2, 0)
    pending.redeliver(1, 0)

    pending.nak(1, 0)

    assert redelivered(pending) == [2, 1]


def test_what_expires_together_is_redelivered_in_stream_order_behind_what_is_queued() -> None:
    pending = delivered(1, 2, 3, 4)
    for seq in (3, 1):
        pending.nak(seq, 0)
        pending.redeliver(seq, 0)
    pending.nak(4, 0)

    pending.expire(WAIT_NS)

    assert redelivered(pending) == [4, 1, 2, 3]


def test_a_delayed_nak_waits() -> None:
    pending = delivered(1)

    assert pending.nak(1, 10, delay_ns=300)

    assert pending.next_redelivery() is None
    pending.expire(309)
    assert pending.next_redelivery() is None
    pending.expire(310)
    assert pending.next_redelivery() == 1


def test_progress_starts_the_wait_anew() -> None:
    pending = delivered(1)

    assert pending.progress(1, WAIT_NS - 1)

    pending.expire(2 * WAIT_NS - 2)
    assert pending.next_redelivery() is None
    pending.expire(2 * WAIT_NS - 1)
    assert pending.next_redelivery() == 1


def test_progress_leaves_a_message_where_it_is_in_the_queue() -> None:
    pending = delivered(1, 2)
    pending.nak(2, 0)
    pending.nak(1, 0)

    pending.progress(2, 0)

    assert redelivered(pending) == [2, 1]


def test_backoff_sets_the_wait_of_each_delivery_and_its_last_value_repeats() -> None:
    pending = delivered(1, backoff_ns=[10, 20])
    waits = []

    now_ns = 0
    for _ in range(4):
        due_ns = pending.next_deadline_ns()
        assert due_ns is not None
        waits.append(due_ns - now_ns)
        now_ns = due_ns
        pending.expire(now_ns)
        pending.redeliver(1, now_ns)

    assert waits == [10, 20, 20, 20]


def test_what_is_given_up_leaves_without_lifting_the_floor() -> None:
    pending = delivered(1, 2)

    pending.give_up(1)

    assert (pending.floor, len(pending)) == (Position(0, 0), 1)


def test_what_is_given_up_counts_as_redelivered_until_the_stream_lets_go_of_it() -> None:
    pending = delivered(1, 2, 3)
    for seq in (1, 2, 3):
        pending.give_up(seq)
    assert pending.redelivered == 3

    pending.gone(2)
    pending.purge(2)

    assert list(pending.given_up) == [3]
    assert pending.anew(1).redelivered == 0


def test_what_is_given_up_is_remembered_over_a_restart() -> None:
    old = delivered(1, 2, 3)
    old.nak(3, 0)
    old.redeliver(3, 0)
    old.give_up(1)
    new = Pending(1, ack_wait_ns=WAIT_NS)

    assert not list(new.restore(*old.kept(), entries(old), old.kept_counts()))

    assert (list(new.given_up), new.counts, new.redelivered) == ([1], {3: 2}, 2)


def test_of_what_is_given_up_the_oldest_is_forgotten_at_the_bound() -> None:
    most = limits.GIVEN_UP_MAX
    pending = Pending(1, ack_wait_ns=WAIT_NS)
    pending.deliver_run(range(1, most + 2), 0)

    for seq in range(1, most + 1):
        pending.give_up(seq)
    assert len(pending.given_up) == most
    pending.give_up(most + 1)

    assert len(pending.given_up) == most
    assert 1 not in pending.given_up


def test_what_was_only_skipped_is_looked_at_again_after_a_restart() -> None:
    pending = delivered(1, 3)
    pending.skip_to(9)
    assert pending.delivered == Position(2, 9)
    assert pending.kept() == (Position(2, 3), Position(0, 0))

    pending.ack(1)
    pending.ack(3)

    assert pending.floor == Position(2, 9)
    assert pending.kept() == (Position(2, 3), Position(2, 3))


def test_a_purge_moves_position_and_floor_behind_what_is_gone() -> None:
    pending = delivered(1, 2, 3)

    assert pending.purge(7)

    assert pending.delivered == pending.floor == Position(3, 6)
    assert len(pending) == 0


def test_a_partial_purge_keeps_what_is_left_pending() -> None:
    pending = delivered(1, 2, 3)

    assert pending.purge(3)
    assert not pending.purge(3)

    assert pending.floor == Position(2, 2)
    assert 3 in pending


def test_without_acks_the_floor_follows_the_deliveries() -> None:
    pending = Pending(1, ack_wait_ns=0)

    pending.deliver(1, 0, track=False)

    assert pending.floor == Position(1, 1)


def test_skipping_lifts_a_floor_with_nothing_above_it() -> None:
    pending = delivered(1)
    pending.skip_to(5)
    assert pending.floor == Position(0, 0)

    pending.ack(1)

    assert pending.floor == Position(1, 5)


def test_a_position_survives_a_restart() -> None:
    old = delivered(1, 2, 3)
    old.expire(WAIT_NS)
    old.redeliver(1, WAIT_NS)
    new = Pending(1, ack_wait_ns=WAIT_NS)

    assert not list(new.restore(old.delivered, old.floor, entries(old), old.counts))

    assert entries(new) == entries(old)
    assert new.next_deadline_ns() == WAIT_NS
    new.ack(2)
    old.ack(2)
    assert new.floor == old.floor


def test_a_client_that_naks_for_ever_does_not_fill_the_queue() -> None:
    pending = delivered(1)

    for _ in range(3):
        pending.nak(1, 0)
        pending.nak(1, 0, delay_ns=5)
        pending.nak(1, 0)

    assert pending.queued == 1


def test_a_run_of_deliveries_is_the_same_as_one_after_the_other() -> None:
    for track in (True, False):
        run = Pending(1, ack_wait_ns=WAIT_NS)
        single = Pending(1, ack_wait_ns=WAIT_NS)

        run.deliver_run([2, 3, 7], 5, track=track)
        for seq in (2, 3, 7):
            single.deliver(seq, 5, track=track)

        assert entries(run) == entries(single)
        assert (run.delivered, run.floor) == (single.delivered, single.floor)
        assert run.next_deadline_ns() == single.next_deadline_ns()


def test_what_ack_all_would_take_can_be_asked_before() -> None:
    pending = delivered(1, 2, 3)

    assert pending.up_to(2, 2) == [1, 2]
    assert pending.up_to(9, 9) == []
    assert len(pending) == 3


def test_an_ack_that_is_taken_back_comes_again_with_its_count() -> None:
    pending = Pending(1, ack_wait_ns=10)
    pending.deliver_run([1, 2, 3], 0)
    pending.nak(1, 0)
    pending.redeliver(1, 0)
    first = {seq: pending.first(seq) for seq in (1, 2, 3)}
    for seq in (1, 2, 3):
        pending.ack(seq)

    for seq in (2, 1):
        pending.take_back([(seq, *first[seq])], now_ns=5)
        pending.take_back([(seq, *first[seq])], now_ns=5)

    assert entries(pending) == [(1, 1, 5), (2, 2, 5)]
    assert pending.floor.stream_seq == 0
    assert (pending.deliveries(1), pending.deliveries(2)) == (2, 1)
    assert pending.next_redelivery() == 2
    assert pending.queued == 2


@pytest.mark.parametrize(("gone", "shown"), [((2, 5), 5), ((2,), 2), ((5, 10), 10), ((1, 2, 4), 4)])
def test_the_floor_that_is_shown_of_acks_of_all_is_the_same_after_a_restart(
    gone: tuple[int, ...], shown: int
) -> None:
    old, new = Pending(1, ack_wait_ns=10), Pending(1, ack_wait_ns=10)
    old.deliver_run(range(1, 11), 0)
    for seq in gone:
        old.forget_gone(seq)

    restore(new, old)

    floors = [one.shown_floor(acks_all=True) for one in (old, new)]
    assert floors == [Position(shown, shown)] * 2
    assert new.floor.consumer_seq == old.floor.consumer_seq
    # What lies between is gone, so it may be told as done with, and no more than that.
    assert old.floor.stream_seq <= new.floor.stream_seq < new.seqs()[0]


def restore(new: Pending, old: Pending) -> None:
    """Let one know what another would have stored of acks of all."""
    delivered, floor = old.kept()[0], old.shown_floor(acks_all=True)
    assert not list(new.restore(delivered, floor, entries(old), old.kept_counts()))


@pytest.mark.parametrize("gone", [(3,), (5,), (5, 9), (3, 5), (3, 5, 9)])
def test_so_it_is_in_a_stream_with_gaps(gone: tuple[int, ...]) -> None:
    old, new = Pending(1, ack_wait_ns=10), Pending(1, ack_wait_ns=10)
    old.deliver_run([3, 5, 9, 12, 20], 0)
    for seq in gone:
        old.forget_gone(seq)

    restore(new, old)

    for seq in (None, 12):
        if seq is not None:
            assert old.ack_all(seq, 4) == new.ack_all(seq, 4)
        floors = [one.shown_floor(acks_all=True) for one in (old, new)]
        assert floors[0] == floors[1]


def test_what_an_older_version_kept_of_it_is_read_as_there() -> None:
    old, new = Pending(1, ack_wait_ns=10), Pending(1, ack_wait_ns=10)
    old.deliver_run(range(1, 11), 0)
    old.forget_gone(5)

    assert not list(new.restore(*old.kept(), entries(old), old.kept_counts()))

    assert new.shown_floor(acks_all=True) == old.shown_floor(acks_all=True) == Position(5, 5)


def test_another_ack_wait_holds_for_what_is_out_already() -> None:
    pending = Pending(1, ack_wait_ns=100)
    pending.deliver(1, 0)
    pending.deliver(2, 50)

    pending.set_waits(20, ())

    assert pending.next_deadline_ns() == 20
    assert (pending.expire(20), pending.expire(70)) == ([1], [2])


def test_other_waits_hold_by_how_often_a_message_was_delivered() -> None:
    pending = Pending(1, ack_wait_ns=100, backoff_ns=[100, 300])
    pending.deliver_run([1, 2, 3], 0)
    pending.nak(2, 10)
    pending.redeliver(2, 10)

    pending.set_waits(100, (50, 70))

    assert [pending.delivered_ns(seq) for seq in (1, 2, 3)] == [0, 10, 0]
    assert pending.next_deadline_ns() == 50
    assert (pending.expire(50), pending.expire(80)) == ([1, 3], [2])


def test_the_same_waits_touch_nothing_of_what_is_out() -> None:
    pending = Pending(1, ack_wait_ns=100)
    pending.deliver(1, 0)
    held = dict(pending._entries)

    pending.set_waits(100, ())

    assert all(pending._entries[seq] is entry for seq, entry in held.items())


def test_very_many_that_expire_together_are_queued_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "EXPIRED_TURN", 3)
    pending = Pending(1, ack_wait_ns=WAIT_NS)
    pending.deliver_run(range(1, 8), 0)

    found = []
    while (due_ns := pending.next_deadline_ns()) is not None and due_ns <= WAIT_NS:
        found.append(pending.expire(WAIT_NS))

    assert found == [[1, 2, 3], [4, 5, 6], [7]]
    assert pending.queued == 7


@pytest.mark.parametrize("first_seq", [1, 2, 4, 6, 9])
def test_what_a_purge_leaves_is_the_same_from_either_end(first_seq: int) -> None:
    pending = Pending(1, ack_wait_ns=WAIT_NS)
    pending.deliver_run(range(1, 9), 0)
    for seq in (1, 5, 7):
        pending.nak(seq, 0)
    for seq in (2, 7):
        pending.redeliver(seq, 0)

    assert pending.purge(first_seq) == (first_seq > 1)

    left = [seq for seq in range(1, 9) if seq >= first_seq]
    assert pending.seqs() == left
    assert [seq for seq, _, _ in entries(pending)] == left
    assert (pending.queued, pending.redelivered) == (
        len({1, 5} & set(left)),
        len({2, 7} & set(left)),
    )
    assert pending.floor.consumer_seq == (10 if not left else max(0, first_seq - 1))


def test_what_limits_take_counts_as_acknowledged_and_moves_no_position() -> None:
    pending = Pending(1, ack_wait_ns=WAIT_NS)
    pending.deliver_run(range(1, 4), 0)
    pending.give_up(1)

    pending.drop(3)

    assert (pending.delivered, pending.seqs(), pending.redelivered) == (Position(3, 3), [3], 0)
    pending.drop(9)
    assert (pending.delivered, pending.floor) == (Position(3, 3), Position(3, 3))
    pending.drop(99)
    assert pending.delivered == Position(3, 3)
