"""Readings reach the stream in order and once each, whatever the stream answers.

The answers are those of nats-server 2.15.1: {"stream":"S","seq":1}, or
{"error":{"code":503,…},"stream":"S","seq":0}.
"""

from __future__ import annotations

import asyncio
import logging
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.bridge.port_bounds import (
    READINGS_BURST_MIN,
    SERIAL_BURST_NS,
)
from leafnode.bridge.publication import Publication
from leafnode.bridge.publisher import Publisher
from leafnode.bridge.reading import Receipt
from leafnode.bridge.status import PortCounters
from leafnode.bridge.turns import PortTurns
from leafnode.clock import NS_PER_S
from leafnode.protocol import header
from tests.sim.clock import FakeClock
from tests.unit.bridge.fake_stream import TOO_LARGE, FakeStream, new_account

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.routing.subscription import Delivery

INBOX = b"_INBOX.abc"
FULL = {"code": 503, "err_code": 10077, "description": "maximum messages exceeded"}


class World:
    """A publisher, its account and its clock."""

    def __init__(self, *, stream: str = "", beside: World | None = None) -> None:
        """`beside`: another port of the same gateway."""
        self.account = new_account()
        self.clock = FakeClock() if beside is None else beside.clock
        self.turns = PortTurns(self.clock, SERIAL_BURST_NS) if beside is None else beside.turns
        self.counters = PortCounters()
        self.resolved: list[int] = []
        self.progress = 0
        self.publisher = Publisher(
            self.account,
            self.clock,
            Random(1),
            port="scale",
            inbox=INBOX,
            counters=self.counters,
            resolved=self._on_resolved,
            progressed=self._on_progress,
            stream=stream,
            turns=self.turns,
        )
        self.publisher.start()

    def is_slow(self, share: int) -> None:
        """Let so many readings use the share of a turn up."""
        self.account.subscribe(b"s.>", lambda _: self.clock.advance(SERIAL_BURST_NS // share))

    def offer(self, numbers: Iterable[int], subject: bytes = b"s.scale") -> None:
        for number in numbers:
            block = header.build([(b"Nats-Msg-Id", b"scale.x.%d" % number)])
            body = block + b"%d" % number
            self.publisher.offer(Publication(subject, len(block), body, Receipt((b"b", 7), number)))
        self.publisher.pump()

    def _on_resolved(self, receipt: Receipt | None) -> None:
        if receipt is not None:
            self.resolved.append(receipt.seq)

    def _on_progress(self) -> None:
        self.progress += 1


def numbers(stream: FakeStream) -> list[int]:
    return [int(payload) for payload in stream.payloads]


def test_a_reading_is_resolved_by_the_puback_and_not_before() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")

    world.offer([1])
    assert stream.staged == 1
    assert world.resolved == []
    stream.commit()

    assert world.resolved == [1]
    assert world.counters.stored == 1
    assert world.publisher.queued == 0


def test_all_that_is_queued_goes_out_in_one_turn() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")

    world.offer(range(1, 11))
    assert stream.staged == 10
    stream.commit()

    assert world.resolved == list(range(1, 11))


@pytest.mark.parametrize(("share", "sent"), [(40, 40), (1, READINGS_BURST_MIN)])
def test_a_burst_ends_with_the_share_of_the_turn_but_not_before_its_least(
    share: int, sent: int
) -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.is_slow(share)

    world.offer(range(1, 101))
    assert stream.staged == sent
    stream.commit()
    world.turns._used_ns = 0  # as in the next turn
    world.clock.advance(0)
    assert stream.staged == sent
    stream.commit()

    assert world.resolved == list(range(1, 2 * sent + 1))


def of_a_board(number: int, count: int) -> list[Publication]:
    """The messages of one reading that its board keeps."""
    made = []
    for field in range(count):
        block = header.build([(b"Nats-Msg-Id", b"node1.77.%d.%d" % (number, field))])
        body = block + b"%d" % (10 * number + field)
        made.append(Publication(b"s.scale", len(block), body, None, is_kept=True))
    made[-1] = made[-1]._replace(receipt=Receipt((b"b", 77), number))
    return made


def test_a_burst_does_not_end_within_a_reading_whose_board_would_say_all_of_it_again() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.is_slow(1)

    for number in range(1, 11):
        world.publisher.offer_all(of_a_board(number, 5))
    world.publisher.pump()

    assert stream.staged == 35  # the first whole reading behind READINGS_BURST_MIN


def test_what_is_tried_alone_after_a_refusal_is_a_whole_reading() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    for number in (1, 2):
        world.publisher.offer_all(of_a_board(number, 3))
    world.publisher.pump()
    stream.fail()
    world.clock.advance(NS_PER_S)

    assert stream.staged == 3
    stream.commit()
    assert world.resolved == [1]


def test_what_is_tried_alone_ends_with_its_reading_though_the_last_of_it_is_given_up() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    stream.too_large = b"12"
    for number in (1, 2):
        world.publisher.offer_all(of_a_board(number, 3))
    world.publisher.pump()
    stream.fail()
    world.clock.advance(NS_PER_S)

    assert stream.staged == 2
    stream.commit()
    assert (numbers(stream), world.resolved) == ([10, 11], [1])


async def test_another_ports_burst_waits_for_a_turn_with_time_for_it() -> None:
    one = World()
    other = World(beside=one)
    streams = [FakeStream(world.account, b"s.>") for world in (one, other)]
    one.is_slow(READINGS_BURST_MIN)

    one.offer(range(1, 101))
    other.offer([1])
    other.offer([2])
    assert [stream.staged for stream in streams] == [READINGS_BURST_MIN, 0]
    await asyncio.sleep(0)

    assert [stream.staged for stream in streams] == [READINGS_BURST_MIN, 2]


async def test_who_stops_waits_for_no_turn() -> None:
    one = World()
    other = World(beside=one)
    FakeStream(one.account, b"s.>")
    one.is_slow(READINGS_BURST_MIN)
    one.offer(range(1, 101))
    other.offer([1])
    assert one.turns._waiting

    other.publisher.stop()

    assert not one.turns._waiting


def test_it_is_settled_when_nothing_waits_that_a_stream_may_take() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    assert world.publisher.is_settled

    world.offer([1])
    assert not world.publisher.is_settled
    stream.commit()
    assert world.publisher.is_settled

    stream.refusal = FULL
    world.offer([2])
    world.clock.advance(0)
    assert not world.publisher.is_settled  # it may be for a moment only
    world.clock.advance(NS_PER_S)
    assert world.publisher.is_settled
    stream.refusal = None
    world.clock.advance(NS_PER_S)
    stream.commit()
    world.offer([3])
    assert not world.publisher.is_settled


def test_what_a_port_leaves_tells_nothing_of_what_it_does_not_leave() -> None:
    world = World()
    world.offer([1])
    told = Publication(b"s.scale", 0, b"2", None, through=b"scale.x.1")
    kept = told._replace(receipt=Receipt((b"b", 7), 1), is_kept=True)
    world.publisher.offer_all([kept, told])

    left = world.publisher.stop()

    assert left.publications[-1] == told._replace(through=b"")
    assert kept not in left.publications


def test_the_next_burst_waits_until_every_reading_of_this_one_is_answered() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.offer([1])

    world.offer([2, 3])
    world.clock.advance(NS_PER_S)
    assert stream.received == 1
    stream.commit()
    world.clock.advance(0)

    assert stream.received == 3


def test_a_burst_has_at_most_its_bound_of_readings() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")

    world.offer(range(limits.READINGS_BURST_MAX + 1))

    assert stream.staged == limits.READINGS_BURST_MAX


def test_a_burst_has_at_most_its_bound_of_bytes() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    body = bytes(limits.READINGS_BURST_BYTES // 2)
    block = header.build([(b"Nats-Msg-Id", b"a")])

    for seq in range(3):
        publication = Publication(b"s.a", len(block), block + body, Receipt((b"b", 7), seq))
        world.publisher.offer(publication)
    world.publisher.pump()

    assert stream.staged == 1


def test_a_duplicate_counts_as_stored() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.offer([1])
    stream.commit_unheard()

    world.clock.advance(limits.READING_ACK_TIMEOUT_NS + limits.READING_RETRY_NS)
    stream.commit()

    assert world.resolved == [1]
    assert stream.ids == [b"scale.x.1"]
    assert world.counters.duplicates == 1
    assert world.counters.retried == 1


def test_without_a_stream_readings_wait_and_are_tried_again_with_backoff() -> None:
    world = World()
    world.offer([1, 2])
    assert world.publisher.last_error == "no stream captures s.scale"

    world.clock.advance(3 * limits.READING_RETRY_NS)
    assert world.counters.retried == 2
    stream = FakeStream(world.account, b"s.>")
    world.clock.advance(limits.READING_RETRY_MAX_NS)
    stream.commit()
    world.clock.advance(0)
    stream.commit()

    assert world.resolved == [1, 2]
    assert numbers(stream) == [1, 2]
    assert world.publisher.last_error == ""


def test_the_backoff_grows_to_its_maximum() -> None:
    world = World()
    world.offer([1])

    world.clock.advance(60 * NS_PER_S)
    before = world.counters.retried
    world.clock.advance(10 * limits.READING_RETRY_MAX_NS)

    assert world.counters.retried == before + 10


def test_later_readings_wait_behind_a_refused_one() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    stream.refusal = {"code": 503, "err_code": 10077, "description": "maximum messages exceeded"}

    world.offer([1, 2, 3])
    assert stream.received == 1
    assert world.publisher.last_error == "maximum messages exceeded (10077)"
    stream.refusal = None
    stream.commits_at_once = True
    world.clock.advance(NS_PER_S)

    assert numbers(stream) == [1, 2, 3]
    assert world.resolved == [1, 2, 3]


def test_after_a_failed_commit_the_order_is_kept() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.offer([1, 2, 3])

    stream.fail()
    world.clock.advance(limits.READING_RETRY_NS)
    assert stream.staged == 1
    stream.commit()
    world.clock.advance(0)
    assert stream.staged == 2
    stream.commit()

    assert numbers(stream) == [1, 2, 3]
    assert world.resolved == [1, 2, 3]


def test_a_late_puback_ends_the_pause() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.offer([1, 2])

    world.clock.advance(limits.READING_ACK_TIMEOUT_NS)
    assert world.publisher.last_error == "no answer from a stream: away, slow, or set to no_ack"
    stream.commit()

    assert world.resolved == [1, 2]
    assert world.publisher.last_error == ""


def test_a_late_refusal_changes_nothing() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.offer([1])
    world.clock.advance(limits.READING_ACK_TIMEOUT_NS)
    refused = world.counters.refused

    stream.fail()

    assert world.counters.refused == refused
    assert world.publisher.queued == 1


def test_an_answer_of_somebody_else_is_passed_over() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")

    def reply_to_all(delivery: Delivery) -> None:
        for reply, _, _ in delivery.messages:
            world.account.publish(reply, b"pong")
            world.account.publish(reply, b"[" * 5000)
            world.account.publish(reply, b"{}")

    world.account.subscribe(b"s.*", reply_to_all)

    world.offer([1])
    assert world.resolved == []
    assert world.counters.refused == 0
    stream.commit()

    assert world.resolved == [1]


def test_a_status_answer_is_a_refusal() -> None:
    world = World()
    block = b"NATS/1.0 429 Too Many Requests\r\n\r\n"

    def refuse(delivery: Delivery) -> None:
        for reply, _, _ in delivery.messages:
            world.account.publish(reply, block, header_size=len(block))

    world.account.subscribe(b"s.>", refuse)

    world.offer([1])

    assert world.publisher.last_error == "status 429 Too Many Requests"
    assert world.publisher.queued == 1


def test_only_the_named_stream_counts() -> None:
    world = World(stream="LOCAL")
    other = FakeStream(world.account, b"s.>", name="HUB")
    local = FakeStream(world.account, b"s.*", name="LOCAL")
    world.offer([1])

    other.commit()
    assert world.resolved == []
    local.commit()

    assert world.resolved == [1]


def test_a_message_that_no_attempt_could_store_is_given_up_and_the_next_go_on() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    stream.refusal = TOO_LARGE
    world.offer([1])
    stream.refusal = None
    world.offer([2])
    world.clock.advance(0)
    stream.commit()

    assert world.resolved == [1, 2]
    assert numbers(stream) == [2]
    assert world.counters.poison == 1
    assert world.counters.refused == 0


def test_a_given_up_reading_is_resolved_behind_the_ones_before_it() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.offer([1])

    world.publisher.give_up(Receipt((b"b", 7), 2), "is not UTF-8")
    assert world.resolved == []
    stream.commit()

    assert world.resolved == [1, 2]
    assert world.counters.poison == 1
    assert stream.received == 1


def test_a_given_up_reading_does_not_cut_a_pause_short() -> None:
    world = World()
    world.offer([1])
    retried = world.counters.retried

    world.publisher.give_up(Receipt((b"b", 7), 2), "is not UTF-8")
    world.clock.advance(0)

    assert world.counters.retried == retried


def test_a_pause_after_a_burst_of_which_some_was_stored_is_not_cut_short_either() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.offer([1])
    world.offer([2, 3])
    stream.commit()
    world.clock.advance(0)
    stream.commit_first()
    stream.fail()
    retried = world.counters.retried

    world.publisher.give_up(Receipt((b"b", 7), 4), "is not UTF-8")
    world.clock.advance(0)
    assert world.counters.retried == retried
    world.clock.advance(limits.READING_RETRY_NS)

    assert world.counters.retried == retried + 1


def test_a_given_up_reading_without_a_device_that_waits_takes_no_room() -> None:
    world = World()

    world.publisher.give_up(None, "is not UTF-8")

    assert world.publisher.queued == 0
    assert world.counters.poison == 1


def gathered(boot: int, *, through: bytes = b"") -> Publication:
    """A message of readings that the board of this boot says again under other ids."""
    life = b"b", boot
    block = header.build([(b"Nats-Msg-Id", b"b.%d.1" % boot)])
    return Publication(b"s.b", len(block), block + b"1", Receipt(life, 1), True, through, life)


def test_what_a_board_says_again_changes_nothing_of_what_others_said() -> None:
    """Thousands of messages wait on all ports together, and a hello is one turn of the loop."""
    publisher = World().publisher
    of_others = gathered(8, through=b"c.9.5")
    told = Publication(b"s.b", 0, b"2", None, through=b"b.7.1")
    for publication in (of_others, gathered(7), told, gathered(8)):
        publisher.offer(publication)

    publisher.drop((b"b", 7))

    rest = publisher.stop()
    assert rest.kept[0] is of_others
    assert rest.kept[1:] == (gathered(8),)
    assert rest.publications == [told._replace(through=b"")]


@pytest.mark.parametrize("is_stored", [True, False])
def test_what_was_on_its_way_when_its_board_said_it_again_tells_whether_it_is_stored(
    is_stored: bool,
) -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.publisher.offer(gathered(7))
    world.publisher.pump()
    world.publisher.offer(gathered(7)._replace(receipt=Receipt((b"b", 7), 2)))

    world.publisher.drop((b"b", 7))
    (stream.commit if is_stored else stream.fail)()

    assert world.resolved == ([1] if is_stored else [])
    assert (stream.received, world.publisher.queued) == (1, 0)


def test_the_queue_has_room_up_to_its_bound_and_none_beyond() -> None:
    world = World()
    world.offer(range(limits.READINGS_UNCOMMITTED_MAX - 1))
    assert world.publisher.has_room

    world.offer([9999])
    assert not world.publisher.has_room

    with pytest.raises(AssertionError):
        world.offer([10000])


def test_the_queue_is_bounded_in_bytes_too() -> None:
    world = World()
    half = bytes(limits.READINGS_UNCOMMITTED_BYTES // 2)

    world.publisher.offer(Publication(b"s.a", 0, half, None))
    assert world.publisher.has_room
    world.publisher.offer(Publication(b"s.a", 0, half, None))

    assert not world.publisher.has_room


def test_refusals_and_recovery_are_one_log_line_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    world.offer([1])
    world.clock.advance(600 * NS_PER_S)

    stream = FakeStream(world.account, b"s.>")
    stream.commits_at_once = True
    world.clock.advance(limits.READING_RETRY_MAX_NS)

    assert [record.getMessage() for record in caplog.records] == [
        "Readings cannot be stored: port=scale reason=no stream captures s.scale queued=1",
        "Readings are stored again: port=scale queued=0",
    ]


def test_dropped_readings_are_logged_once_per_interval_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()

    for _ in range(100):
        world.publisher.give_up(None, "is not UTF-8")
    world.clock.advance(limits.BRIDGE_LOG_INTERVAL_NS)
    world.publisher.give_up(None, "is not UTF-8")

    assert [record.getMessage() for record in caplog.records] == [
        "Reading dropped: port=scale reason=is not UTF-8 times=1",
        "Reading dropped: port=scale reason=is not UTF-8 times=100",
    ]


def test_stop_leaves_no_timer_and_no_subscription() -> None:
    world = World()
    FakeStream(world.account, b"s.>").silent = True
    world.offer([1])

    world.publisher.stop()

    assert world.clock.pending() == 0
    assert (INBOX + b".*", b"") not in world.account.local_interest


ACTIONS = (
    "offer",
    "commit",
    "unheard",
    "fail",
    "refuse",
    "accept",
    "silent",
    "gone",
    "back",
    "wait",
)


@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(1, 40)), max_size=60))
def test_whatever_the_stream_does_each_reading_is_stored_once_and_in_order(
    actions: list[tuple[str, int]],
) -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    offered = 0
    for action, amount in actions:
        if action == "offer":
            world.offer(range(offered + 1, offered + amount + 1))
            offered += amount
        elif action == "commit":
            stream.commit()
        elif action == "unheard":
            stream.commit_unheard()
        elif action == "fail":
            stream.fail()
        elif action in {"refuse", "accept"}:
            stream.refusal = {"description": "no"} if action == "refuse" else None
        elif action == "silent":
            stream.silent = not stream.silent
        elif action == "gone":
            stream.close()
        elif action == "back":
            stream.reopen()
        else:
            world.clock.advance(amount * NS_PER_S)
        assert world.resolved == list(range(1, len(world.resolved) + 1))
        assert set(world.resolved) <= set(numbers(stream))

    stream.reopen()
    stream.refusal, stream.silent, stream.commits_at_once = None, False, True
    stream.commit()
    world.clock.advance(60 * NS_PER_S)

    assert numbers(stream) == list(range(1, offered + 1))
    assert world.resolved == list(range(1, offered + 1))
    assert world.clock.pending() == 0
    assert world.publisher.queued_bytes == 0
