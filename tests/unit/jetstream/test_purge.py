"""STREAM.PURGE in all its forms, measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt
from leafnode.jetstream import purge
from tests.unit.jetstream.world import World


def filled() -> World:
    world = World()
    world.create_stream()
    for number in range(10):
        world.publish("s.a" if number % 2 == 0 else "s.b", b"x")
    return world


@pytest.mark.parametrize(
    ("body", "purged", "first_seq", "last_seq"),
    [
        (None, 10, 11, 10),
        (b"junk", 10, 11, 10),
        ({"seq": 1}, 0, 1, 10),
        ({"seq": 5}, 4, 5, 10),
        ({"seq": 20}, 10, 20, 19),
        ({"keep": 2}, 8, 9, 10),
        ({"keep": 20}, 0, 1, 10),
        ({"filter": "s.a"}, 5, 2, 10),
        ({"filter": "s.a", "keep": 2}, 3, 2, 10),
        ({"filter": "s.b", "seq": 7}, 3, 1, 10),
        ({"filter": "s.b", "seq": 2**64 - 1}, 5, 1, 10),
        ({"filter": "s.*", "keep": 3}, 7, 8, 10),
        ({"filter": "zz"}, 0, 1, 10),
    ],
)
@pytest.mark.parametrize("few", [0, 16])
def test_each_form_removes_what_it_says(
    monkeypatch: pytest.MonkeyPatch,
    body: object,
    purged: int,
    first_seq: int,
    last_seq: int,
    *,
    few: int,
) -> None:
    monkeypatch.setattr(purge, "_FEW_SUBJECTS", few)
    world = filled()

    assert world.api("STREAM.PURGE.S", body)["purged"] == purged

    state = world.state()
    assert (state["first_seq"], state["last_seq"]) == (first_seq, last_seq)


def test_seq_and_keep_exclude_each_other() -> None:
    answer = filled().api("STREAM.PURGE.S", {"seq": 2, "keep": 1})

    assert answer["error"]["err_code"] == 10003
    assert answer["purged"] == 0


def test_the_answer_waits_for_the_commit() -> None:
    world = filled()
    world.store.hold()

    answers = world.request("$JS.API.STREAM.PURGE.S")
    assert answers == []
    world.store.commit()

    assert b'"success":true,"purged":10' in answers[0].payload


@pytest.mark.parametrize(
    ("body", "slices"),
    [({"seq": 9}, [7, 4, 2]), ({"keep": 1}, [7, 4, 1])],
)
def test_a_long_purge_of_the_front_gives_the_loop_its_turn(
    monkeypatch: pytest.MonkeyPatch, body: dict[str, int], slices: list[int]
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_ROWS", 3)
    world = World()
    world.create_stream()
    for _ in range(10):
        world.publish("s.a", b"x")
    store = world.js.streams["S"].store

    answers = world.request("$JS.API.STREAM.PURGE.S", json.dumps(body).encode())
    left = [store.state().msgs]
    while not answers:
        world.clock.turn()
        left.append(store.state().msgs)

    assert left[: len(slices)] == slices
    assert json.loads(answers[0].payload)["purged"] == 10 - slices[-1]


def test_what_comes_while_everything_is_purged_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_ROWS", 3)
    world = filled()

    answers = world.request("$JS.API.STREAM.PURGE.S", b"{}")
    assert (answers, world.state()["messages"]) == ([], 7)
    world.publish("s.a", b"new")
    while not answers:
        world.clock.turn()

    assert json.loads(answers[0].payload)["purged"] == 10
    state = world.state()
    assert (state["messages"], state["first_seq"], state["last_seq"]) == (1, 11, 11)


def test_a_long_filtered_purge_gives_the_loop_its_turn() -> None:
    world = World()
    world.create_stream()
    for _ in range(limits.PURGE_TURN_MSGS + 1):
        world.publish("s.a", b"x")

    answers = world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.a"}')
    assert answers == []
    assert world.state()["messages"] == 1
    world.clock.advance(0)

    assert b'"purged":1025' in answers[0].payload


def test_consumers_follow_a_purge() -> None:
    world = filled()
    world.create_consumer()
    world.create_consumer(name="B", filter_subject="s.b")
    world.fetch({"batch": 3, "expires": 10**9})

    world.api("STREAM.PURGE.S")

    for name in ("C", "B"):
        info = world.info(name=name)
        assert info["delivered"]["stream_seq"] == info["ack_floor"]["stream_seq"] == 10
        assert (info["num_ack_pending"], info["num_pending"]) == (0, 0)


def test_a_filtered_purge_moves_only_consumers_of_these_subjects() -> None:
    world = filled()
    world.create_consumer(name="A", filter_subject="s.a")
    world.create_consumer(name="ALL")

    world.api("STREAM.PURGE.S", {"filter": "s.a"})

    assert world.info(name="A")["delivered"]["stream_seq"] == 10
    assert world.info(name="A")["num_pending"] == 0
    assert world.info(name="ALL")["num_pending"] == 5


def test_a_purge_goes_on_later_where_each_message_needs_another_part_of_the_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SEGMENT_ROWS_MAX", 2)
    world = filled()
    for _ in range(20):
        world.publish("s.c", b"x")
        world.publish("s.d", b"x")

    answers = world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.c"}')
    assert world.state()["messages"] == 50 - limits.PURGE_TURN_PLACES
    world.clock.advance(1)

    assert json.loads(answers[0].payload)["purged"] == 20
    assert world.state()["messages"] == 30


def test_the_newest_that_are_kept_are_looked_for_in_turns_and_later_ones_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 1)  # for one question a turn
    world = filled()

    answers = world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.*","keep":3}')
    assert (answers, world.state()["messages"]) == ([], 10)
    world.publish("s.a", b"later")
    world.settle()

    assert json.loads(answers[0].payload)["purged"] == 7
    assert (world.state()["messages"], world.state()["first_seq"]) == (4, 8)


def test_of_many_subjects_the_stream_is_walked_through_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(purge, "_FEW_SUBJECTS", 0)
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 4)
    world = filled()
    store = world.js.streams["S"].store

    answers = world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.a","seq":8}')
    left = [store.state().msgs]
    world.publish("s.a", b"later")
    while not answers:
        world.clock.turn()
        left.append(store.state().msgs)

    assert left[:2] == [8, 7]
    assert json.loads(answers[0].payload)["purged"] == 4
    assert store.live(1, 99) == [2, 4, 6, 8, 9, 10, 11]


def test_what_cannot_be_looked_for_just_now_is_looked_for_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = filled()
    store = world.js.streams["S"].store
    count, refused = store.num_pending, iter([True, True, False])

    def busy_at_first(patterns: list[bytes], start_seq: int) -> Any:
        if next(refused, False):
            raise StoreBusy("not now")
        return count(patterns, start_seq)

    monkeypatch.setattr(store, "num_pending", busy_at_first)
    answers = world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.*","keep":3}')
    world.clock.advance(10 * limits.DELIVER_RETRY_NS)
    world.settle()

    assert json.loads(answers[0].payload)["purged"] == 7


def test_one_question_finds_where_all_consumers_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = filled()
    for name in ("A", "B", "C"):
        world.create_consumer(name=name, filter_subject="s.*" if name == "C" else "s.a")
    store = world.js.streams["S"].store
    asked: list[tuple[int, list[bytes]]] = []
    read = store.read

    def counted(start_seq: int, patterns: list[bytes], *rest: Any) -> None:
        asked.append((start_seq, patterns))
        read(start_seq, patterns, *rest)

    def unasked(*patterns: bytes) -> Any:
        raise AssertionError(f"each subject of {patterns} is looked at")

    monkeypatch.setattr(store, "read", counted)
    monkeypatch.setattr(store, "subjects", unasked)
    world.api("STREAM.PURGE.S", {"filter": "s.*", "seq": 6})

    assert asked == [(6, [b"s.*"])]
    assert [world.info(name=name)["delivered"]["stream_seq"] for name in "ABC"] == [5, 5, 5]


def test_consumers_follow_a_purge_that_leaves_nothing_behind_a_busy_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = filled()
    world.create_consumer(name="A", filter_subject="s.a")
    store = world.js.streams["S"].store

    def busy(*_: object) -> None:
        raise StoreBusy("too many reads wait")

    with monkeypatch.context() as patch:
        patch.setattr(store, "read", busy)
        world.api("STREAM.PURGE.S", {"filter": "s.a", "seq": 10})
    world.publish("s.b", b"x")
    assert world.info(name="A")["delivered"]["stream_seq"] == 9

    world.clock.advance(10**9)

    assert world.info(name="A")["delivered"]["stream_seq"] == 10  # not over what came since


def test_who_wants_something_else_by_the_time_misses_nothing_for_a_purge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = filled()
    world.create_consumer(name="A", filter_subject="s.a")
    config = world.info(name="A")["config"]
    store = world.js.streams["S"].store

    def busy(*_: object) -> None:
        raise StoreBusy("too many reads wait")

    with monkeypatch.context() as patch:
        patch.setattr(store, "read", busy)
        world.api("STREAM.PURGE.S", {"filter": "s.a", "seq": 10})
        changed = config | {"filter_subject": "s.new"}
        world.api("CONSUMER.CREATE.S.A", {"stream_name": "S", "config": changed})
        world.publish("s.new", b"new")
    world.clock.advance(10**9)

    got = world.fetch({"batch": 1, "expires": 10**9}, name="A")
    assert [msg.subject for msg in got] == [b"s.new"]


def test_a_consumer_goes_nowhere_in_a_stream_that_is_damaged() -> None:
    world = filled()
    world.create_consumer(name="A", filter_subject="s.a")
    stream = world.js.streams["S"]
    world.store.hold()
    world.request("$JS.API.STREAM.PURGE.S", b'{"filter": "s.a"}')
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")

    world.store.commit()

    assert stream.consumers["A"].pending.delivered.stream_seq == 0


def test_a_filtered_purge_leaves_alone_who_wants_other_subjects() -> None:
    world = filled()
    for name, wanted in (("A", "s.a"), ("B", "s.b"), ("ALL", "s.*")):
        world.create_consumer(name=name, filter_subject=wanted)
        world.fetch({"batch": 2, "expires": 10**9}, name=name)

    world.api("STREAM.PURGE.S", {"filter": "s.a", "seq": 8})

    floors = [world.info(name=name)["ack_floor"]["stream_seq"] for name in ("A", "B", "ALL")]
    assert floors == [8, 0, 1]


def test_what_is_out_and_was_purged_from_among_others_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 2)
    world = filled()
    world.create_consumer(max_ack_pending=6)
    out = world.fetch({"batch": 6, "expires": 10**9})
    more = world.fetch({"batch": 2, "expires": 10**9})
    assert (len(out), more) == (6, [])

    answers = world.request("$JS.API.STREAM.PURGE.S", b'{"filter": "s.b", "keep": 1}')
    world.settle()

    assert b'"purged":4' in answers[0].payload
    info = world.info()
    assert info["num_ack_pending"] == 3 + len(more)
    assert [msg.reply.split(b".")[5] for msg in more] == [b"7", b"9"]
    assert info["ack_floor"] | {"last_active": ""} == {
        "consumer_seq": 6,
        "stream_seq": 0,
        "last_active": "",
    }


def test_what_is_out_of_a_stream_that_cannot_be_read_just_now_is_found_out_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = filled()
    world.create_consumer()
    world.fetch({"batch": 6, "expires": 10**9})
    consumer = world.js.streams["S"].consumers["C"]

    def busy(seq: int) -> bytes | None:
        raise StoreBusy(f"{seq} cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(consumer.stream.store, "subject_of", busy)
        world.request("$JS.API.STREAM.PURGE.S", b'{"filter": "s.b"}')
        world.settle()

    assert (len(consumer.pending), consumer.trouble.count) == (6, 1)
    world.clock.advance(limits.DELIVER_RETRY_NS)
    assert len(consumer.pending) == 3


@pytest.mark.parametrize(("purged", "left"), [(1, 3), (2, 1)])
def test_who_began_with_the_last_ones_counts_those_after_a_purge_of_several(
    purged: int, left: int
) -> None:
    world = World()
    world.create_stream()
    world.create_consumer("S", "C", deliver_policy="last_per_subject", filter_subject=">")
    for subject in ["s.a"] * 3 + ["s.b"] * purged:
        world.publish(subject, b"x")
    assert world.info("S", "C")["num_pending"] == 3 + purged

    assert world.api("STREAM.PURGE.S", {"filter": "s.b"})["purged"] == purged

    assert world.info("S", "C")["num_pending"] == left
    assert len(world.fetch({"batch": 9, "no_wait": True}, "S", "C")) == 3 + 1  # and a 404
    world.publish("s.a", b"x")
    assert world.info("S", "C")["num_pending"] == 1


@pytest.mark.parametrize(
    ("count", "pattern", "storage", "told"),
    [
        (1, "s.b", "file", 1),
        (1, "s.b", "memory", 1),
        (2, "s.b", "file", 0),
        (1, "*.b", "file", 0),  # nats-server's file store says the pattern, not the subject
        (1, "*.b", "memory", 1),
    ],
)
def test_a_purge_of_one_message_that_was_out_is_told_like_its_deletion(
    count: int, pattern: str, storage: str, told: int
) -> None:
    world = World()
    world.create_stream(storage=storage)
    world.create_consumer("S", "C", filter_subjects=["s.b"])
    for subject in ["s.a"] + ["s.b"] * count:
        world.publish(subject, b"x")
    assert len(world.fetch({"batch": count}, "S", "C")) == count
    heard = world.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.C")

    assert world.api("STREAM.PURGE.S", {"filter": pattern})["purged"] == count

    advisories = [json.loads(one.payload) for one in heard]
    assert [(one["stream_seq"], one["reason"]) for one in advisories] == [
        (2, "Unacknowledged message was deleted")
    ] * told
    assert world.info("S", "C")["num_ack_pending"] == 0


def test_that_is_told_before_something_else_is_on_disk() -> None:
    world = World()
    world.create_stream()
    world.create_consumer("S", "C")
    world.publish("s.a", b"x")
    assert len(world.fetch({"batch": 1}, "S", "C")) == 1
    heard = world.listen("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.C")
    world.store.hold()
    world.publish("s.b", b"x")
    world.store.after_commit(lambda _error: world.publish("s.b", b"x"))

    world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.a"}')
    world.store.commit()
    assert len(heard) == 1
    world.store.commit()

    assert len(heard) == 1
    assert world.info("S", "C")["num_ack_pending"] == 0
