"""When a consumer's position reaches the store."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.errors import StoreFailed
from leafnode.jetstream import consumer_state
from tests.unit.jetstream.world import World


def delivered() -> World:
    world = World()
    world.create_stream()
    for _ in range(3):
        world.publish("s.a", b"x")
    world.create_consumer()
    world.messages = world.fetch({"batch": 3, "expires": 10**9})  # type: ignore[attr-defined]
    return world


def stored(world: World) -> bytes:
    return world.store.kept["$G", "S"]["C"].state


def test_a_position_is_written_within_the_flush_time_and_once() -> None:
    world = delivered()
    before = stored(world)
    assert stored(world) == before

    world.clock.advance(limits.CONSUMER_FLUSH_NS)

    assert stored(world) != before
    assert world.clock.pending() == 1  # only the ack wait is left


def test_a_position_may_be_written_before_its_time_where_there_is_something_to_write() -> None:
    world = delivered()
    before = stored(world)
    keeper = world.js.streams["S"].consumers["C"].keeper

    keeper.catch_up()
    kept = stored(world)
    world.store.error = StoreFailed("nothing is staged for it any more")
    keeper.catch_up()

    assert kept != before


def test_a_confirmed_ack_is_stored_before_its_answer() -> None:
    world = delivered()
    world.store.hold()
    before = stored(world)

    reply = world.messages[0].reply.decode()  # type: ignore[attr-defined]
    answers = world.request(reply, b"+ACK")

    assert answers == []
    assert stored(world) != before


def test_as_many_answers_as_allowed_wait_and_one_more_is_dropped_and_counted() -> None:
    world = delivered()
    world.store.hold()
    keeper = world.js.streams["S"].consumers["C"].keeper

    for number in range(limits.CONFIRMATIONS_MAX + 2):  # the first one starts the commit
        keeper.confirm(b"r%d" % number)

    assert keeper.unconfirmed == 1


def test_a_plain_ack_is_on_disk_one_flush_time_later_and_not_two() -> None:
    world = delivered()
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    world.store.hold()

    world.publish(world.messages[0].reply.decode(), b"+ACK")  # type: ignore[attr-defined]
    assert world.store.staged == 0
    world.clock.advance(limits.CONSUMER_FLUSH_NS)

    assert world.store.staged == 1  # in a batch, not in another list that waits


def test_a_position_whose_commit_fails_is_staged_again() -> None:
    world = delivered()
    world.store.hold()
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    world.store.fail(StoreFailed("fsync failed"))
    assert world.store.staged == 0

    world.clock.advance(limits.CONSUMER_FLUSH_NS)

    assert world.store.staged == 1


def test_a_position_that_the_store_refuses_is_offered_again_until_it_takes_it() -> None:
    world = delivered()
    world.store.error = StoreFailed("fsync failed")
    before = stored(world)
    world.clock.advance(4 * limits.CONSUMER_FLUSH_NS)
    world.store.error = None
    kept = world.store.kept["$G", "S"]
    kept["C"] = replace(kept["C"], made=before)

    world.clock.advance(limits.CONSUMER_FLUSH_NS)

    assert stored(world) != before


def test_what_was_purged_just_before_a_crash_is_not_pending_after_it() -> None:
    world = delivered()
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    assert world.api("STREAM.PURGE.S")["purged"] == 3

    world.restart()  # before the position is written that follows the purge

    info = world.info()
    assert (info["num_ack_pending"], info["ack_floor"]["stream_seq"]) == (0, 3)


HOUR_NS = 3600 * NS_PER_S


def come_again(world: World, *, within_ns: int) -> int:
    """Return how many messages are delivered once more within that time."""
    come = world.fetch({"batch": 9, "expires": within_ns})
    world.clock.advance(within_ns)
    return sum(message.payload == b"x" for message in come)


def waiting(*, ack_wait_ns: int = 2 * NS_PER_S) -> World:
    """Return one with three messages delivered, whose position was written a while later."""
    world = World()
    world.create_stream()
    for _ in range(3):
        world.publish("s.a", b"x")
    world.create_consumer(ack_wait=ack_wait_ns)
    world.messages = world.fetch({"batch": 3, "expires": NS_PER_S})  # type: ignore[attr-defined]
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    return world


@pytest.mark.parametrize("behind_ns", [0, 60 * NS_PER_S, HOUR_NS, 30 * 365 * 24 * HOUR_NS])
def test_no_ack_wait_is_longer_for_a_wall_clock_that_is_behind_at_the_next_start(
    behind_ns: int,
) -> None:
    world = waiting()

    world.restart(behind_ns=behind_ns)

    assert come_again(world, within_ns=2 * NS_PER_S - limits.CONSUMER_FLUSH_NS + NS_PER_MS) == 3


def test_an_ack_wait_is_as_long_as_it_was_when_the_clock_is_right() -> None:
    world = waiting(ack_wait_ns=90 * NS_PER_S)
    world.clock.advance(50 * NS_PER_S)

    world.restart()

    assert come_again(world, within_ns=39 * NS_PER_S) == 0
    assert come_again(world, within_ns=NS_PER_S) == 3


def test_what_was_refused_for_a_while_comes_again_after_that_whatever_the_clock_says() -> None:
    world = waiting(ack_wait_ns=9 * HOUR_NS)
    reply = world.messages[0].reply.decode()  # type: ignore[attr-defined]
    world.publish(reply, b'-NAK {"delay":%d}' % (2 * HOUR_NS))
    world.clock.advance(limits.CONSUMER_FLUSH_NS)

    world.restart(behind_ns=HOUR_NS)

    assert come_again(world, within_ns=2 * HOUR_NS - NS_PER_S) == 0
    assert come_again(world, within_ns=NS_PER_S) == 1


def test_a_position_of_a_former_version_waits_for_an_ack_wait_at_most() -> None:
    world = waiting()
    kept = world.store.kept["$G", "S"]
    parts = msgspec.msgpack.decode(kept["C"].state)
    kept["C"] = replace(kept["C"], made=msgspec.msgpack.encode([1, *parts[1:-1]]))

    world.restart(behind_ns=HOUR_NS)

    assert come_again(world, within_ns=2 * NS_PER_S + NS_PER_MS) == 3


def test_a_position_of_many_messages_is_not_encoded_by_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "POSITION_ENCODED_MAX", 2)
    world = delivered()
    first = world.messages[0].reply.decode()  # type: ignore[attr-defined]
    keeper = world.js.streams["S"].consumers["C"].keeper

    many = keeper.position()
    world.publish(first, b"+ACK")

    assert isinstance(keeper.position(), bytes)  # two are left
    assert not isinstance(many, bytes)
    state = consumer_state.decode(many())
    assert [seq for seq, _, _ in state.entries] == [1, 2, 3]  # as it was when it was asked for
