"""Replay with the original gaps, and a bound on bytes. Measured on nats-server 2.15.1."""

from __future__ import annotations

from tests.unit.jetstream.world import Msg, World

MS = 1_000_000
S = 1000 * MS


def with_gaps(*gaps_ms: int) -> World:
    """A stream with a message, and one more behind each gap."""
    world = World()
    world.create_stream()
    world.publish("s.a", b"0")
    for number, gap in enumerate(gaps_ms, 1):
        world.clock.advance(gap * MS)
        world.publish("s.a", b"%d" % number)
    return world


def payloads(messages: list[Msg]) -> list[bytes]:
    return [msg.payload for msg in messages]


def test_a_replay_keeps_the_gaps_between_messages() -> None:
    world = with_gaps(300, 1000)
    world.create_consumer(replay_policy="original")

    got = world.fetch({"batch": 3, "expires": 10 * S})

    assert payloads(got) == [b"0"]
    world.clock.advance(290 * MS)
    assert payloads(got) == [b"0"]
    world.clock.advance(20 * MS)
    assert payloads(got) == [b"0", b"1"]
    world.clock.advance(990 * MS)
    assert payloads(got) == [b"0", b"1", b"2"]


def test_what_came_after_the_consumer_is_not_held_back() -> None:
    world = with_gaps(300)
    world.create_consumer(replay_policy="original")
    got = world.fetch({"batch": 9, "expires": 10 * S})
    world.clock.advance(S)

    world.publish("s.a", b"new")

    assert payloads(got) == [b"0", b"1", b"new"]


def test_a_request_ends_when_it_expires_during_a_gap() -> None:
    world = with_gaps(5000)
    world.create_consumer(replay_policy="original")

    got = world.fetch({"batch": 2, "expires": S})
    world.clock.advance(2 * S)

    assert got[-1].status == b"NATS/1.0 408 Request Timeout"
    later = world.fetch({"batch": 1, "expires": 10 * S})
    world.clock.advance(4 * S)
    assert payloads(later) == [b"1"]


def test_a_rate_lets_a_burst_through_and_then_so_many_bytes_a_second() -> None:
    world = World()
    world.create_stream(max_msg_size=1000)
    for number in range(4):
        world.publish("s.a", b"%d" % number + b"x" * 496)  # 500 bytes with their subject
    heard = world.listen("out")

    world.create_consumer(deliver_subject="out", rate_limit_bps=4000)

    assert len(heard) == 2
    world.clock.advance(900 * MS)
    assert len(heard) == 2
    world.clock.advance(200 * MS)
    assert len(heard) == 3
    world.clock.advance(S)
    assert len(heard) == 4


def test_another_rate_holds_at_once() -> None:
    world = World()
    world.create_stream(max_msg_size=500)
    for number in range(3):
        world.publish("s.a", b"%d" % number + b"x" * 496)
    heard = world.listen("out")
    world.create_consumer(deliver_subject="out", rate_limit_bps=8)
    assert len(heard) == 1

    world.create_consumer(deliver_subject="out")

    assert len(heard) == 3


def test_a_deleted_consumer_leaves_no_timer() -> None:
    world = with_gaps(60_000)
    world.create_consumer(replay_policy="original")
    idle = world.clock.pending()
    world.fetch({"batch": 2, "expires": 10 * S})
    assert world.clock.pending() > idle

    world.api("CONSUMER.DELETE.S.C")
    world.clock.advance(S)

    assert world.clock.pending() <= idle
