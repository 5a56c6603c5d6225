"""Reading windows back after a restart."""

from __future__ import annotations

from leafnode import limits
from tests.unit.jetstream.world import World

S = 1_000_000_000


def publish(world: World, msg_id: str) -> bytes:
    (answer,) = world.request("s.a", b"x", headers={"Nats-Msg-Id": msg_id})
    return answer.payload


def test_ids_older_than_the_window_are_not_taken_back() -> None:
    world = World()
    world.create_stream(duplicate_window=10 * S)
    publish(world, "old")
    world.clock.advance(8 * S)
    publish(world, "young")
    world.clock.advance(3 * S)

    world.restart()

    assert publish(world, "old") == b'{"stream":"S","seq":3}'
    assert publish(world, "young") == b'{"stream":"S","seq":2,"duplicate": true}'


def test_the_last_id_is_known_again() -> None:
    world = World()
    world.create_stream(duplicate_window=S)
    publish(world, "last")
    world.clock.advance(60 * S)

    world.restart()

    (answer,) = world.request("s.a", b"x", headers={"Nats-Expected-Last-Msg-Id": "last"})
    assert answer.payload == b'{"stream":"S","seq":2}'


def test_a_window_of_several_pages_is_read_to_its_end() -> None:
    world = World()
    world.create_stream()
    for number in range(limits.READ_BATCH_MSGS + 1):
        publish(world, f"id{number}")

    world.restart()

    assert b"duplicate" in publish(world, "id0")
    assert b"duplicate" in publish(world, f"id{limits.READ_BATCH_MSGS}")


def test_an_empty_stream_is_ready_at_once() -> None:
    world = World()
    world.create_stream()

    world.restart()

    assert world.ready
