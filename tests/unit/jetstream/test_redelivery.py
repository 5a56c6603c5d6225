"""Redelivery and giving up. Measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.jetstream.pending import Pending
from tests.unit.jetstream.world import World

S = 1_000_000_000
ADVISORY = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C"


def world_with(count: int, *, retention: str = "limits", **consumer: Any) -> World:
    world = World()
    world.create_stream(retention=retention)
    for number in range(count):
        world.publish("s.a", b"m%d" % number)
    world.create_consumer(ack_wait=S, **consumer)
    return world


def told(world: World) -> list[tuple[int, int]]:
    """Return the list that (sequence, deliveries) of each advisory will be put into."""
    heard: list[tuple[int, int]] = []

    def on_run(run: Any) -> None:
        for _, size, body in run.messages:
            event = json.loads(body[size:])
            heard.append((event["stream_seq"], event["deliveries"]))

    world.account.subscribe(ADVISORY.encode(), on_run)
    return heard


def test_the_only_attempt_is_given_up_when_its_wait_ends_though_nobody_asks() -> None:
    world = world_with(2, max_deliver=1)
    heard = told(world)
    world.fetch({"batch": 2, "no_wait": True})

    world.clock.advance(S)

    assert heard == [(1, 1), (2, 1)]
    assert world.info()["num_ack_pending"] == 0
    assert world.info()["ack_floor"]["stream_seq"] == 0


def test_the_last_of_several_attempts_is_given_up_when_somebody_asks() -> None:
    world = world_with(1, max_deliver=2)
    heard = told(world)
    for _ in range(2):
        world.fetch({"batch": 1, "no_wait": True})
        world.clock.advance(S)
    assert heard == []

    world.fetch({"batch": 1, "no_wait": True})

    assert heard == [(1, 2)]
    assert (world.info()["num_ack_pending"], world.info()["num_redelivered"]) == (0, 1)
    world.restart()
    assert world.info()["num_redelivered"] == 1


def test_what_is_delivered_anew_is_not_given_up_with_what_was_out_before() -> None:
    count = limits.DELIVER_TURN_MSGS // limits.GIVE_UP_COST + 10
    world = world_with(count, max_deliver=1)
    world.fetch({"batch": count, "no_wait": True})
    heard, again = told(world), world.listen("again")

    def start_over() -> None:
        world.request("$JS.API.CONSUMER.RESET.S.C", b'{"seq":1}')
        world.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b'{"batch":%d}' % count, reply="again")

    world.clock.call_later(S, start_over)  # behind the first slice of what is given up
    world.clock.advance(S)

    assert (len(heard), len(again)) == (count - 10, count)
    assert world.info()["num_ack_pending"] == count


def test_many_that_come_again_are_read_together() -> None:
    world = world_with(100)
    world.fetch({"batch": 100, "no_wait": True})
    world.clock.advance(S)
    world.store.slow_reads = True

    again = world.fetch({"batch": 100, "expires": S})
    asked = len(world.store.answers)
    world.store.answer_reads()

    assert asked == limits.GETS_IN_FLIGHT
    assert [msg.payload for msg in again] == [b"m%d" % number for number in range(100)]


def test_where_many_are_out_waits_that_end_one_after_the_other_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_with(1000)
    for _ in range(10):
        world.fetch({"batch": 100, "no_wait": True})
        world.clock.advance(10_000)
    looked = []
    expire = Pending.expire
    monkeypatch.setattr(Pending, "expire", lambda *args: looked.append(1) or expire(*args))

    world.clock.advance(S + limits.EXPIRE_GAP_NS * 1000)

    assert len(looked) <= 2
    assert world.js.streams["S"].consumers["C"].pending.queued == 1000


def test_a_bound_that_was_lowered_tells_nothing() -> None:
    world = world_with(1, max_deliver=5)
    heard = told(world)
    for _ in range(3):
        world.fetch({"batch": 1, "no_wait": True})
        world.clock.advance(S)
    world.create_consumer(ack_wait=S, max_deliver=2)

    world.fetch({"batch": 1, "no_wait": True})

    assert heard == []
    assert world.info()["num_ack_pending"] == 0


def test_a_late_acknowledgement_takes_what_was_given_up_out_of_a_work_queue() -> None:
    world = world_with(2, retention="workqueue", max_deliver=1)
    first, second = world.fetch({"batch": 2, "expires": S // 2})
    world.clock.advance(2 * S)

    world.publish(first.reply.decode(), b"+ACK")
    world.publish(second.reply.decode(), b"+TERM")

    assert world.api("STREAM.INFO.S")["state"]["messages"] == 0
    assert not world.js.streams["S"].consumers["C"].pending.given_up


def test_what_was_given_up_is_kept_for_whoever_looks_though_others_are_done_with_it() -> None:
    world = world_with(0, retention="interest", max_deliver=1)
    world.create_consumer(name="D")
    world.publish("s.a", b"m")
    world.fetch({"batch": 1, "expires": S // 2})
    world.clock.advance(2 * S)
    (message,) = world.fetch({"batch": 1, "expires": S}, name="D")

    world.publish(message.reply.decode(), b"+ACK")

    assert world.api("STREAM.INFO.S")["state"]["messages"] == 1


@pytest.mark.parametrize("max_deliver", [1, 2])
def test_many_are_given_up_in_several_turns(
    max_deliver: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two in a turn of eight: each counts for four, as it has an advisory."""
    often = world_with(10, max_deliver=max_deliver)
    heard = often.fetch({"batch": 10 * max_deliver + 1, "expires": 10 * S})
    often.clock.advance((max_deliver - 1) * (S + 1))
    assert len(heard) == 10 * max_deliver
    monkeypatch.setattr(limits, "DELIVER_TURN_MSGS", 8)
    told = often.listen(ADVISORY)
    seen: list[int] = []
    call_later = often.clock.call_later
    monkeypatch.setattr(
        often.clock,
        "call_later",
        lambda delay_ns, callback: (seen.append(len(told)), call_later(delay_ns, callback))[1],
    )

    often.clock.advance(2 * S)

    assert {2, 4, 6, 8} <= set(seen)
    assert len(told) == 10
