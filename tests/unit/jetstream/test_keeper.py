"""When a consumer's position reaches the store."""

from __future__ import annotations

from dataclasses import replace

from leafnode import limits
from leafnode.errors import StoreFailed
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
    kept["C"] = replace(kept["C"], state=before)

    world.clock.advance(limits.CONSUMER_FLUSH_NS)

    assert stored(world) != before


def test_what_was_purged_just_before_a_crash_is_not_pending_after_it() -> None:
    world = delivered()
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    assert world.api("STREAM.PURGE.S")["purged"] == 3

    world.restart()  # before the position is written that follows the purge

    info = world.info()
    assert (info["num_ack_pending"], info["ack_floor"]["stream_seq"]) == (0, 3)
