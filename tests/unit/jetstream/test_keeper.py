"""When a consumer's position reaches the store."""

from __future__ import annotations

from leafnode import limits
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
