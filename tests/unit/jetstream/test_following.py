"""Consumers follow a purge in slices, and who asked for it hears when all of them did."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreCorrupt
from leafnode.jetstream.consumer import Consumer
from tests.unit.jetstream.world import Msg, World


def out_of(monkeypatch: pytest.MonkeyPatch, names: str, **config: object) -> World:
    """Ten messages, a and b in turn, that each of these consumers has out; small slices."""
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 4)
    world = World()
    world.create_stream()
    for number in range(10):
        world.publish("s.b" if number % 2 else "s.a", b"x")
    for name in names:
        world.create_consumer(name=name, **config)
        got = world.fetch({"batch": 10, "expires": NS_PER_S}, name=name)
        assert len(got) >= 5
    return world


def purge(world: World, **body: object) -> list[Msg]:
    return world.request("$JS.API.STREAM.PURGE.S", json.dumps(body).encode())


def out(world: World) -> list[int]:
    return [len(one.pending) for one in world.js.streams["S"].consumers.values()]


def test_they_look_in_slices_and_the_answer_comes_when_all_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = out_of(monkeypatch, "CDE")

    answers = purge(world, filter="s.b")
    seen = [out(world)]
    while not answers:
        world.clock.turn()
        seen.append(out(world))

    assert seen[-1] == [5, 5, 5]
    assert len(seen) > 6
    for before, after in pairwise(seen):
        assert sum(before) - sum(after) <= 4
    assert json.loads(answers[0].payload)["purged"] == 5


@pytest.mark.parametrize("config", [{}, {"filter_subject": "s.b"}])
def test_many_begin_anew_in_slices(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, object]
) -> None:
    world = out_of(monkeypatch, "CDEFGHI", **config)
    answers = purge(world, filter="s.b") if config else purge(world)
    seen = [sum(map(bool, out(world)))]
    while not answers:
        world.clock.turn()
        seen.append(sum(map(bool, out(world))))

    assert seen[-2:] == [3, 0]


def test_a_consumer_that_is_deleted_meanwhile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    world = out_of(monkeypatch, "CDE")
    answers = purge(world, filter="s.b")
    while out(world)[0] == 10:
        world.clock.turn()
    world.api("CONSUMER.DELETE.S.C")
    world.api("CONSUMER.DELETE.S.D")
    world.settle()

    assert len(answers) == 1
    assert out(world) == [5]


def test_a_stream_that_is_deleted_meanwhile_was_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    world = out_of(monkeypatch, "CDE")
    answers = purge(world, filter="s.b")
    while out(world)[0] == 10:
        world.clock.turn()
    assert not answers

    world.api("STREAM.DELETE.S")

    assert json.loads(answers[0].payload)["purged"] == 5
    world.settle()
    assert len(answers) == 1


def test_one_that_is_damaged_is_not_looked_at_further(monkeypatch: pytest.MonkeyPatch) -> None:
    world = out_of(monkeypatch, "CD")
    answers = purge(world, filter="s.b")
    while out(world)[0] == 10:
        world.clock.turn()
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")
    world.settle()

    assert len(answers) == 1
    assert world.js.streams["S"].trouble.count == 1


def test_purges_that_are_not_followed_yet_count_as_those_that_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ERRANDS_MAX", 2)
    world = out_of(monkeypatch, "CDE")
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", 8)  # each is removed at once

    answers = [purge(world, filter="s.b", keep=left) for left in (3, 2, 1)]
    world.settle()

    told = [json.loads(one.payload) for (one,) in answers]
    assert [one.get("purged") for one in told] == [2, 1, 0]
    assert told[2]["error"]["err_code"] == 10167
    last = purge(world, filter="s.b")
    world.settle()
    assert json.loads(last[0].payload)["purged"] == 2


def test_who_is_beyond_what_was_purged_keeps_what_it_has_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.create_stream(allow_rollup_hdrs=True)
    for number in range(4):
        world.publish(f"s.{number % 2}")
    for name, batch in (("C", 4), ("D", 1)):
        world.create_consumer(name=name, ack_policy="none")
        world.fetch({"batch": batch, "no_wait": True}, name=name)
    moved: list[str] = []
    monkeypatch.setattr(Consumer, "purged", lambda self, _: moved.append(self.name))

    world.publish("s.0", headers={"Nats-Rollup": "sub"})
    world.publish("s.1", headers={"Nats-Rollup": "sub"})
    world.settle()

    assert set(moved) == {"D"}
