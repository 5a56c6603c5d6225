"""Interest retention, measured on nats-server 2.15.1: what is kept, and when it goes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from leafnode import limits
from leafnode.errors import StoreBusy, StoreFailed
from leafnode.jetstream import judge
from leafnode.jetstream.interest import is_wanted
from tests.unit.jetstream.world import Msg, World

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from leafnode.jetstream.stream import Stream
    from tests.sim.clock import FakeTimer


def world(**consumers: dict[str, Any]) -> World:
    made = World()
    made.create_stream(retention="interest")
    for name, config in consumers.items():
        made.create_consumer(name=name, **config)
    return made


def take(world: World, name: str, count: int = 1) -> list[Msg]:
    return world.fetch({"batch": count, "no_wait": True}, name=name)[:count]


def ack(world: World, message: Msg, payload: bytes = b"+ACK") -> None:
    world.publish(message.reply.decode(), payload)


def kept(world: World) -> int:
    count: int = world.state()["messages"]
    return count


def settle(world: World) -> None:
    for _ in range(8):
        world.clock.advance(0)


def test_what_nobody_wants_has_a_sequence_and_is_not_kept() -> None:
    alone = world()

    (answer,) = alone.request("s.a", b"x", headers={"Nats-Msg-Id": "1"})
    (again,) = alone.request("s.a", b"x", headers={"Nats-Msg-Id": "1"})

    assert answer.payload == b'{"stream":"S","seq":1}'
    assert b'"duplicate": true' in again.payload
    state = alone.state()
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (0, 2, 1)


def test_a_message_goes_when_the_last_consumer_has_acknowledged_it() -> None:
    two = world(C={}, D={})
    two.publish("s.a", b"x")

    ack(two, take(two, "C")[0])
    assert kept(two) == 1
    ack(two, take(two, "D")[0])

    assert kept(two) == 0


def test_a_filter_is_no_interest_in_other_subjects() -> None:
    filtered = world(C={"filter_subject": "s.a"}, D={"filter_subjects": ["s.b", "s.c"]})
    filtered.publish("s.z", b"x")
    filtered.publish("s.a", b"x")
    assert kept(filtered) == 1

    ack(filtered, take(filtered, "C")[0])

    assert kept(filtered) == 0


def test_what_is_pending_elsewhere_stays() -> None:
    two = world(C={}, D={})
    two.publish("s.a", b"x")
    (pending,) = take(two, "D")

    ack(two, take(two, "C")[0])
    assert kept(two) == 1
    ack(two, pending, b"+TERM")

    assert kept(two) == 0


def test_an_ack_of_all_before_lets_them_all_go() -> None:
    everything = world(C={"ack_policy": "all"})
    for _ in range(3):
        everything.publish("s.a", b"x")

    ack(everything, take(everything, "C", 3)[1])

    assert kept(everything) == 1


def test_a_delivery_without_acknowledgement_is_enough() -> None:
    silent = world(C={"ack_policy": "none"})
    silent.publish("s.a", b"x")

    take(silent, "C")

    assert kept(silent) == 0


def test_with_a_consumer_goes_what_only_it_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 2)
    two = world(C={}, D={"filter_subject": "s.b"})
    for subject in ("s.a", "s.b", "s.a", "s.a", "s.b"):
        two.publish(subject, b"x")

    two.api("CONSUMER.DELETE.S.C")
    settle(two)

    assert two.state()["num_subjects"] == 1
    assert kept(two) == 2


def counted_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count from now on what is put off to a later turn; the list grows."""
    turns: list[int] = []
    call_later = world.clock.call_later

    def counted(delay_ns: int, callback: Callable[[], None]) -> FakeTimer:
        turns.append(delay_ns)
        return call_later(delay_ns, callback)

    monkeypatch.setattr(world.clock, "call_later", counted)
    return turns


def test_a_sweep_goes_from_message_to_message_however_far_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apart = world(C={})
    stream = apart.js.streams["S"]
    for seq in (1, 2**50):
        stream.store.append(b"s.a", 0, b"x", 1, seq=seq)
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 1)
    turns = counted_turns(apart, monkeypatch)

    stream.interest_changed()
    apart.settle()

    assert len(turns) < 10


def test_sweeps_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 1)
    busy = world(C={})
    for _ in range(10):
        busy.publish("s.a", b"x")
    turns = counted_turns(busy, monkeypatch)

    for _ in range(100):
        busy.js.streams["S"].interest_changed()
    settle(busy)

    assert len(turns) < 30
    assert kept(busy) == 10


def test_what_changes_while_a_sweep_runs_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 1)
    changed = world(C={})
    for _ in range(3):
        changed.publish("s.a", b"x")
    stream = changed.js.streams["S"]

    stream.interest_changed()
    stream.consumers.pop("C").close()
    stream.interest_changed()
    settle(changed)

    assert kept(changed) == 0


def test_another_filter_is_another_interest() -> None:
    one = world(C={})
    one.publish("s.a", b"x")
    one.publish("s.b", b"x")

    one.create_consumer(filter_subject="s.b")
    settle(one)

    assert kept(one) == 1


def test_a_stream_may_become_one_of_interest_and_back() -> None:
    changed = World()
    changed.create_stream()
    changed.publish("s.a", b"x")

    changed.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "retention": "interest"})
    settle(changed)
    assert kept(changed) == 0
    changed.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "retention": "limits"})
    changed.publish("s.a", b"x")

    assert kept(changed) == 1


def test_interest_is_asked_for_once_for_each_message(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def counted(stream: Stream, subject: bytes) -> bool:
        asked.append(subject)
        return is_wanted(stream, subject)

    monkeypatch.setattr(judge, "is_wanted", counted)
    one = world(C={"filter_subject": "s.a"})

    one.publish("s.a", b"x")
    one.publish("s.b", b"x")

    assert asked == [b"s.a", b"s.b"]
    assert kept(one) == 1


def test_what_was_acknowledged_before_a_restart_goes_after_it() -> None:
    before = world(C={})
    before.publish("s.a", b"x")
    (message,) = take(before, "C")
    before.js.streams["S"].config.retention = "limits"  # as if the removal had been lost
    before.request(message.reply.decode(), b"+ACK")

    before.restart()
    settle(before)

    assert kept(before) == 0


def test_what_consumers_in_memory_left_is_there_after_a_restart() -> None:
    before = world(D={"mem_storage": True})
    for _ in range(3):
        before.publish("s.a", b"x")

    before.restart()
    settle(before)
    before.api(
        "STREAM.UPDATE.S",
        {"name": "S", "subjects": ["s.>"], "retention": "interest", "description": "d"},
    )
    settle(before)

    assert (kept(before), before.state()["consumer_count"]) == (3, 0)
    before.create_consumer(name="E")
    assert [one.payload for one in take(before, "E", 3)] == [b"x"] * 3


def test_what_no_consumer_has_had_stays_where_a_stream_becomes_one_of_interest() -> None:
    changed = World()
    changed.create_stream()
    changed.create_consumer(filter_subject="s.b")
    for subject in ("s.a", "s.b", "s.b"):
        changed.publish(subject, b"x")
    ack(changed, take(changed, "C")[0])

    changed.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "retention": "interest"})
    settle(changed)
    assert kept(changed) == 2
    changed.create_consumer(filter_subject="s.b", description="another")
    changed.restart()
    settle(changed)

    assert kept(changed) == 2


def test_what_lay_before_a_consumer_that_goes_stays_unless_it_was_the_last() -> None:
    changed = World()
    changed.create_stream()
    for name, subject in (("C", "s.b"), ("D", "s.z")):
        changed.create_consumer(name=name, filter_subject=subject)
    for subject in ("s.a", "s.b", "s.a"):
        changed.publish(subject, b"x")
    ack(changed, take(changed, "C")[0])
    changed.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "retention": "interest"})
    settle(changed)
    assert kept(changed) == 2

    changed.api("CONSUMER.DELETE.S.C")
    settle(changed)
    assert changed.state()["first_seq"] == 1
    changed.api("CONSUMER.DELETE.S.D")
    settle(changed)

    assert kept(changed) == 0


def test_an_ack_that_the_store_refuses_leaves_the_message_pending() -> None:
    refused = world(C={})
    refused.publish("s.a", b"x")
    (message,) = take(refused, "C")
    refused.store.error = StoreFailed("fsync failed")

    ack(refused, message)
    refused.store.error = None

    assert (kept(refused), refused.info()["num_ack_pending"]) == (1, 1)


def test_a_sweep_that_the_store_refuses_is_noted_and_left_to_the_next() -> None:
    refused = world(C={}, D={"filter_subject": "s.z"})
    refused.publish("s.a", b"x")
    consumer = refused.js.streams["S"].consumers.pop("C")
    consumer.close()
    refused.store.error = StoreFailed("fsync failed")

    refused.js.streams["S"].interest_changed()

    refused.store.error = None
    assert (kept(refused), refused.js.streams["S"].trouble.count) == (1, 1)
    refused.js.streams["S"].interest_changed()
    assert kept(refused) == 0


def test_a_sweep_that_finds_the_store_busy_goes_on_later() -> None:
    busy = world(C={})
    busy.publish("s.a", b"x")
    stream = busy.js.streams["S"]
    stream.consumers.pop("C").close()
    busy.store.error = StoreBusy("not now")

    stream.interest_changed()

    busy.store.error = None
    assert kept(busy) == 1
    busy.clock.advance(limits.DELIVER_RETRY_NS)
    assert (kept(busy), stream.trouble.count) == (0, 0)


def test_what_nobody_wants_rolls_up_and_ends_schedules() -> None:
    options = {"allow_rollup_hdrs": True, "allow_msg_schedules": True}
    world = World()
    world.create_stream(retention="interest", **options)
    world.create_consumer(filter_subject="s.a")
    plan = {"Nats-Schedule": "@every 1h", "Nats-Schedule-Target": "s.t"}

    for wanted, unwanted in [
        ({}, {"Nats-Rollup": "all"}),
        (plan, {"Nats-Schedule-Next": "purge", "Nats-Scheduler": "s.a"}),
    ]:
        world.publish("s.a", b"x", headers=wanted)
        assert world.api("STREAM.INFO.S")["state"]["messages"] == 1
        world.publish("s.b", b"x", headers=unwanted)
        assert world.api("STREAM.INFO.S")["state"]["messages"] == 0


def test_what_is_out_at_a_consumer_whose_filter_is_another_now_is_not_needed_there() -> None:
    world = World()
    world.create_stream(retention="interest")
    world.create_consumer(name="A", filter_subject="s.a")
    world.create_consumer(name="B")
    world.publish("s.a", b"x")
    world.fetch({"batch": 1, "expires": 1}, name="A")
    (message,) = world.fetch({"batch": 1, "expires": 1}, name="B")
    world.create_consumer(name="A", filter_subject="s.b")

    world.publish(message.reply.decode(), b"+ACK")

    assert world.state()["messages"] == 0


class Sorted(deque[int]):
    """It may be long, and is not gone through for each message."""

    def __contains__(self, seq: object) -> bool:
        raise AssertionError("gone through")


def test_what_is_read_first_is_not_gone_through_for_each_message() -> None:
    last = world(A={})
    for subject in ("s.a", "s.b", "s.a", "s.c", "s.b"):
        last.publish(subject, b"x")
    config = {"deliver_policy": "last_per_subject", "filter_subject": "s.>"}
    last.create_consumer(name="L", **config)
    last.fetch({"batch": 1, "expires": 1}, name="L")
    cursor = last.js.streams["S"].consumers["L"].cursor
    assert list(cursor.listed) == [4, 5]
    cursor.listed = Sorted(cursor.listed)

    last.api("CONSUMER.DELETE.S.A")
    settle(last)

    assert [seq for seq in range(1, 8) if cursor.is_listed(seq)] == [4, 5]
    assert kept(last) == 3
