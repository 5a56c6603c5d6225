"""Atomic batches (ADR-50), measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.account_options import AccountJetStream as Bounds
from leafnode.errors import StoreBusy, StoreFull
from tests.unit.jetstream.fake_store import FakeStore
from tests.unit.jetstream.world import World


def world(**config: Any) -> World:
    made = World()
    made.create_stream(**{"allow_atomic": True, "allow_rollup_hdrs": True, **config})
    return made


def put(
    world: World,
    seq: int,
    subject: str = "s.a",
    *,
    batch: str = "b",
    payload: bytes = b"x",
    **more: str,
) -> bytes:
    """Publish one message of a batch and return its answer."""
    headers = {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(seq)}
    headers |= {"Nats-" + name.replace("_", "-"): value for name, value in more.items()}
    (answer,) = world.request(subject, payload, headers=headers)
    return answer.payload


def err_code(answer: bytes) -> int:
    code: int = json.loads(answer)["error"]["err_code"]
    return code


def messages(world: World) -> int:
    count: int = world.state()["messages"]
    return count


def test_a_batch_is_stored_when_it_is_committed() -> None:
    batched = world()

    assert put(batched, 1) == b""
    assert put(batched, 2, "s.b") == b""
    assert messages(batched) == 0
    answer = put(batched, 3, Batch_Commit="1")

    assert answer == b'{"stream":"S","seq":3,"batch":"b","count":3}'
    assert messages(batched) == 3
    assert batched.store.reserved[0] == 3


def test_a_batch_costs_the_turn_of_who_commits_it() -> None:
    batched = world()
    for seq in range(1, 20):
        put(batched, seq)
    before = batched.client.outbox.work_left

    put(batched, 20, Batch_Commit="1")

    assert before - batched.client.outbox.work_left >= 20 * limits.BATCHED_WORK


def test_the_end_of_a_batch_may_be_no_message() -> None:
    batched = world()
    put(batched, 1)

    answer = put(batched, 2, payload=b"", Batch_Commit="eob")

    assert answer == b'{"stream":"S","seq":1,"batch":"b","count":1}'
    last = batched.js.streams["S"].store
    found: list[Any] = []
    last.get(1, found.append)
    assert found[0].header.endswith(b"Nats-Batch-Commit: 1\r\n\r\n")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"seq": 0}, 10176),
        ({"seq": 2}, 10176),
        ({"seq": 1001}, 10199),
        ({"seq": 2**64 - 1}, 10199),
        ({"seq": 2**64}, 10175),
        ({"seq": 10**30}, 10175),
        ({"seq": 1, "batch": "x" * 65}, 10179),
        ({"seq": 1, "Batch_Commit": "x"}, 10200),
        ({"seq": 1, "Batch_Commit": "eob"}, 10176),
        ({"seq": 1, "Required_Api_Level": "99"}, 10185),
        ({"seq": 1, "Batch_Commit": "1", "Expected_Last_Msg_Id": "q"}, 10177),
        ({"seq": 1, "Batch_Commit": "1", "Expected_Last_Sequence": "9"}, 10071),
        ({"seq": 1, "Batch_Commit": "1", "Expected_Stream": "T"}, 10060),
        ({"seq": 1, "Batch_Commit": "1", "TTL": "1"}, 10166),
        ({"seq": 1, "Batch_Commit": "1", "Stream_Source": "x"}, 10227),
    ],
)
def test_a_first_message_that_is_refused(more: dict[str, Any], code: int) -> None:
    batched = world()

    assert err_code(put(batched, more.pop("seq"), **more)) == code
    assert messages(batched) == 0


def test_a_batch_id_without_a_sequence_and_a_stream_without_batches() -> None:
    (answer,) = world().request("s.a", b"x", headers={"Nats-Batch-Id": "b"})

    assert err_code(answer.payload) == 10175
    assert err_code(put(world(allow_atomic=False), 1)) == 10174


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({"Msg_Id": "q"}, {"Msg_Id": "q"}, 10201),
        ({}, {"Expected_Last_Sequence": "0"}, 10071),
        ({}, {"Expected_Last_Sequence": "1"}, 10164),
        ({}, {"Expected_Last_Subject_Sequence": "0"}, 10164),
        ({}, {"Rollup": "sub"}, 10111),
        ({}, {"Rollup": "all"}, 10111),
    ],
)
def test_a_second_message_that_contradicts_the_first_refuses_both(
    first: dict[str, str], second: dict[str, str], code: int
) -> None:
    batched = world()
    put(batched, 1, **first)

    assert err_code(put(batched, 2, Batch_Commit="1", **second)) == code
    assert messages(batched) == 0
    assert err_code(put(batched, 3)) == 10176


def test_what_was_stored_before_is_a_repeat() -> None:
    batched = world()
    batched.publish("s.a", b"x", headers={"Nats-Msg-Id": "q"})

    assert err_code(put(batched, 1, Batch_Commit="1", Msg_Id="q")) == 10201


def test_what_comes_before_in_the_batch_fills_the_stream() -> None:
    batched = world(discard="new", max_msgs=2)
    put(batched, 1)
    put(batched, 2)

    assert err_code(put(batched, 3, Batch_Commit="1")) == 10077
    assert messages(batched) == 0


@pytest.mark.parametrize("storage", ["file", "memory"])
def test_a_batch_that_would_pass_the_bound_of_an_account_is_refused_whole(storage: str) -> None:
    batched = world(storage=storage)
    batched.js.limit(Bounds(max_file_bytes=1000, max_memory_bytes=1000))
    for seq in (1, 2):
        put(batched, seq, payload=b"x" * 300)

    answer = put(batched, 3, payload=b"x" * 300, Batch_Commit="1")

    assert (err_code(answer), messages(batched)) == (10002, 0)
    put(batched, 1, payload=b"x" * 300)
    assert b'"count":2' in put(batched, 2, payload=b"x" * 300, Batch_Commit="1")


def test_of_a_batch_only_the_last_message_may_pass_the_bound_of_the_server() -> None:
    batched = world()
    batched.js.shared.limit(max_memory_bytes=-1, max_file_bytes=1000)
    for seq in (1, 2, 3):
        put(batched, seq, payload=b"x" * 500)

    answer = put(batched, 4, payload=b"x", Batch_Commit="1")

    assert (err_code(answer), messages(batched)) == (10023, 0)
    put(batched, 1, payload=b"x" * 500)
    assert b'"count":2' in put(batched, 2, payload=b"x" * 900, Batch_Commit="1")


def test_a_message_of_a_batch_for_which_the_account_has_no_room_never_came() -> None:
    batched = world()
    batched.js.limit(Bounds(max_file_bytes=1000))

    assert err_code(put(batched, 1, payload=b"x" * 2000)) == 10002

    assert put(batched, 1) == b""
    assert b'"count":2' in put(batched, 2, Batch_Commit="1")


@pytest.mark.parametrize(("config", "left"), [({"max_msgs": 3}, 3), ({"max_bytes": 300}, 3)])
def test_limits_of_the_stream_hold_when_a_batch_is_stored(
    config: dict[str, int], left: int
) -> None:
    batched = world(**config)
    for seq in range(1, 9):
        put(batched, seq)

    put(batched, 9, Batch_Commit="1")

    assert (batched.state()["messages"], batched.state()["last_seq"]) == (left, 9)


def test_limits_hold_for_every_subject_of_a_batch() -> None:
    batched = world(max_msgs_per_subject=1)
    for seq, subject in enumerate(["s.a", "s.a", "s.b"], 1):
        put(batched, seq, subject)

    put(batched, 4, "s.b", Batch_Commit="1")

    assert messages(batched) == 2


@pytest.mark.parametrize(
    ("seqs", "reason"), [([1, 3], "incomplete"), ([1, 2, 3, 4], "large"), ([1], "timeout")]
)
def test_a_batch_that_is_given_up_is_told(
    monkeypatch: pytest.MonkeyPatch, seqs: list[int], reason: str
) -> None:
    monkeypatch.setattr(limits, "ATOMIC_MSGS_MAX", 3)
    batched = world()
    heard = batched.listen("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S")

    for seq in seqs:
        put(batched, seq)
    batched.clock.advance(limits.ATOMIC_IDLE_NS)

    (told,) = [json.loads(one.payload) for one in heard]
    assert (told["batch"], told["reason"]) == ("b", reason)


def test_a_message_now_and_then_keeps_a_batch_open() -> None:
    batched = world()
    put(batched, 1)
    batched.clock.advance(9 * NS_PER_S)
    put(batched, 2)
    batched.clock.advance(9 * NS_PER_S)

    assert b'"count":3' in put(batched, 3, Batch_Commit="1")


def test_so_many_open_batches_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATOMIC_OPEN_MAX", 2)
    batched = world()
    put(batched, 1, batch="1")
    put(batched, 1, batch="2")

    assert err_code(put(batched, 1, batch="3")) == 10210
    put(batched, 2, batch="1", Batch_Commit="1")
    assert put(batched, 1, batch="3") == b""


def test_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATOMIC_OPEN_BYTES", 300)
    batched = world()
    put(batched, 1, payload=b"x" * 100)

    assert err_code(put(batched, 2, payload=b"x" * 200)) == 10199
    assert put(batched, 1, payload=b"x" * 200) == b""


def test_so_many_bytes_of_all_streams_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ATOMIC_OPEN_TOTAL_BYTES", 2 * 640 + 600)
    batched = world()
    batched.create_stream("T", allow_atomic=True)
    told = batched.listen("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.T")
    tally = batched.js.context.open_atomic
    put(batched, 1, payload=b"x" * 400)

    assert err_code(put(batched, 1, "t.a", payload=b"x" * 200)) == 10210
    assert json.loads(told[0].payload)["reason"] == "large"
    assert put(batched, 1, "t.a") == b""
    assert put(batched, 2, Batch_Commit="1") != b""  # this one does not wait
    assert put(batched, 1, payload=b"x" * 200) == b""
    batched.clock.advance(limits.ATOMIC_IDLE_NS)
    assert (tally.count, tally.bytes) == (0, 0)
    put(batched, 1)
    batched.api("STREAM.DELETE.S")
    assert (tally.count, tally.bytes) == (0, 0)


def test_without_atomic_publishing_open_batches_are_gone() -> None:
    batched = world()
    put(batched, 1)

    batched.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "allow_rollup_hdrs": True})
    batched.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "allow_atomic": True})

    assert err_code(put(batched, 2)) == 10176


def test_a_store_that_has_no_room_takes_nothing_of_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batched = world()
    put(batched, 1)

    def busy(self: FakeStore, rows: int, size: int) -> None:
        raise StoreBusy(f"{rows} rows, {size} bytes")

    monkeypatch.setattr(FakeStore, "reserve", busy)
    answer = put(batched, 2, Batch_Commit="1")

    assert b"10167" in answer
    assert messages(batched) == 0


def test_the_acknowledgement_waits_for_the_commit() -> None:
    batched = world()
    put(batched, 1)
    batched.store.hold()
    headers = {"Nats-Batch-Id": "b", "Nats-Batch-Sequence": "2", "Nats-Batch-Commit": "1"}

    answers = batched.request("s.a", b"x", headers=headers)
    assert answers == []
    batched.store.fail(StoreFull("full"))

    assert b'"error"' in answers[0].payload
    assert messages(batched) == 0


def test_what_goes_for_a_subject_s_limit_makes_room_for_the_others() -> None:
    """Asked nats-server: message by message, seq 1 is never over the limit."""
    batched = world(max_msgs=3, max_msgs_per_subject=1)
    batched.publish("s.c", b"1")
    batched.publish("s.b", b"2")
    batched.publish("s.a", b"3")
    put(batched, 1, "s.b")
    put(batched, 2, "s.a", Batch_Commit="1")

    state = batched.state()
    assert (state["messages"], state["first_seq"]) == (3, 1)


def test_a_schedule_may_be_one_of_a_batch() -> None:
    batched = world(allow_msg_schedules=True)
    plan = {"Schedule": "@every 2s", "Schedule_Target": "s.t"}
    put(batched, 1)

    assert b'"count":2' in put(batched, 2, "s.plan", Batch_Commit="1", **plan)
    batched.clock.advance(3 * NS_PER_S)
    assert messages(batched) == 3
