"""Pull requests and their statuses, each line literal, as measured on nats-server 2.15.1."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreCorrupt
from leafnode.jetstream.pull import parse
from tests.unit.jetstream.world import Msg, World

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery

S = 1_000_000_000
MS = 1_000_000


def world_with(count: int, **consumer: Any) -> World:
    world = World()
    world.create_stream()
    for number in range(count):
        world.publish("s.a", b"m%d" % number)
    world.create_consumer(**consumer)
    return world


def seen(messages: list[Msg]) -> list[bytes]:
    """Payloads of messages, status blocks of statuses."""
    return [message.block if message.status else message.payload for message in messages]


@pytest.mark.parametrize(
    ("payload", "batch"),
    [
        (b"", 1),
        (b"5", 5),
        (b"+3", 3),
        (b"-3", -3),
        (b"0", 0),
        (b"zzz", 1),
        (b"{}", 0),
        (b'{"batch":7}', 7),
        (b"9" * 30, 1),
    ],
)
def test_a_body_is_a_count_or_json_and_else_one(payload: bytes, batch: int) -> None:
    assert parse(payload).batch == batch


def test_messages_come_with_their_subject_and_an_ack_reply() -> None:
    world = world_with(3)

    first, second = world.fetch({"batch": 2, "expires": S})

    assert (first.subject, first.payload) == (b"s.a", b"m0")
    assert first.reply == b"$JS.ACK.S.C.1.1.1.1800000000000000000.2"
    assert second.reply == b"$JS.ACK.S.C.1.2.2.1800000000000000000.1"


def test_no_wait_gives_what_there_is_and_then_404() -> None:
    world = world_with(2)

    got = world.fetch({"batch": 20, "no_wait": True})

    assert seen(got) == [b"m0", b"m1", b"NATS/1.0 404 No Messages\r\n\r\n"]


def test_no_wait_on_nothing_is_404_at_once() -> None:
    got = world_with(0).fetch({"batch": 1, "no_wait": True})

    assert seen(got) == [b"NATS/1.0 404 No Messages\r\n\r\n"]


def test_no_wait_with_expires_waits_when_there_is_nothing() -> None:
    world = world_with(0)

    got = world.fetch({"batch": 1, "no_wait": True, "expires": 200 * MS})
    assert got == []
    world.clock.advance(200 * MS)

    timeout = (
        b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 1\r\nNats-Pending-Bytes: 0\r\n\r\n"
    )
    assert seen(got) == [timeout]


def test_no_wait_with_expires_ends_with_404_when_there_was_something() -> None:
    got = world_with(1).fetch({"batch": 5, "no_wait": True, "expires": S})

    assert seen(got) == [b"m0", b"NATS/1.0 404 No Messages\r\n\r\n"]


@pytest.mark.parametrize("batch", [3, 0, -1])
def test_a_request_ends_at_its_expiry(batch: int) -> None:
    world = world_with(0)

    got = world.fetch({"batch": batch, "expires": 200 * MS})
    world.clock.advance(200 * MS)

    pending = b"Nats-Pending-Messages: %d\r\nNats-Pending-Bytes: 0\r\n\r\n" % batch
    assert seen(got) == [b"NATS/1.0 408 Request Timeout\r\n" + pending]


def test_a_waiting_request_gets_what_is_published_later() -> None:
    world = world_with(0)
    got = world.fetch({"batch": 2, "expires": 5 * S})

    world.publish("s.a", b"late")

    assert seen(got) == [b"late"]
    assert world.info()["num_waiting"] == 1


def test_nothing_is_delivered_before_its_commit() -> None:
    world = world_with(0)
    got = world.fetch({"batch": 1, "expires": 5 * S})
    world.store.hold()

    world.publish("s.a", b"x")
    assert got == []
    world.store.commit()

    assert seen(got) == [b"x"]


def test_heartbeats_come_while_nothing_else_does() -> None:
    world = world_with(0)

    got = world.fetch({"batch": 1, "expires": 450 * MS, "idle_heartbeat": 200 * MS})
    world.clock.advance(500 * MS)

    heartbeat = (
        b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 0\r\nNats-Last-Stream: 0\r\n\r\n"
    )
    assert seen(got)[:2] == [heartbeat, heartbeat]
    assert got[2].status == b"NATS/1.0 408 Request Timeout"


@pytest.mark.parametrize(
    ("request_body", "status"),
    [
        (
            {"batch": 1, "expires": S, "idle_heartbeat": 600 * MS},
            b"400 Bad Request - heartbeat value too large",
        ),
        ({"batch": 1, "idle_heartbeat": 100 * MS}, b"400 Bad Request - heartbeat value too large"),
        ({"batch": 3, "no_wait": True}, b"409 Exceeded MaxRequestBatch of 2"),
        ({"batch": 1, "expires": 5 * S}, b"409 Exceeded MaxRequestExpires of 1s"),
        ({"batch": 1, "max_bytes": 1000}, b"409 Exceeded MaxRequestMaxBytes of 100"),
    ],
)
def test_a_request_beyond_the_consumers_bounds_is_refused(
    request_body: dict[str, Any], status: bytes
) -> None:
    world = world_with(1, max_batch=2, max_expires=S, max_bytes=100)

    assert [message.status for message in world.fetch(request_body)] == [b"NATS/1.0 " + status]


def test_a_request_that_would_take_long_to_read_is_refused() -> None:
    body = b'{"batch":%b1}' % (b" " * (limits.API_REQUEST_BYTES_MAX - 11))
    longer = body.replace(b":", b": ")
    world = world_with(2)

    (message,) = world.request("$JS.API.CONSUMER.MSG.NEXT.S.C", body)
    (refused,) = world.request("$JS.API.CONSUMER.MSG.NEXT.S.C", longer)
    (told,) = world.request(message.reply.decode(), b"+NXT " + longer)

    text = b"NATS/1.0 400 Bad Request - longer than 65536 bytes\r\n\r\n"
    assert (refused.block, told.block) == (text, text)


def test_bad_json_is_named() -> None:
    world = world_with(1)

    got = world.request("$JS.API.CONSUMER.MSG.NEXT.S.C", b"{bad")

    text = b"invalid character 'b' looking for beginning of object key string"
    assert got[0].block == b"NATS/1.0 400 Bad Request - " + text + b"\r\n\r\n"


def test_a_too_new_request_is_refused() -> None:
    world = world_with(1)

    got = world.request(
        "$JS.API.CONSUMER.MSG.NEXT.S.C", b"1", headers={"Nats-Required-Api-Level": "99"}
    )

    assert seen(got) == [b"NATS/1.0 412 Required Api Level\r\n\r\n"]


def test_as_many_requests_wait_as_allowed_and_the_next_is_refused() -> None:
    world = world_with(0, max_waiting=2)
    waiting = {"batch": 1, "expires": 5 * S}
    assert world.fetch(waiting) == world.fetch(waiting) == []

    assert seen(world.fetch(waiting)) == [b"NATS/1.0 409 Exceeded MaxWaiting\r\n\r\n"]
    assert world.fetch({**waiting, "idle_heartbeat": S}) == []


def test_a_request_without_listener_makes_room() -> None:
    world = world_with(0, max_waiting=1)
    world.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"1", reply="_INBOX.nobody")

    assert world.fetch({"batch": 1, "expires": S}) == []
    assert world.info()["num_waiting"] == 1


def test_requests_take_turns_one_message_each() -> None:
    world = world_with(0)
    first = world.fetch({"batch": 2, "expires": 5 * S})
    second = world.fetch({"batch": 2, "expires": 5 * S})

    for number in range(4):
        world.publish("s.a", b"%d" % number)

    assert (seen(first), seen(second)) == ([b"0", b"2"], [b"1", b"3"])


def test_no_wait_behind_requests_that_will_take_everything_is_refused() -> None:
    world = world_with(5, max_ack_pending=2)
    world.fetch({"batch": 20, "expires": 5 * S})

    got = world.fetch({"batch": 1, "no_wait": True})

    assert seen(got) == [b"NATS/1.0 408 Requests Pending\r\n\r\n"]


def test_no_wait_that_is_held_back_by_ack_pending_gets_no_status() -> None:
    world = world_with(3, max_ack_pending=1)
    first = world.fetch(1)[0]

    got = world.fetch({"batch": 1, "no_wait": True})
    assert got == []
    world.publish(first.reply.decode(), b"+ACK")
    world.clock.advance(0)

    assert seen(got) == [b"m1"]


def test_no_wait_whose_last_message_fills_max_ack_pending_ends_when_it_is_acknowledged() -> None:
    world = world_with(2, max_ack_pending=2)

    got = world.fetch({"batch": 4, "no_wait": True})
    assert seen(got) == [b"m0", b"m1"]
    world.publish(got[0].reply.decode(), b"+ACK")
    world.clock.advance(0)

    assert seen(got) == [b"m0", b"m1", b"NATS/1.0 404 No Messages\r\n\r\n"]


def test_no_wait_that_is_held_up_to_its_end_by_ack_pending_is_a_timeout() -> None:
    world = world_with(3, max_ack_pending=1)

    got = world.fetch({"batch": 5, "no_wait": True, "expires": S})
    world.clock.advance(S)

    left = b"Nats-Pending-Messages: 4\r\nNats-Pending-Bytes: 0\r\n\r\n"
    assert seen(got) == [b"m0", b"NATS/1.0 408 Request Timeout\r\n" + left]


def test_max_bytes_too_small_for_the_next_message_ends_the_request() -> None:
    got = world_with(1).fetch({"batch": 5, "max_bytes": 10, "expires": S})

    left = b"Nats-Pending-Messages: 5\r\nNats-Pending-Bytes: 10\r\n\r\n"
    assert seen(got) == [b"NATS/1.0 409 Message Size Exceeds MaxBytes\r\n" + left]


def test_who_asks_anew_while_told_that_a_message_is_too_large_gets_it() -> None:
    world = world_with(0)
    next_ = b"$JS.API.CONSUMER.MSG.NEXT.S.C"
    got: list[bytes] = []

    def ask_for_any_size(delivery: Delivery) -> None:
        got.extend(body for _, _, body in delivery.messages)
        world.account.publish(next_, b'{"batch":1,"expires":9000000000}', reply=b"in.second")

    world.account.subscribe(b"in.first", ask_for_any_size)
    world.account.subscribe(
        b"in.second", lambda delivery: got.extend(body for _, _, body in delivery.messages)
    )
    small = b'{"batch":5,"max_bytes":10,"expires":9000000000}'
    world.account.publish(next_, small, reply=b"in.first")

    world.publish("s.a", b"larger than that")
    world.clock.advance(0)

    assert len(got) == 2
    assert got[0].startswith(b"NATS/1.0 409 Message Size Exceeds MaxBytes")
    assert got[1] == b"larger than that"


def test_max_bytes_counts_subject_reply_and_body() -> None:
    size = len(b"s.a") + len(b"$JS.ACK.S.C.1.1.1.1800000000000000000.2") + len(b"m0")

    got = world_with(3).fetch({"batch": 5, "max_bytes": size + 1, "expires": S})

    left = b"Nats-Pending-Messages: 4\r\nNats-Pending-Bytes: 1\r\n\r\n"
    assert seen(got) == [b"m0", b"NATS/1.0 409 Message Size Exceeds MaxBytes\r\n" + left]


def test_a_complete_batch_tells_of_bytes_left_over() -> None:
    got = world_with(1).fetch({"batch": 1, "max_bytes": 1000, "expires": S})

    left = b"Nats-Pending-Messages: 0\r\nNats-Pending-Bytes: 956\r\n\r\n"
    assert seen(got) == [b"m0", b"NATS/1.0 409 Batch Completed\r\n" + left]


def test_waiting_requests_hear_that_the_consumer_is_gone() -> None:
    world = world_with(0)
    got = world.fetch({"batch": 1, "expires": 5 * S})

    world.api("CONSUMER.DELETE.S.C")

    assert seen(got) == [b"NATS/1.0 409 Consumer Deleted\r\n\r\n"]


def test_waiting_requests_hear_that_the_server_stops() -> None:
    world = world_with(0)
    got = world.fetch({"batch": 1, "expires": 5 * S})

    world.js.shut_down()

    assert seen(got) == [
        b"NATS/1.0 409 Server Shutdown\r\nNats-Pending-Messages: 1\r\nNats-Pending-Bytes: 0\r\n\r\n"
    ]
    left = [one for one, _ in world.account.local_interest if not one.startswith(b"_INBOX")]
    assert left == []


@pytest.mark.parametrize("batch", [0, -3])
def test_a_batch_of_none_is_one_message(batch: int) -> None:
    world = world_with(2)

    assert seen(world.fetch({"batch": batch, "expires": S})) == [b"m0"]
    assert world.info()["num_waiting"] == 0


def test_a_request_that_expired_before_it_came_is_told_so() -> None:
    world = world_with(1)

    assert seen(world.fetch({"batch": 1, "expires": -1})) == [
        b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 1\r\nNats-Pending-Bytes: 0\r\n\r\n"
    ]


def test_a_request_without_wait_hears_404_before_that_the_queue_is_full() -> None:
    world = world_with(0, max_waiting=1)
    world.fetch({"batch": 1, "expires": S})

    got = world.fetch({"batch": 1, "no_wait": True})

    assert seen(got) == [b"NATS/1.0 404 No Messages\r\n\r\n"]


def test_requests_pending_means_more_than_there_is() -> None:
    world = world_with(3, max_ack_pending=1)
    world.fetch({"batch": 1, "expires": S})
    world.fetch({"batch": 2, "expires": S})

    assert seen(world.fetch({"batch": 1, "no_wait": True})) == []
    assert seen(world.fetch({"batch": 1, "no_wait": True})) == [
        b"NATS/1.0 408 Requests Pending\r\n\r\n"
    ]


def test_a_request_without_wait_that_its_group_does_not_serve_ends_at_once() -> None:
    world = world_with(2, priority_groups=["A"], priority_policy="overflow")

    got = world.fetch({"batch": 5, "group": "A", "min_pending": 100, "no_wait": True})

    assert seen(got) == [b"NATS/1.0 404 No Messages\r\n\r\n"]
    again = world.fetch({"batch": 1, "group": "A", "no_wait": True})
    assert seen(again) == [b"m0"]


def test_a_second_client_without_wait_ends_at_once_while_one_is_pinned() -> None:
    world = world_with(3, priority_groups=["A"], priority_policy="pinned_client")
    world.fetch({"batch": 1, "group": "A", "expires": S})

    got = world.fetch({"batch": 1, "group": "A", "no_wait": True})

    assert seen(got) == [b"NATS/1.0 404 No Messages\r\n\r\n"]
    assert world.info()["num_waiting"] == 0


def test_a_pull_on_a_missing_consumer_has_no_responder() -> None:
    world = world_with(0)

    got = world.fetch(1, name="NOPE")

    subject = b"Nats-Subject: $JS.API.CONSUMER.MSG.NEXT.S.NOPE\r\n\r\n"
    assert seen(got) == [b"NATS/1.0 503\r\n" + subject]


def test_no_timer_outlives_its_request() -> None:
    world = world_with(0)
    before = world.clock.pending()
    world.fetch({"batch": 1, "expires": 5 * S, "idle_heartbeat": S})

    world.publish("s.a", b"x")
    world.clock.advance(S)  # the state is saved, the ack wait goes on

    assert world.clock.pending() == before + 1


def test_a_pull_from_a_damaged_stream_is_a_status_and_does_not_end_the_connection() -> None:
    world = world_with(1)
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")
    world.js.streams["S"].consumers["C"].cursor.removed_some()

    got = world.fetch({"batch": 1, "no_wait": True})

    assert seen(got) == [b"NATS/1.0 500 Store Not Available\r\n\r\n"]


def test_a_stored_consumer_waits_with_no_more_requests_than_the_system_limit() -> None:
    world = world_with(0)
    consumer = world.js.streams["S"].consumers["C"]
    consumer.config = replace(consumer.config, max_waiting=1_000_000)
    queue = consumer.outlet
    world.listen("_INBOX.>")
    for number in range(limits.MAX_WAITING_MAX):
        queue.request(b"_INBOX.%d" % number, b"", b"1")

    refused = world.fetch(1)

    assert seen(refused) == [b"NATS/1.0 409 Exceeded MaxWaiting\r\n\r\n"]
    assert queue.waiting() == limits.MAX_WAITING_MAX


def test_requests_that_nobody_listens_for_make_room_at_the_bound() -> None:
    world = world_with(0, max_waiting=2)
    queue = world.js.streams["S"].consumers["C"].outlet
    for number in range(2):
        queue.request(b"_INBOX.gone.%d" % number, b"", b"1")

    assert world.fetch(1) == []


def test_requests_of_one_subscriber_are_served_in_order() -> None:
    world = world_with(0)
    got = world.listen("_INBOX.same")
    for _ in range(2):
        world.publish(
            "$JS.API.CONSUMER.MSG.NEXT.S.C",
            b'{"batch":4,"expires":5000000000}',
            reply="_INBOX.same",
        )

    world.store.hold()
    for number in range(6):
        world.publish("s.a", b"m%d" % number)
    world.store.commit()

    assert seen(got) == [b"m0", b"m1", b"m2", b"m3", b"m4", b"m5"]


def test_a_status_of_one_subscriber_comes_where_its_request_ended() -> None:
    world = world_with(0)
    got = world.listen("_INBOX.same")
    for batch in (b"1", b"3"):
        world.publish(
            "$JS.API.CONSUMER.MSG.NEXT.S.C",
            b'{"batch":%b,"max_bytes":1000,"expires":5000000000}' % batch,
            reply="_INBOX.same",
        )

    world.store.hold()
    for number in range(3):
        world.publish("s.a", b"m%d" % number)
    world.store.commit()

    assert [message.payload or message.status[:12] for message in got] == [
        b"m0",
        b"NATS/1.0 409",
        b"m1",
        b"m2",
    ]


@pytest.mark.parametrize("heartbeat_ns", [-1, -(2**63), 0])
def test_no_heartbeat_comes_unless_one_is_asked_for(heartbeat_ns: int) -> None:
    world = world_with(0)

    got = world.fetch({"batch": 1, "expires": S, "idle_heartbeat": heartbeat_ns})
    world.clock.advance(S)

    assert [message.status for message in got] == [b"NATS/1.0 408 Request Timeout"]


@pytest.mark.parametrize("heartbeat_ns", [1, 1000, limits.PULL_HEARTBEAT_MIN_NS])
def test_heartbeats_come_no_faster_than_the_bound(heartbeat_ns: int) -> None:
    world = world_with(0)

    got = world.fetch({"batch": 1, "expires": S, "idle_heartbeat": heartbeat_ns})
    world.clock.advance(10 * limits.PULL_HEARTBEAT_MIN_NS)

    assert len(got) == 10


def test_a_no_wait_request_that_unacknowledged_messages_hold_up_ends_at_its_heartbeat() -> None:
    world = World()
    world.create_stream()
    world.create_consumer(max_ack_pending=2)
    for _ in range(3):
        world.publish("s.a", b"x")

    got = world.fetch({"batch": 9, "no_wait": True, "expires": 2 * S, "idle_heartbeat": 300 * MS})
    assert len(got) == 2
    world.clock.advance(400 * MS)

    assert seen(got)[2:] == [b"NATS/1.0 404 No Messages\r\n\r\n"]


def test_a_request_whose_bytes_are_used_up_to_the_last_ends_without_a_word() -> None:
    world = World()
    world.create_stream()
    world.create_consumer(ack_policy="explicit")
    for _ in range(2):
        world.publish("s.a", b"x")
    first = world.fetch({"batch": 1, "no_wait": True})[0]
    size = len(first.subject) + len(first.reply) + len(first.payload)

    answers = world.fetch({"batch": 5, "max_bytes": size, "expires": 10**9})

    assert [message.payload for message in answers] == [b"x"]
    assert world.info()["num_waiting"] == 0


@pytest.mark.parametrize("inboxes", [1, 2, 9])
@pytest.mark.parametrize("batches", [[50, 50], [3, 1, 40, 9], [1, 1, 1], [200], [0, 7, 100]])
def test_many_messages_at_once_are_dealt_out_one_to_each_request_in_turn(
    batches: list[int], inboxes: int
) -> None:
    world = world_with(0)
    got = [world.listen(f"_INBOX.{number}") for number in range(inboxes)]
    waiting = []
    for index, batch in enumerate(batches):
        body = b'{"batch":%d,"expires":5000000000}' % batch
        inbox = index % inboxes
        world.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", body, reply=f"_INBOX.{inbox}")
        waiting.append([inbox, max(1, batch)])
    expected: list[list[bytes]] = [[] for _ in got]

    world.store.hold()
    for number in range(120):
        world.publish("s.a", b"m%d" % number)
        if waiting:
            inbox, left = waiting.pop(0)
            expected[inbox].append(b"m%d" % number)
            waiting += [[inbox, left - 1]] if left > 1 else []
    world.store.commit()

    assert [seen(messages) for messages in got] == expected
    assert world.info()["num_waiting"] == len(waiting)
    assert world.info()["num_ack_pending"] == sum(map(len, expected))


def test_a_request_that_counts_bytes_among_others_has_its_turn() -> None:
    world = world_with(0)
    first = world.fetch({"batch": 10, "expires": 5 * S})
    second = world.fetch({"batch": 10, "max_bytes": 1000, "expires": 5 * S})

    world.store.hold()
    for number in range(8):
        world.publish("s.a", b"%d" % number)
    world.store.commit()

    assert (seen(first), seen(second)) == ([b"0", b"2", b"4", b"6"], [b"1", b"3", b"5", b"7"])
