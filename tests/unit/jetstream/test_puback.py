"""What publishers are told once a transaction with their messages is on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreFailed
from tests.unit.jetstream.world import Msg, World

if TYPE_CHECKING:
    import pytest


def payloads(answers: list[Msg]) -> list[bytes]:
    return [answer.payload for answer in answers]


def held_world() -> World:
    world = World()
    world.create_stream(max_msg_size=3)
    world.store.hold()
    return world


def test_all_runs_of_one_transaction_are_answered_by_one_callback() -> None:
    world = held_world()

    answers = [world.request(f"s.{name}", b"x") for name in "abc"]

    assert len(world.store.callbacks) == 1
    assert [payloads(one) for one in answers] == [[], [], []]
    world.store.commit()
    assert [payloads(one) for one in answers] == [
        [b'{"stream":"S","seq":%d}' % seq] for seq in (1, 2, 3)
    ]


def test_a_transaction_has_answers_of_its_own() -> None:
    world = held_world()
    first = world.request("s.a", b"x")
    world.store.commit()

    second = world.request("s.a", b"y")

    assert (payloads(first), payloads(second)) == ([b'{"stream":"S","seq":1}'], [])
    world.store.commit()
    assert payloads(second) == [b'{"stream":"S","seq":2}']


def test_what_somebody_else_waits_for_in_between_keeps_its_place() -> None:
    world = held_world()
    told: list[str] = []
    world.request("s.a", b"x")
    world.store.after_commit(lambda _: told.append("between"))

    world.request("s.a", b"y")

    assert len(world.store.callbacks) == 3


def test_a_failed_transaction_fails_what_it_held_and_leaves_refusals_as_they_are() -> None:
    world = held_world()
    stored = world.request("s.a", b"x")
    refused = world.request("s.a", b"xxxx")

    world.store.fail(StoreFailed("no disk"))

    assert b'"err_code":10077' in payloads(stored)[0]
    assert b'"err_code":10054' in payloads(refused)[0]


def test_so_many_answers_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWERS_WAITING_MAX", 4)
    world = held_world()
    stream = world.js.streams["S"]
    waiting = [world.request("s.a", b"x" * size) for size in (1, 4, 4, 4)]
    repeat = world.request("s.a", b"x", headers={"Nats-Msg-Id": "1"})
    world.publish("s.b", b"x")

    assert [payloads(one) for one in waiting] == [[], [], [], []]
    assert b'"err_code":10167' in repeat[0].payload
    assert repeat[0].block.startswith(b"NATS/1.0 429")
    assert (stream.refused, stream.store.last_seq()) == (1, 2)

    world.store.commit()
    assert world.js.context.answers.count == 0
    assert [len(one) for one in waiting] == [1, 1, 1, 1]
    assert len(world.request("s.a", b"xxxx")) == 1


def test_answers_that_a_failure_ends_wait_no_more() -> None:
    world = held_world()
    world.request("s.a", b"x")

    world.store.fail(StoreFailed("no disk"))

    assert world.js.context.answers.count == 0


def test_consumers_are_woken_once_for_a_transaction() -> None:
    world = held_world()
    stream = world.js.streams["S"]
    woken: list[int] = []
    for name in "abc":
        world.request(f"s.{name}", b"x")
    stream.committed = lambda: woken.append(stream.store.committed_seq())  # type: ignore[method-assign]

    world.store.commit()

    assert woken == [3]
