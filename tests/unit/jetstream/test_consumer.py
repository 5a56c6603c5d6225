"""Consumers: delivery, acknowledgement, redelivery, life time. Measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreFailed
from tests.unit.jetstream.world import Msg, World

S = 1_000_000_000
MS = 1_000_000


def world_with(count: int, **consumer: Any) -> World:
    world = World()
    world.create_stream()
    for number in range(count):
        world.publish("s.a", b"m%d" % number)
    world.create_consumer(**consumer)
    return world


def fetch(world: World, batch: int = 10) -> list[Msg]:
    """Take what there is now, without the status at the end."""
    got = world.fetch({"batch": batch, "no_wait": True})
    return [message for message in got if not message.status.startswith(b"NATS/1.0 4")]


def ack(world: World, message: Msg, payload: bytes = b"+ACK") -> None:
    world.publish(message.reply.decode(), payload)
    world.clock.advance(0)


def numbers(info: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Delivered and floor by stream sequence, ack pending, redelivered, pending."""
    return (
        info["delivered"]["stream_seq"],
        info["ack_floor"]["stream_seq"],
        info["num_ack_pending"],
        info["num_redelivered"],
        info["num_pending"],
    )


def test_acks_move_the_floor() -> None:
    world = world_with(5)
    messages = fetch(world, 3)
    assert numbers(world.info()) == (3, 0, 3, 0, 2)

    ack(world, messages[0])

    assert numbers(world.info()) == (3, 1, 2, 0, 2)


def test_an_ack_with_reply_is_confirmed_with_an_empty_message() -> None:
    world = world_with(1)
    (message,) = fetch(world)

    got = world.request(message.reply.decode(), b"+ACK")

    assert [(one.block, one.payload) for one in got] == [(b"", b"")]
    assert world.request(message.reply.decode(), b"+ACK")
    assert world.request(message.reply.decode(), b"zzz")


def test_an_ack_is_confirmed_only_when_it_is_on_disk() -> None:
    world = world_with(2)
    first, second = fetch(world)
    world.store.hold()

    got = world.request(first.reply.decode(), b"+ACK")
    later = world.request(second.reply.decode(), b"+ACK")
    assert (got, later) == ([], [])
    world.store.commit()
    assert (len(got), len(later)) == (1, 0)
    world.store.commit()

    assert len(later) == 1


def test_an_ack_whose_commit_fails_is_not_confirmed() -> None:
    world = world_with(1)
    (message,) = fetch(world)
    world.store.hold()
    got = world.request(message.reply.decode(), b"+ACK")

    world.store.fail(StoreFailed("fsync failed"))

    assert got == []


def test_an_ack_that_the_store_cannot_take_is_not_confirmed() -> None:
    world = world_with(1)
    (message,) = fetch(world)
    world.store.error = StoreFailed("fsync failed")

    assert world.request(message.reply.decode(), b"+ACK") == []
    assert world.js.streams["S"].consumers["C"].trouble.count == 1


def test_an_ack_beyond_what_was_delivered_gets_no_reply() -> None:
    world = world_with(1)
    fetch(world)

    assert world.request("$JS.ACK.S.C.1.999.999.1.0", b"") == []


def test_an_unacknowledged_message_comes_again_before_new_ones() -> None:
    world = world_with(3)
    fetch(world, 2)

    world.clock.advance(31 * S)
    again = fetch(world)

    assert [message.payload for message in again] == [b"m0", b"m1", b"m2"]
    assert again[0].reply.split(b".")[4:7] == [b"2", b"1", b"3"]
    assert again[2].reply.split(b".")[4:7] == [b"1", b"3", b"5"]
    assert world.info()["num_redelivered"] == 2


def test_a_waiting_request_gets_the_redelivery() -> None:
    world = world_with(1, ack_wait=500 * MS)
    fetch(world)
    got = world.fetch({"batch": 1, "expires": 5 * S})

    world.clock.advance(500 * MS)

    assert [message.payload for message in got] == [b"m0"]


def test_a_nak_brings_the_message_back_at_once_and_a_delay_later() -> None:
    world = world_with(1)
    (first,) = fetch(world)

    ack(world, first, b"-NAK")
    (second,) = fetch(world)
    ack(world, second, b'-NAK {"delay":300000000}')
    assert fetch(world) == []
    world.clock.advance(300 * MS)

    assert [message.payload for message in fetch(world)] == [b"m0"]


def test_work_in_progress_starts_the_ack_wait_anew() -> None:
    world = world_with(1, ack_wait=S)
    (message,) = fetch(world)
    world.clock.advance(800 * MS)

    ack(world, message, b"+WPI")
    world.clock.advance(800 * MS)

    assert fetch(world) == []
    world.clock.advance(200 * MS)
    assert len(fetch(world)) == 1


def test_a_terminated_message_never_comes_again() -> None:
    world = world_with(1, ack_wait=S)
    (message,) = fetch(world)

    ack(world, message, b"+TERM because")
    world.clock.advance(5 * S)

    assert fetch(world) == []
    assert numbers(world.info()) == (1, 1, 0, 0, 0)


def test_ack_next_acknowledges_and_pulls() -> None:
    world = world_with(3)
    (first,) = fetch(world, 1)

    got = world.request(first.reply.decode(), b"+NXT 2")

    assert [message.payload for message in got] == [b"m1", b"m2"]
    assert world.info()["ack_floor"]["stream_seq"] == 1


def test_ack_all_acknowledges_everything_before() -> None:
    world = world_with(4, ack_policy="all")
    messages = fetch(world)

    ack(world, messages[2])

    assert numbers(world.info()) == (4, 3, 1, 0, 0)


def test_without_acks_nothing_is_pending_and_nobody_takes_an_ack() -> None:
    world = world_with(2, ack_policy="none")
    messages = fetch(world)

    assert numbers(world.info()) == (2, 2, 0, 0, 0)
    assert world.publish(messages[0].reply.decode(), b"+ACK") == 0


def test_backoff_sets_the_time_between_deliveries() -> None:
    world = world_with(1, backoff=[200 * MS, 400 * MS])
    got = world.fetch({"batch": 10, "expires": 60 * S})
    times = []

    for _ in range(12):
        world.clock.advance(100 * MS)
        times.append(len(got))

    assert times == [1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4]


def test_a_message_out_of_attempts_is_given_up_with_one_advisory() -> None:
    world = world_with(1, ack_wait=200 * MS, max_deliver=2)
    heard = world.listen("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C")
    got = world.fetch({"batch": 5, "expires": 60 * S})

    world.clock.advance(5 * S)

    assert len(got) == 2
    advisories = [json.loads(message.payload) for message in heard]
    assert [(one["stream_seq"], one["deliveries"]) for one in advisories] == [(1, 2)]
    assert advisories[0]["type"] == "io.nats.jetstream.advisory.v1.max_deliver"
    assert world.info()["num_ack_pending"] == 0


def test_no_more_than_max_ack_pending_are_out() -> None:
    world = world_with(5, max_ack_pending=2)
    got = world.fetch({"batch": 5, "expires": 60 * S})
    assert len(got) == 2

    ack(world, got[0])

    assert [message.payload for message in got] == [b"m0", b"m1", b"m2"]


@pytest.mark.parametrize(
    ("config", "payloads", "start"),
    [
        ({}, [b"m0", b"m1", b"m2", b"m3", b"m4"], 0),
        ({"deliver_policy": "last"}, [b"m4"], 4),
        ({"deliver_policy": "new"}, [], 5),
        ({"deliver_policy": "by_start_sequence", "opt_start_seq": 4}, [b"m3", b"m4"], 3),
        ({"deliver_policy": "by_start_sequence", "opt_start_seq": 400}, [], 399),
        (
            {"deliver_policy": "by_start_time", "opt_start_time": "2020-01-01T00:00:00Z"},
            [b"m0", b"m1", b"m2", b"m3", b"m4"],
            0,
        ),
        ({"deliver_policy": "by_start_time", "opt_start_time": "2099-01-01T00:00:00Z"}, [], 5),
        ({"filter_subject": "s.b"}, [b"m1", b"m3"], 0),
        ({"filter_subjects": ["s.b", "s.c"]}, [b"m1", b"m3", b"m4"], 0),
        ({"deliver_policy": "last", "filter_subject": "s.b"}, [b"m3"], 3),
        (
            {"deliver_policy": "last_per_subject", "filter_subject": "s.>"},
            [b"m2", b"m3", b"m4"],
            2,
        ),
    ],
)
def test_each_policy_and_filter_starts_where_it_says(
    config: dict[str, Any], payloads: list[bytes], start: int
) -> None:
    world = World()
    world.create_stream()
    for number, subject in enumerate(("s.a", "s.b", "s.a", "s.b", "s.c")):
        world.publish(subject, b"m%d" % number)

    info = world.create_consumer(**config)

    assert info["delivered"] == {"consumer_seq": 0, "stream_seq": start}
    assert info["num_pending"] == len(payloads)
    assert [message.payload for message in fetch(world)] == payloads


def test_last_per_subject_goes_on_with_what_comes_after() -> None:
    world = World()
    world.create_stream()
    for subject in ("s.a", "s.b", "s.a"):
        world.publish(subject, b"old")
    world.create_consumer(deliver_policy="last_per_subject", filter_subject="s.>")
    first = fetch(world)

    world.publish("s.b", b"new")

    assert [message.reply.rsplit(b".", 1)[1] for message in first] == [b"1", b"0"]
    assert [message.payload for message in fetch(world)] == [b"new"]


def test_the_pending_count_of_an_ack_subject_ends_at_zero() -> None:
    world = world_with(3)

    replies = [message.reply.rsplit(b".", 1)[1] for message in fetch(world)]

    assert replies == [b"2", b"1", b"0"]


def test_headers_only_tells_the_size_instead_of_the_payload() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"hello", headers={"A": "1"})
    world.create_consumer(headers_only=True)

    (message,) = fetch(world)

    assert message.block == b"NATS/1.0\r\nA: 1\r\nNats-Msg-Size: 5\r\n\r\n"
    assert message.payload == b""


def test_a_changed_filter_keeps_the_position() -> None:
    world = World()
    world.create_stream()
    for subject in ("s.a", "s.b", "s.a", "s.b"):
        world.publish(subject, subject.encode())
    world.create_consumer(filter_subject="s.a")
    fetch(world, 1)

    world.create_consumer(filter_subject="s.b")

    assert world.info()["num_pending"] == 2
    assert [message.payload for message in fetch(world)] == [b"s.b", b"s.b"]


def test_a_deleted_message_is_not_delivered_again() -> None:
    world = world_with(3, ack_wait=S)
    heard = world.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.C")
    fetch(world, 3)

    world.api("STREAM.MSG.DELETE.S", {"seq": 2})
    world.clock.advance(2 * S)

    assert [message.payload for message in fetch(world)] == [b"m0", b"m2"]
    assert json.loads(heard[0].payload)["reason"] == "Unacknowledged message was deleted"


@pytest.mark.parametrize("policy", ["all", "last_per_subject"])
@pytest.mark.parametrize("pulls", [False, True], ids=["push", "pull"])
@pytest.mark.parametrize(
    ("endpoint", "body"), [("MSG.DELETE", {"seq": 9}), ("PURGE", {"filter": "s.8"})]
)
def test_what_is_removed_while_a_read_is_under_way_holds_nothing_up(
    policy: str, pulls: bool, endpoint: str, body: dict[str, Any]
) -> None:
    world = World()
    world.create_stream()
    for number in range(10):
        world.publish(f"s.{number}")
    heard = world.listen("out")
    world.store.slow_reads = True
    config: dict[str, Any] = {} if pulls else {"deliver_subject": "out"}
    if policy != "all":
        config |= {"deliver_policy": policy, "filter_subject": "s.>"}
    world.create_consumer(ack_policy="none", **config)
    if pulls:
        heard = world.fetch({"batch": 10, "expires": 60 * S})

    world.api(f"STREAM.{endpoint}.S", body)
    world.store.answer_reads()
    world.settle()
    world.store.answer_reads()

    assert [msg.subject for msg in heard] == [b"s.%d" % seq for seq in range(10) if seq != 8]


@pytest.mark.parametrize("storage", ["file", "memory"])
@pytest.mark.parametrize("policy", ["explicit", "all"])
def test_who_was_full_goes_on_when_what_was_out_is_deleted(storage: str, policy: str) -> None:
    world = World()
    world.create_stream(storage=storage)
    for number in range(3):
        world.publish(f"s.{number}")
    world.create_consumer(ack_policy=policy, max_ack_pending=1)
    got = world.fetch({"batch": 3, "expires": 60 * S})
    assert [msg.subject for msg in got] == [b"s.0"]

    world.api("STREAM.MSG.DELETE.S", {"seq": 1})

    assert [msg.subject for msg in got] == [b"s.0", b"s.1"]


def test_a_message_that_the_stream_dropped_is_passed_over_at_redelivery() -> None:
    world = World()
    world.create_stream(max_msgs=2)
    world.publish("s.a", b"m0")
    world.create_consumer(ack_wait=S)
    fetch(world)
    for number in (1, 2):
        world.publish("s.a", b"m%d" % number)

    world.clock.advance(2 * S)

    assert [message.payload for message in fetch(world)] == [b"m1", b"m2"]
    assert world.info()["num_ack_pending"] == 2


def test_slow_reads_deliver_in_order() -> None:
    world = world_with(5, ack_wait=S)
    world.store.slow_reads = True
    got = world.fetch({"batch": 10, "expires": 60 * S})
    assert got == []

    world.store.answer_reads()
    world.clock.advance(S)
    world.store.answer_reads()

    payloads = [message.payload for message in got]
    assert payloads == [b"m0", b"m1", b"m2", b"m3", b"m4"] * 2


def test_position_and_pending_survive_a_restart() -> None:
    world = world_with(5)
    messages = fetch(world, 3)
    ack(world, messages[0])
    world.clock.advance(S)

    world.restart()

    assert numbers(world.info()) == (3, 1, 2, 0, 2)
    assert [message.payload for message in fetch(world)] == [b"m3", b"m4"]
    world.clock.advance(30 * S)
    assert [message.payload for message in fetch(world)] == [b"m1", b"m2", b"m3", b"m4"]


def test_a_confirmed_ack_survives_a_crash_at_once() -> None:
    world = world_with(2)
    messages = fetch(world)
    assert world.request(messages[0].reply.decode(), b"+ACK")

    world.restart()

    assert world.info()["ack_floor"]["stream_seq"] == 1


def test_delivery_counts_survive_a_clean_stop() -> None:
    world = world_with(1, ack_wait=S)
    fetch(world)
    world.clock.advance(S)
    fetch(world)

    world.js.shut_down()
    world.restart()
    world.clock.advance(S)

    assert fetch(world)[0].reply.split(b".")[4] == b"3"


def test_a_consumer_in_memory_does_not_come_back() -> None:
    world = world_with(1, mem_storage=True)

    world.restart()

    assert world.error("CONSUMER.INFO.S.C")[1] == 10014


def test_an_idle_ephemeral_is_removed_with_an_advisory() -> None:
    world = world_with(0)
    heard = world.listen("$JS.EVENT.ADVISORY.CONSUMER.DELETED.S.*")
    body = {"stream_name": "S", "config": {"ack_policy": "explicit"}}
    name = world.api("CONSUMER.CREATE.S", body)["name"]
    assert len(name) == 8

    world.clock.advance(5 * S)
    assert world.info(name=name)["name"] == name
    world.clock.advance(S)

    assert world.error(f"CONSUMER.INFO.S.{name}")[1] == 10014
    assert json.loads(heard[0].payload)["action"] == "delete"


def test_who_has_something_out_is_not_idle_until_its_ack_wait_ends() -> None:
    world = world_with(2, ack_wait=30 * S, inactive_threshold=S)
    fetch(world)

    world.clock.advance(30 * S)
    assert world.info()["name"] == "C"
    world.clock.advance(40 * S)

    assert world.error("CONSUMER.INFO.S.C")[1] == 10014


def test_an_acknowledgement_shows_that_somebody_is_there() -> None:
    world = world_with(1, ack_wait=30 * S, inactive_threshold=3 * S)
    (message,) = fetch(world)
    world.clock.advance(20 * S)

    world.publish(message.reply.decode(), b"+ACK")
    world.clock.advance(2 * S)
    assert world.info()["name"] == "C"
    world.clock.advance(50 * S)

    assert world.error("CONSUMER.INFO.S.C")[1] == 10014


def test_a_waiting_request_keeps_an_ephemeral_alive() -> None:
    world = world_with(0)
    body = {"stream_name": "S", "config": {"ack_policy": "explicit"}}
    name = world.api("CONSUMER.CREATE.S", body)["name"]
    world.fetch({"batch": 1, "expires": 20 * S}, name=name)

    world.clock.advance(19 * S)
    assert world.info(name=name)["num_waiting"] == 1
    world.clock.advance(10 * S)

    assert world.error(f"CONSUMER.INFO.S.{name}")[1] == 10014


def test_an_ephemeral_keeps_its_timer_over_a_restart() -> None:
    world = world_with(0)
    body = {"stream_name": "S", "config": {"ack_policy": "explicit"}}
    name = world.api("CONSUMER.CREATE.S", body)["name"]

    world.restart()
    assert world.info(name=name)["name"] == name
    world.clock.advance(7 * S)

    assert world.error(f"CONSUMER.INFO.S.{name}")[1] == 10014


def test_both_forms_of_the_ack_subject_are_heard() -> None:
    world = world_with(1)
    fetch(world)

    world.publish("$JS.ACK._.szMpdrwD.S.C.1.1.1.1795386687786821431.0.x", b"+ACK")

    assert world.info()["num_ack_pending"] == 0


def test_a_deleted_consumer_leaves_no_subscription_and_no_timer() -> None:
    world = world_with(3)
    timers, interest = world.clock.pending(), dict(world.account.local_interest)
    world.create_consumer(name="D")
    world.fetch({"batch": 2, "expires": 60 * S}, name="D")

    world.api("CONSUMER.DELETE.S.D")
    world.clock.advance(0)

    assert world.clock.pending() == timers
    left = {key for key in world.account.local_interest if not key[0].startswith(b"_INBOX")}
    assert left == {key for key in interest if not key[0].startswith(b"_INBOX")}


def test_info_lists_its_fields_in_the_servers_order() -> None:
    info = world_with(1).info()

    assert list(info) == [
        "type",
        "stream_name",
        "name",
        "created",
        "config",
        "delivered",
        "ack_floor",
        "num_ack_pending",
        "num_redelivered",
        "num_waiting",
        "num_pending",
        "ts",
    ]


def test_a_consumer_whose_read_was_refused_goes_on_by_itself_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = world_with(2)
    world.store.read_error = StoreBusy("4096 reads wait for the disk")
    got = world.fetch({"batch": 2, "expires": 60 * S})
    world.clock.advance(S)
    assert got == []

    world.store.read_error = None
    world.clock.advance(limits.DELIVER_RETRY_MAX_NS)

    assert [message.payload for message in got] == [b"m0", b"m1"]
    assert len([line for line in caplog.messages if line.startswith("Delivery stopped")]) == 1


def test_tries_become_rarer_and_end_with_the_consumer() -> None:
    world = world_with(1)
    world.store.read_error = StoreBusy("4096 reads wait for the disk")
    world.fetch({"batch": 1, "expires": 600 * S})

    world.clock.advance(60 * S)

    trouble = world.js.streams["S"].consumers["C"].trouble
    assert 15 < trouble.count < 22
    world.api("CONSUMER.DELETE.S.C")
    count = trouble.count
    world.clock.advance(60 * S)
    assert trouble.count == count


def test_a_redelivery_whose_read_was_refused_comes_later() -> None:
    world = world_with(1, ack_wait=S)
    fetch(world)
    world.store.read_error = StoreBusy("4096 reads wait for the disk")
    got = world.fetch({"batch": 1, "expires": 60 * S})
    world.clock.advance(2 * S)

    world.store.read_error = None
    world.clock.advance(limits.DELIVER_RETRY_MAX_NS)

    assert [message.payload for message in got] == [b"m0"]


def test_a_damaged_stream_does_not_move_the_position_of_its_consumers() -> None:
    world = world_with(5)
    fetch(world, 2)
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")

    got = world.fetch({"batch": 5, "expires": S})
    world.clock.advance(60 * S)

    assert got[0].block.startswith(b"NATS/1.0 408 Request Timeout")
    consumer = world.js.streams["S"].consumers["C"]
    assert consumer.pending.delivered.stream_seq == 2
    assert len(consumer.pending) == 2


def test_a_page_is_one_delivery_to_a_single_request_and_equals_single_steps() -> None:
    run = world_with(20)
    single = world_with(20)
    queue = single.js.streams["S"].consumers["C"].outlet
    queue.room = lambda: 0  # type: ignore[method-assign]

    wish = {"batch": 15, "expires": S}
    both = [[(m.subject, m.reply, m.payload) for m in w.fetch(wish)] for w in (run, single)]

    assert both[0] == both[1]
    assert len(both[0]) == 15
    assert numbers(run.info()) == numbers(single.info())


def world_with_two_subjects(**consumer: Any) -> World:
    """a b a b b, of which a consumer of `s.a` was given its two, in a batch of `batch`."""
    batch = consumer.pop("batch")
    world = World()
    world.create_stream()
    for letter in "ababb":
        world.publish(f"s.{letter}", letter.encode())
    world.create_consumer(filter_subject="s.a", **consumer)
    world.fetch({"batch": batch, "no_wait": True})
    return world


@pytest.mark.parametrize(
    "filters", [{"filter_subject": "s.b"}, {"filter_subjects": ["s.a", "s.b"]}, {}]
)
def test_other_filters_begin_behind_the_last_delivery(filters: dict[str, Any]) -> None:
    world = world_with_two_subjects(batch=2)

    world.create_consumer(**filters)

    assert world.info()["num_pending"] == 2
    again = fetch(world)
    assert [message.reply.split(b".")[5] for message in again] == [b"4", b"5"]


def test_other_filters_begin_behind_what_a_request_that_waits_was_searched_for() -> None:
    world = world_with_two_subjects(batch=10)

    world.create_consumer(filter_subject="s.b")

    assert fetch(world) == []


def test_other_filters_begin_behind_what_came_while_a_request_waited() -> None:
    world = world_with(0, filter_subject="s.a")
    got = world.fetch({"batch": 9, "expires": 60 * S})
    for letter in "abb":
        world.publish(f"s.{letter}", letter.encode())
    assert [message.payload for message in got] == [b"a"]

    world.create_consumer(filter_subjects=["s.a", "s.b"])
    world.clock.advance(0)

    assert [message.payload for message in got] == [b"a", b"b", b"b"]


def test_after_a_restart_other_filters_begin_behind_the_last_delivery() -> None:
    world = world_with_two_subjects(batch=10)
    assert world.info()["delivered"]["stream_seq"] == 3
    world.clock.advance(S)

    world.restart()
    world.create_consumer(filter_subject="s.b")

    assert [message.payload for message in fetch(world)] == [b"b", b"b"]


def test_what_comes_before_the_start_is_not_counted() -> None:
    world = world_with(1, deliver_policy="by_start_sequence", opt_start_seq=4)
    seen = []
    for _ in range(4):
        world.publish("s.a")
        seen.append(world.info()["num_pending"])

    assert seen == [0, 0, 1, 2]


@pytest.mark.parametrize("policy", ["all", "explicit"])
def test_tighter_limits_of_the_stream_reach_what_is_out(policy: str) -> None:
    world = world_with(5, ack_policy=policy)
    fetch(world, 5)

    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 2})
    world.clock.advance(S)

    assert numbers(world.info()) == (5, 3, 2, 0, 0)


@pytest.mark.parametrize("restarts", [False, True])
def test_limits_move_no_position_of_who_is_behind_them(restarts: bool) -> None:
    world = world_with(5)
    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 2})
    world.clock.advance(S)
    if restarts:
        world.restart()

    assert numbers(world.info()) == (0, 0, 0, 0, 2)
