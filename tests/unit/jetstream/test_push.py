"""Push consumers: interest, groups, heartbeats, flow control. Measured on nats-server 2.15.1."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode import limits
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from tests.unit.jetstream.world import Msg, World

S = 1_000_000_000
MS = 1_000_000


def world_with(count: int, *, size: int = 2, **consumer: Any) -> World:
    world = World()
    world.create_stream()
    for number in range(count):
        world.publish("s.a", b"%d" % number + b"x" * (size - 1))
    world.create_consumer(deliver_subject="d", **consumer)
    return world


def subjects(world: World) -> set[bytes]:
    """What the server listens to, without the client's inboxes."""
    return {one for one, _ in world.account.local_interest if not one.startswith(b"_INBOX")}


def statuses(messages: list[Msg]) -> list[bytes]:
    return [message.block for message in messages if message.status.startswith(b"NATS/1.0 1")]


def test_messages_come_when_somebody_listens_and_not_before() -> None:
    world = world_with(2)
    assert world.info()["delivered"]["consumer_seq"] == 0
    assert "push_bound" not in world.info()

    heard = world.listen("d")
    world.clock.advance(0)

    assert [message.payload for message in heard] == [b"0x", b"1x"]
    assert heard[0].subject == b"s.a"
    assert heard[0].reply.startswith(b"$JS.ACK.S.C.1.1.1.")
    assert world.info()["push_bound"] is True


def test_new_messages_are_pushed_at_their_commit() -> None:
    world = world_with(0)
    heard = world.listen("d")
    world.clock.advance(0)

    world.publish("s.a", b"x")

    assert [message.payload for message in heard] == [b"x"]


def test_a_wildcard_subscription_is_no_interest_but_gets_what_comes() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    world.create_consumer(deliver_subject="inbox.1")

    wide = world.listen("inbox.*")
    world.clock.advance(0)
    assert (wide, "push_bound" in world.info()) == ([], False)
    exact = world.listen("inbox.1")
    world.clock.advance(0)

    assert (len(wide), len(exact)) == (1, 1)


def test_a_group_delivers_only_to_its_members() -> None:
    world = world_with(1, deliver_group="q")
    plain = world.listen("d")
    world.clock.advance(2 * S)
    assert plain == []

    member: list[bytes] = []
    world.account.subscribe(
        b"d", lambda run: member.extend(body for _, _, body in run.messages), queue=b"q"
    )
    world.clock.advance(0)

    assert member == [b"0x"]


def test_acks_and_redelivery_work_as_for_pulls() -> None:
    world = world_with(2, ack_wait=S, max_ack_pending=1)
    heard = world.listen("d")
    world.clock.advance(0)
    assert [message.payload for message in heard] == [b"0x"]

    world.clock.advance(S)
    world.publish(heard[1].reply.decode(), b"+ACK")
    world.clock.advance(0)

    assert [message.payload for message in heard] == [b"0x", b"0x", b"1x"]


def test_heartbeats_come_while_nothing_is_delivered() -> None:
    world = world_with(1, idle_heartbeat=300 * MS)
    heard = world.listen("d")

    world.clock.advance(900 * MS)

    heartbeat = (
        b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\nNats-Last-Stream: 1\r\n\r\n"
    )
    assert statuses(heard) == 3 * [heartbeat]
    assert heard[1].subject == b"d"


def test_flow_control_asks_at_half_a_window_and_stops_at_a_full_one() -> None:
    size = 64 * 1024
    world = world_with(80, size=size, flow_control=True, idle_heartbeat=S, ack_policy="none")
    heard = world.listen("d")
    world.clock.advance(0)
    (question,) = [message for message in heard if message.status]
    assert question.block == b"NATS/1.0 100 FlowControl Request\r\n\r\n"
    assert heard.index(question) == limits.FLOW_WINDOW_BYTES // 2 // size
    assert len(heard) == limits.FLOW_WINDOW_BYTES // size + 1

    world.clock.advance(2 * S)
    assert b"\r\nNats-Consumer-Stalled: " + question.reply + b"\r\n" in heard[-1].block
    world.publish(question.reply.decode())

    assert sum(not message.status for message in heard) > 64


@pytest.mark.parametrize("headers_only", [False, True])
def test_a_window_counts_what_the_stream_holds_whatever_is_shown(*, headers_only: bool) -> None:
    size = 64 * 1024
    world = world_with(
        80,
        size=size,
        flow_control=True,
        idle_heartbeat=S,
        ack_policy="none",
        headers_only=headers_only,
    )

    heard = world.listen("d")
    world.clock.advance(0)

    asked_at = [b" 100 " in message.block for message in heard].index(True)
    assert asked_at == limits.FLOW_WINDOW_BYTES // 2 // size
    assert len(heard) == limits.FLOW_WINDOW_BYTES // size + 1


def test_an_answer_to_another_question_is_ignored() -> None:
    world = world_with(80, size=64 * 1024, flow_control=True, idle_heartbeat=S, ack_policy="none")
    heard = world.listen("d")
    world.clock.advance(0)
    before = len(heard)

    world.publish("$JS.FC.S.C.zzzz")

    assert len(heard) == before


def test_a_pull_is_refused() -> None:
    (answer,) = world_with(0).fetch(1)

    assert answer.block == b"NATS/1.0 409 Consumer is push based\r\n\r\n"


def test_the_subject_may_change_only_while_nobody_listens() -> None:
    world = world_with(0, inactive_threshold=60 * S)
    body = {
        "stream_name": "S",
        "config": {"durable_name": "C", "ack_policy": "explicit", "deliver_subject": "e"},
    }
    body["config"]["inactive_threshold"] = 60 * S  # type: ignore[index]
    sub = world.account.subscribe(b"d", lambda run: None)
    assert world.error("CONSUMER.CREATE.S.C", body)[1] == 10013

    world.account.unsubscribe(sub)
    world.api("CONSUMER.CREATE.S.C", body)
    heard = world.listen("e")
    world.publish("s.a", b"x")
    world.clock.advance(0)

    assert [message.payload for message in heard] == [b"x"]


def test_an_ephemeral_goes_when_nobody_listens_any_more() -> None:
    world = World()
    world.create_stream()
    sub = world.account.subscribe(b"d", lambda run: None)
    body = {"stream_name": "S", "config": {"deliver_subject": "d", "ack_policy": "none"}}
    name = world.api("CONSUMER.CREATE.S", body)["name"]
    world.clock.advance(30 * S)
    assert world.info(name=name)["push_bound"] is True

    world.account.unsubscribe(sub)
    world.clock.advance(8 * S)

    assert world.error(f"CONSUMER.INFO.S.{name}")[1] == 10014


@pytest.mark.parametrize("heartbeat_ns", [0, 5 * S])
def test_a_listener_behind_a_link_who_comes_late_is_served_at_once(heartbeat_ns: int) -> None:
    world = world_with(1, idle_heartbeat=heartbeat_ns)
    leaf = Peer(9, Kind.LEAF, world.account.system.outbox)
    leaf.account = world.account
    world.clock.advance(0)

    world.account.insert(Subscription(leaf, b"d"))
    world.clock.advance(0)

    sent = b"".join(leaf.take())
    assert sent.startswith(b"LMSG d $JS.ACK.S.C.1.1.1.")
    assert b"@s.a 2\r\n0x\r\n" in sent


def test_a_deleted_consumer_leaves_no_watcher_timer_or_subscription() -> None:
    world = World()
    world.create_stream()
    timers, interest = world.clock.pending(), subjects(world)
    world.create_consumer(deliver_subject="d", flow_control=True, idle_heartbeat=S)

    world.api("CONSUMER.DELETE.S.C")
    world.clock.advance(0)

    assert not world.account.watchers
    assert world.clock.pending() == timers
    assert subjects(world) == interest


def test_a_heartbeat_below_zero_is_none() -> None:
    world = World()
    world.create_stream()
    heard = world.listen("d")

    created = world.create_consumer(deliver_subject="d", idle_heartbeat=-1)
    world.clock.advance(10 * S)

    assert "idle_heartbeat" not in created["config"]
    assert heard == []


def answered(world: World, request: Msg, consumer_seq: int, stream_seq: int) -> None:
    place = {"Nats-Last-Consumer": str(consumer_seq), "Nats-Last-Stream": str(stream_seq)}
    world.publish(request.reply.decode(), headers=place)


def test_answers_to_flow_control_are_acknowledgements_where_the_policy_says_so() -> None:
    world = world_with(5, ack_policy="flow_control", max_ack_pending=3)
    heard = world.listen("d")
    world.clock.advance(0)
    assert len(heard) == 4
    assert heard[3].block == b"NATS/1.0 100 FlowControl Request\r\n\r\n"

    answered(world, heard[3], 2, 2)

    assert world.info()["ack_floor"]["stream_seq"] == 2
    assert world.info()["num_ack_pending"] == 3
    assert [message.payload for message in heard[4:6]] == [b"3x", b"4x"]


def test_what_is_out_at_a_heartbeat_is_asked_for_and_nothing_comes_again() -> None:
    world = world_with(1, ack_policy="flow_control")
    heard = world.listen("d")
    world.clock.advance(0)

    world.clock.advance(S)
    assert [message.block[:17] for message in heard[1:]] == [
        b"NATS/1.0 100 Idle",
        b"NATS/1.0 100 Flow",
    ]
    world.clock.advance(S)
    assert b"Nats-Consumer-Stalled: %b" % heard[2].reply in heard[3].block
    assert len(heard) == 4
    answered(world, heard[2], 1, 7)

    assert world.info()["num_ack_pending"] == 0
    world.clock.advance(60 * S)
    assert sum(message.payload != b"" for message in heard) == 1


def test_what_is_acknowledged_by_flow_control_has_no_ack_subject() -> None:
    world = world_with(1, ack_policy="flow_control")

    assert not any(one.startswith(b"$JS.ACK") for one in subjects(world))


def test_a_group_that_nobody_asked_for_is_no_interest() -> None:
    world = world_with(1)
    world.account.subscribe(b"d", lambda _: None, queue=b"g")
    world.clock.advance(0)

    assert world.info()["delivered"]["consumer_seq"] == 0
    assert "push_bound" not in world.info()


@pytest.mark.parametrize("reads", [{"direct": True}, {"ack_policy": "flow_control"}])
def test_who_stores_what_comes_is_given_fewer_in_a_turn(
    reads: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ORIGIN_TURN_MSGS", 4)
    monkeypatch.setattr(limits, "DELIVER_TURN_MSGS", 16)
    world = World()
    world.create_stream()
    for _ in range(10):
        world.publish("s.a", b"m")
    heard, seen = world.listen("d"), list[int]()
    call_later = world.clock.call_later
    monkeypatch.setattr(
        world.clock,
        "call_later",
        lambda delay_ns, callback: (seen.append(len(heard)), call_later(delay_ns, callback))[1],
    )

    config = {"deliver_subject": "d", "ack_policy": "none", "flow_control": True, **reads}
    config |= {"idle_heartbeat": S, "name": "C"}
    world.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})
    world.clock.advance(0)

    assert set(seen) - {0} == {4, 8}
    assert len(heard) == 10
