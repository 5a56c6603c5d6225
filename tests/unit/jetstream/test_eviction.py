"""What limits take while a consumer has it out is not pending any more, as on nats-server.

What each limit does to floors was measured there: tests/interop/test_consumer_differential.py.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreBusy, StoreFull
from leafnode.jetstream.pending import Pending
from tests.unit.jetstream.world import World

REASON = "Unacknowledged message was deleted"


def out_of(world: World, policy: str = "explicit", **limits_of_it: Any) -> None:
    """Six messages on three subjects, of which the consumer has four out."""
    world.create_stream(**limits_of_it)
    ages = [None, {"Nats-TTL": "3s"} if limits_of_it.get("allow_msg_ttl") else None]
    for number in range(6):
        world.publish(f"s.{number % 3}", headers=ages[number in {1, 2}])
    world.create_consumer(ack_policy=policy, ack_wait=3600 * NS_PER_S)
    assert len(world.fetch({"batch": 4, "no_wait": True})) == 4


def numbers(world: World) -> tuple[int, int, int, int]:
    """Return the floor's sequences, what is out, and what waits."""
    info = world.info()
    floor = info["ack_floor"]
    return (
        floor["consumer_seq"],
        floor["stream_seq"],
        info["num_ack_pending"],
        info["num_pending"],
    )


def push_out(world: World, limit: str) -> None:
    match limit:
        case "max_msgs":
            world.publish("s.3")
            world.publish("s.3")
        case "max_msgs_per_subject":
            world.publish("s.1")
        case "max_age":
            world.clock.advance(9 * NS_PER_S)
        case "ttl":
            world.clock.advance(4 * NS_PER_S)
    world.settle()


LIMITS: dict[str, dict[str, Any]] = {
    "max_msgs": {"max_msgs": 6},
    "max_msgs_per_subject": {"max_msgs_per_subject": 2},
    "max_age": {"max_age": 8 * NS_PER_S},
    "ttl": {"allow_msg_ttl": True},
}


@pytest.mark.parametrize("storage", ["file", "memory"])
@pytest.mark.parametrize(
    ("limit", "policy", "expected", "told"),
    [
        ("max_msgs", "explicit", (2, 2, 2, 4), [1, 2]),
        ("max_msgs", "all", (2, 2, 2, 4), [1, 2]),
        ("max_msgs_per_subject", "explicit", (0, 0, 3, 3), [2]),
        ("max_msgs_per_subject", "all", (2, 2, 2, 3), [2]),
        ("max_age", "explicit", (4, 4, 0, 0), [1, 2, 3, 4]),
        ("max_age", "all", (4, 4, 0, 0), [1, 2, 3, 4]),
        ("ttl", "explicit", (0, 0, 2, 2), [2, 3]),
        ("ttl", "all", (3, 3, 1, 2), [2, 3]),
    ],
)
def test_what_a_limit_takes_is_not_pending_any_more(
    storage: str, limit: str, policy: str, expected: tuple[int, ...], told: list[int]
) -> None:
    world = World()
    out_of(world, policy, storage=storage, **LIMITS[limit])
    heard = world.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.C")

    push_out(world, limit)

    assert numbers(world) == expected
    events = [json.loads(one.payload) for one in heard]
    assert [(one["stream_seq"], one["reason"]) for one in events] == [(seq, REASON) for seq in told]


def test_what_comes_next_needs_no_ack_where_the_consumer_was_full() -> None:
    world = World()
    world.create_stream(max_msgs=2)
    world.publish("s.0")
    world.create_consumer(max_ack_pending=1, ack_wait=3600 * NS_PER_S)
    got = world.fetch({"batch": 2, "expires": 60 * NS_PER_S})
    assert [one.subject for one in got] == [b"s.0"]

    for number in (1, 2):
        world.publish(f"s.{number}")
    world.settle()

    assert [one.subject for one in got] == [b"s.0", b"s.1"]


def test_what_comes_next_needs_no_ack_either_where_what_was_out_grew_too_old() -> None:
    world = World()
    world.create_stream(max_age=10 * NS_PER_S)
    world.publish("s.0")
    world.create_consumer(max_ack_pending=1, ack_wait=3600 * NS_PER_S)
    got = world.fetch({"batch": 2, "expires": 60 * NS_PER_S})
    world.clock.advance(5 * NS_PER_S)
    world.publish("s.1")
    assert [one.subject for one in got] == [b"s.0"]

    world.clock.advance(6 * NS_PER_S)

    assert [one.subject for one in got] == [b"s.0", b"s.1"]


def test_it_stays_pending_until_the_removal_is_on_disk() -> None:
    world = World()
    out_of(world, max_msgs=6)
    world.store.hold()
    world.publish("s.3")
    assert numbers(world)[2] == 4

    world.store.commit()
    world.settle()

    assert numbers(world)[2] == 3


def test_a_removal_that_failed_leaves_it_pending() -> None:
    world = World()
    out_of(world, max_msgs_per_subject=2)
    world.store.hold()
    world.publish("s.1")

    world.store.fail(StoreFull("no room"))
    world.settle()

    assert numbers(world)[2] == 4


@pytest.mark.parametrize(
    "limit", [{"max_msgs": 1000}, {"max_msgs_per_subject": 1}], ids=["front", "subjects"]
)
def test_very_many_are_told_of_in_slices(
    monkeypatch: pytest.MonkeyPatch, limit: dict[str, int]
) -> None:
    world = World()
    world.create_stream()
    for number in range(2000):
        world.publish(f"s.{number % 1000}")
    world.create_consumer(max_ack_pending=2000, ack_wait=3600 * NS_PER_S)
    assert len(world.fetch({"batch": 2000, "expires": NS_PER_S})) == limits.DELIVER_TURN_MSGS
    world.settle()
    consumer = world.js.streams["S"].consumers["C"]
    assert len(consumer.pending) == 2000
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 100)

    world.request(
        "$JS.API.STREAM.UPDATE.S", json.dumps({"name": "S", "subjects": ["s.>"], **limit}).encode()
    )
    seen = [len(consumer.pending)]
    while seen[-1] > 1000:
        world.clock.turn()
        seen.append(len(consumer.pending))

    assert seen[-1] == 1000
    assert max(before - after for before, after in pairwise(seen)) <= 100


def test_many_that_go_at_once_are_held_against_all_that_a_consumer_has_in_one_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.create_stream(allow_msg_ttl=True)
    for _ in range(20):
        world.publish("s.0", headers={"Nats-TTL": "9s"})
    names = ["many", "few", "given", "one"]
    batches = [20, 3, 2, 1]
    for name, batch in zip(names, batches, strict=True):
        given = {"max_deliver": 1, "ack_wait": NS_PER_S} if name == "given" else {}
        world.create_consumer(name=name, **{"ack_wait": 60 * NS_PER_S, **given})
        assert len(world.fetch({"batch": batch, "no_wait": True}, "S", name)) == batch
    world.clock.advance(2 * NS_PER_S)
    consumers = [world.js.streams["S"].consumers[name].pending for name in names]
    assert [len(one) for one in consumers] == [20, 3, 0, 1]
    asked: list[int] = []
    monkeypatch.setattr(
        Pending, "__contains__", lambda one, seq: asked.append(seq) or _has(one, seq)
    )

    world.clock.advance(9 * NS_PER_S)

    assert [len(one) for one in consumers] == [0, 0, 0, 0]
    assert not consumers[2].given_up
    assert len(asked) <= 20 * len(names)  # where each is told of, not before


def _has(pending: Pending, seq: int) -> bool:
    return seq in pending._entries


def test_what_was_given_up_is_forgotten() -> None:
    world = World()
    world.create_stream(max_msgs=2)
    world.publish("s.0")
    world.create_consumer(max_deliver=1, ack_wait=NS_PER_S)
    world.fetch({"batch": 1, "no_wait": True})
    world.clock.advance(2 * NS_PER_S)
    pending = world.js.streams["S"].consumers["C"].pending
    assert list(pending.given_up) == [1]

    for number in (1, 2):
        world.publish(f"s.{number}")
    world.settle()

    assert not pending.given_up


@pytest.mark.parametrize(("policy", "floor"), [("explicit", 2), ("all", 2)])
def test_what_a_message_rolls_up_is_not_pending_any_more(policy: str, floor: int) -> None:
    world = World()
    out_of(world, policy, allow_rollup_hdrs=True)
    heard = world.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.C")

    world.publish("s.1", headers={"Nats-Rollup": "sub"})  # 2, which is out, and 5
    world.settle()

    assert (numbers(world)[0], numbers(world)[2:]) == (floor, (3, 2))
    assert heard == []


def test_what_else_an_acknowledgement_means_may_be_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.create_stream(retention="interest", max_msgs_per_subject=1)
    world.create_consumer(ack_policy="all", ack_wait=3600 * NS_PER_S)
    for number in range(3):
        world.publish(f"s.{number}")
    world.fetch({"batch": 3, "no_wait": True})
    stream = world.js.streams["S"]
    monkeypatch.setattr(stream, "acknowledged", _refuse)

    world.publish("s.1")
    world.settle()

    assert (numbers(world)[2], stream.consumers["C"].trouble.count) == (3, 1)


def _refuse(*_: object) -> None:
    raise StoreBusy("not now")


@pytest.mark.parametrize(
    ("policy", "subjects", "out", "rolled", "floor", "delivered", "left"),
    [  # as on nats-server 2.15.1
        ("explicit", "bab", 3, "a", (2, 0), (3, 3), (2, 1)),
        ("all", "bab", 3, "a", (2, 2), (3, 3), (2, 1)),
        ("explicit", "bb", 1, "b", (1, 2), (1, 2), (0, 1)),
        ("all", "bb", 1, "b", (1, 2), (1, 2), (0, 1)),
        ("explicit", "bba", 3, "b", (2, 2), (3, 3), (1, 1)),
        ("all", "bba", 3, "b", (2, 2), (3, 3), (1, 1)),
        ("explicit", "abba", 2, "b", (2, 0), (2, 2), (1, 2)),
        ("explicit", "abba", 4, "b", (3, 0), (4, 4), (2, 1)),
        ("all", "abba", 4, "b", (3, 3), (4, 4), (2, 1)),
        ("explicit", "ab", 2, "c", (0, 0), (2, 2), (2, 1)),
        ("all", "aab", 1, "a", (1, 2), (1, 2), (0, 2)),
        ("none", "aab", 1, "a", (1, 2), (1, 2), (0, 2)),
    ],
)
def test_consumers_are_behind_a_roll_up_where_a_purge_would_have_them(
    policy: str,
    subjects: str,
    out: int,
    rolled: str,
    floor: tuple[int, int],
    delivered: tuple[int, int],
    left: tuple[int, int],
) -> None:
    world = World()
    world.create_stream(allow_rollup_hdrs=True)
    for subject in subjects:
        world.publish(f"s.{subject}")
    world.create_consumer(ack_policy=policy, ack_wait=3600 * NS_PER_S)
    world.fetch({"batch": out, "no_wait": True})

    world.publish(f"s.{rolled}", headers={"Nats-Rollup": "sub"})
    world.settle()

    info = world.info()
    shown = tuple((one["consumer_seq"], one["stream_seq"]) for one in
                  (info["ack_floor"], info["delivered"]))  # fmt: skip
    assert shown == (floor, delivered)
    assert (info["num_ack_pending"], info["num_pending"]) == left


def test_what_an_ack_all_seems_to_have_acknowledged_behind_a_roll_up_comes_again() -> None:
    world = World()
    world.create_stream(allow_rollup_hdrs=True)
    for subject in "bab":
        world.publish(f"s.{subject}")
    world.create_consumer(ack_policy="all", ack_wait=2 * NS_PER_S)
    world.fetch({"batch": 3, "no_wait": True})
    world.publish("s.a", headers={"Nats-Rollup": "sub"})
    world.settle()
    world.clock.advance(2 * NS_PER_S)

    first, *_ = world.fetch({"batch": 1, "expires": NS_PER_S})
    assert (first.subject, numbers(world)) == (b"s.b", (2, 2, 2, 1))
    world.publish(first.reply.decode(), b"+ACK")

    assert numbers(world) == (2, 2, 1, 1)  # as on nats-server 2.15.1
