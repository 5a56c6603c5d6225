"""What publishers are told once a transaction with their messages is on disk."""

from __future__ import annotations

from leafnode.errors import StoreFailed
from tests.unit.jetstream.world import Msg, World


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


def test_consumers_are_woken_once_for_a_transaction() -> None:
    world = held_world()
    stream = world.js.streams["S"]
    woken: list[int] = []
    for name in "abc":
        world.request(f"s.{name}", b"x")
    stream.committed = lambda: woken.append(stream.store.committed_seq())  # type: ignore[method-assign]

    world.store.commit()

    assert woken == [3]
