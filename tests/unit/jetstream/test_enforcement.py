"""Limits on what is there already: kept, but not in one turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt
from tests.unit.jetstream.archives import begin, send, take
from tests.unit.jetstream.world import Msg, World

TURN = 4


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A stream with ten messages on each of two subjects, of which a turn takes four away."""
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", TURN)
    made = World()
    made.create_stream()
    for number in range(20):
        made.publish("s.a" if number % 2 else "s.b", b"x")
    return made


def update(world: World, **config: Any) -> list[Msg]:
    body = json.dumps({"name": "S", "subjects": ["s.>"], **config})
    return world.request("$JS.API.STREAM.UPDATE.S", body.encode())


def messages(world: World) -> int:
    return world.js.streams["S"].store.state().msgs


def test_a_lower_limit_of_each_subject_holds_after_some_turns(world: World) -> None:
    answers = update(world, max_msgs_per_subject=1)

    assert (messages(world), answers) == (20 - TURN, [])
    world.settle()
    assert messages(world) == 2
    assert json.loads(answers[0].payload)["state"]["messages"] == 2


@pytest.mark.parametrize(
    ("limit", "left", "first"), [({"max_bytes": 100}, 2, 16), ({"max_msgs": 2}, 2, 2)]
)
def test_a_lower_limit_altogether_holds_after_some_turns(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: dict[str, int], left: int, first: int
) -> None:
    answers = update(world, **limit)

    assert messages(world) == first
    world.settle()
    assert messages(world) == left
    assert json.loads(answers[0].payload)["state"]["messages"] == left


def test_many_sequences_at_the_front_go_in_one_call_but_not_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 1)

    update(world, max_msgs=1)

    assert messages(world) == 4
    world.settle()
    assert messages(world) == 1


@pytest.mark.parametrize("limit", [{"max_bytes": 100}, {"max_msgs": 2}])
def test_a_stream_that_refuses_new_messages_keeps_the_old_ones(
    world: World, limit: dict[str, int]
) -> None:
    (answer,) = update(world, discard="new", **limit)

    world.settle()
    assert json.loads(answer.payload)["state"]["messages"] == messages(world) == 20
    (refused,) = world.request("s.a", b"x")
    assert json.loads(refused.payload)["error"]["err_code"] == 10077
    world.restart()
    world.settle()
    assert messages(world) == 20


def test_what_comes_meanwhile_does_not_do_it_all(world: World) -> None:
    update(world, max_msgs_per_subject=1)

    world.publish("s.a", b"x")

    assert messages(world) == 20 - TURN + 1
    world.settle()
    assert messages(world) == 2


def test_a_subject_that_was_passed_already_is_held_to_what_comes_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", TURN)
    world = World()
    world.create_stream()
    for number in range(20):
        world.publish("s.b" if number > 1 else "s.a", b"x")
    update(world, max_msgs_per_subject=1)
    store = world.js.streams["S"].store
    assert [state.msgs for _, state in store.subjects(b"s.*")] == [1, 16]

    for subject in ("s.a", "s.b", "s.a"):
        world.publish(subject, b"x")

    assert [state.msgs for _, state in store.subjects(b"s.*")] == [1, 17]
    world.settle()
    ends = [(state.first_seq, state.last_seq) for _, state in store.subjects(b"s.*")]
    assert ends == [(23, 23), (22, 22)]


def test_one_that_was_passed_and_cannot_be_looked_up_just_now_is_held_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", TURN)
    world = World()
    world.create_stream()
    for number in range(20):
        world.publish("s.b" if number > 1 else "s.a", b"x")
    update(world, max_msgs_per_subject=1)
    store = world.js.streams["S"].store
    monkeypatch.setattr(store, "approach", lambda _: False)
    for subject in ("s.a", "s.b", "s.a"):
        world.publish(subject, b"x")
    monkeypatch.setattr(store, "approach", lambda _: True)
    world.settle()

    ends = [(state.first_seq, state.last_seq) for _, state in store.subjects(b"s.*")]
    assert ends == [(23, 23), (22, 22)]


def test_what_a_message_finds_too_much_for_one_turn_goes_in_others(world: World) -> None:
    stream = world.js.streams["S"]
    stream.config.max_msgs_per_subject = 1  # as after a crash that undid removals

    world.publish("s.a", b"x")

    assert stream.store.state().msgs == 21 - TURN
    world.settle()
    assert [(name, state.msgs) for name, state in stream.store.subjects(b"s.*")] == [
        (b"s.a", 1),
        (b"s.b", 10),
    ]


def test_subjects_whose_messages_are_all_over_the_stream_take_turns(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 1024)
    monkeypatch.setattr(limits, "SEGMENT_ROWS_MAX", 1)
    world.js.streams["S"].config.max_msgs_per_subject = 1  # as after a crash that undid removals

    world.publish("s.a", b"x")

    assert messages(world) == 21 - limits.PURGE_TURN_PLACES
    world.settle()
    assert messages(world) == 11


def test_another_update_begins_anew(world: World) -> None:
    answers = update(world, max_msgs_per_subject=5) + update(world, max_msgs_per_subject=2)

    world.settle()

    assert messages(world) == 4
    assert answers == []


def test_a_large_message_that_displaces_many_small_ones(world: World) -> None:
    update(world, max_bytes=34 * 20 + 4)
    world.settle()
    assert messages(world) == 20

    world.publish("s.a", b"x" * 640)

    assert messages(world) == 21 - TURN
    world.settle()
    assert messages(world) == 1


def test_a_start_after_a_crash_takes_turns_too(world: World) -> None:
    world.js.streams["S"].config.max_bytes = 100
    world.js._store_config(world.js.streams["S"], world.js.streams["S"].config)

    world.restart()

    assert messages(world) == 2


def test_damage_is_noted_and_ends_it(world: World) -> None:
    answers = update(world, max_msgs_per_subject=1)
    world.store.error = StoreCorrupt("a bit flipped")

    world.settle()

    stream = world.js.streams["S"]
    assert stream.trouble.count == 1
    assert len(answers) == 1
    world.store.error = None
    world.publish("s.a", b"x")  # what comes next on a subject holds it
    assert messages(world) < 20 - TURN + 1


def test_a_busy_store_is_asked_again(world: World) -> None:
    answers = update(world, max_msgs_per_subject=1)
    world.store.error = StoreBusy("not now")
    world.settle()
    world.store.error = None
    assert (messages(world), answers) == (20 - TURN, [])

    world.clock.advance(limits.DELIVER_RETRY_NS)

    assert (messages(world), len(answers)) == (2, 1)


def test_a_stream_that_is_deleted_meanwhile_is_gone(world: World) -> None:
    answers = update(world, max_msgs_per_subject=1)

    world.api("STREAM.DELETE.S")
    world.settle()

    assert json.loads(answers[0].payload)["error"]["err_code"] == 10059


def test_a_restore_answers_when_its_stream_is_within_its_limits(world: World) -> None:
    data = take(world)
    world.api("STREAM.DELETE.S")

    subject = begin(world, max_msgs_per_subject=1)
    send(world, subject, data)
    answers = world.request(subject, b"")
    world.settle()

    assert json.loads(answers[0].payload)["state"]["messages"] == 2


def test_in_memory_fewer_go_together_from_the_front(world: World) -> None:
    world.create_stream("M", storage="memory")
    for _ in range(20):
        world.publish("m.a", b"x")

    body = json.dumps({"name": "M", "subjects": ["m.>"], "storage": "memory", "max_msgs": 2})
    world.request("$JS.API.STREAM.UPDATE.M", body.encode())

    assert world.js.streams["M"].store.state().msgs == 20 - 2 * TURN
    world.settle()
    assert world.js.streams["M"].store.state().msgs == 2


def test_a_value_that_cannot_be_looked_for_just_now_goes_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.create_stream("K", subjects=["k.>"], max_msgs_per_subject=1)
    world.publish("k.a", b"old")
    store = world.js.streams["K"].store

    def busy(subject: bytes) -> object:
        raise StoreBusy(f"where {subject!r} begins cannot be read")

    with monkeypatch.context() as patch:
        patch.setattr(store, "subject_state", busy)
        world.publish("k.a", b"new")
        assert store.state().msgs == 2
    world.clock.advance(10**9)

    assert store.state().msgs == 1
