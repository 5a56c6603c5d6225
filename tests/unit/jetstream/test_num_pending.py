"""num_pending as clients see it, where removals, failed commits and restarts are about."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.store.stream import SqliteStream
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.jetstream.world import Msg


def lasts(directory: Path, subjects: str) -> RealWorld:
    """A stream, and a consumer that began with the last message of each subject."""
    world = RealWorld(directory / "store")
    world.create_stream()
    for subject in subjects:
        world.put("s." + subject, b"1")
    world.create_consumer(deliver_policy="last_per_subject", filter_subject="s.*")
    world.settle()
    return world


def told(messages: list[Msg]) -> list[tuple[bytes, int]]:
    """What was delivered, and how many more each said would come."""
    return [(m.subject, int(m.reply.split(b".")[-1])) for m in messages if b".C." in m.reply]


def test_what_comes_while_a_purge_is_on_its_way_counts(tmp_path: Path) -> None:
    world = lasts(tmp_path, "abzz")
    assert world.info()["num_pending"] == 3

    world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.z"}')
    for _ in range(4):
        world.publish("s.k")
    world.settle()

    assert world.info()["num_pending"] == 6
    assert told(world.fetch({"batch": 10, "no_wait": True})) == [
        *((b"s.a", 5), (b"s.b", 4)),
        *((b"s.k", left) for left in (3, 2, 1, 0)),
    ]


def test_what_comes_while_a_long_purge_goes_on_counts(tmp_path: Path) -> None:
    world = lasts(tmp_path, "ab" + "z" * 3000)
    acks = world.listen("acks")

    answers = world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.z"}')
    while not answers:
        world.publish("s.a", reply="acks")
        world.turns(1)

    assert len(acks) > 2
    assert world.info()["num_pending"] == 2 + len(acks)


@pytest.mark.parametrize("change", ["reset", "other filters"])
def test_what_a_failed_commit_undid_counts_as_before(tmp_path: Path, change: str) -> None:
    world = lasts(tmp_path, "a")
    body = {"stream_name": "S", "config": {**world.info()["config"], "filter_subject": "s.k"}}
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    for _ in range(10):
        world.publish("s.k", b"lost")
    if change == "reset":
        world.request("$JS.API.CONSUMER.RESET.S.C")
    else:
        world.request("$JS.API.CONSUMER.CREATE.S.C", json.dumps(body).encode())
    world.settle()
    world.heal()

    for _ in range(5):
        world.put("s.k")

    assert world.info()["num_pending"] == 6
    got = told(world.fetch({"batch": 10, "no_wait": True}))
    assert [left for _, left in got] == [5, 4, 3, 2, 1, 0]


def test_after_a_restart_the_last_of_each_subject_count(tmp_path: Path) -> None:
    world = lasts(tmp_path, "abzz")
    for _ in range(4):
        world.put("s.k")
    assert world.info()["num_pending"] == 7

    world.restart()

    assert world.info()["num_pending"] == 4
    world.put("s.k")
    assert world.info()["num_pending"] == 5


def test_a_value_that_was_replaced_before_it_was_delivered_does_not_count() -> None:
    world = World()
    world.create_stream(max_msgs_per_subject=1)
    for key in range(4):
        world.publish(f"s.{key}", b"1")
    world.create_consumer(ack_policy="explicit", max_ack_pending=1)
    got = world.fetch({"batch": 9, "expires": NS_PER_S})
    world.settle()
    assert told(got) == [(b"s.0", 3)]  # the others were read ahead

    world.publish("s.1", b"2")
    while len(got) < 4:
        world.publish(got[-1].reply.decode(), b"+ACK")
        world.settle()

    assert told(got) == [(b"s.0", 3), (b"s.2", 2), (b"s.3", 1), (b"s.1", 0)]


def test_a_value_that_is_being_replaced_does_not_count(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream(max_msgs_per_subject=1)
    for key in range(3):
        world.put(f"s.{key}", b"1")
    world.create_consumer()

    world.publish("s.1", b"2")  # is not on disk yet
    got = world.request("$JS.API.CONSUMER.MSG.NEXT.S.C", b'{"batch":9,"expires":1000000000}')
    world.settle()

    assert told(got) in (
        [(b"s.0", 2), (b"s.2", 1), (b"s.1", 0)],
        [(b"s.0", 1), (b"s.2", 0), (b"s.1", 0)],
    )


def test_who_has_nothing_to_deliver_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.create_stream()
    world.create_consumer(max_ack_pending=1)
    world.publish("s.a")
    assert len(world.fetch({"batch": 9, "expires": NS_PER_S})) == 1
    consumer = world.js.streams["S"].consumers["C"]
    monkeypatch.setattr(consumer, "num_pending", None)  # a call would raise

    world.publish("s.a")
    world.settle()

    assert consumer.outlet.is_used()


def test_a_consumer_that_starts_over_where_it_is_counts_and_delivers_as_before(
    tmp_path: Path,
) -> None:
    world = lasts(tmp_path, "aabbc")
    for seq in (3, 4):  # one that does not come, one that does: each subtracts one
        world.api("STREAM.MSG.DELETE.S", {"seq": seq})
    assert world.info()["num_pending"] == 1

    assert world.api("CONSUMER.RESET.S.C")["reset_seq"] == 2

    assert world.info()["num_pending"] == 1
    got = told(world.fetch({"batch": 10, "no_wait": True}))
    assert got == [(b"s.a", 0), (b"s.c", 0)]


def test_a_consumer_that_starts_over_delivers_the_last_of_each_again(tmp_path: Path) -> None:
    world = lasts(tmp_path, "aabbcc")
    assert len(told(world.fetch({"batch": 2, "no_wait": True}))) == 2

    world.api("CONSUMER.RESET.S.C")

    assert world.info()["num_pending"] == 3
    got = told(world.fetch({"batch": 10, "no_wait": True}))
    assert got == [(b"s.a", 2), (b"s.b", 1), (b"s.c", 0)]


def test_limits_take_what_was_read_ahead() -> None:
    world = World()
    world.create_stream(max_msgs=4)
    for number in range(4):
        world.publish(f"s.{number}")
    world.create_consumer()
    got = world.fetch(1)
    for number in (4, 5):
        world.publish(f"s.{number}")
    got += world.fetch(4)
    world.settle()

    assert told(got) == [(b"s.0", 3), (b"s.2", 3), (b"s.3", 2), (b"s.4", 1), (b"s.5", 0)]


@pytest.mark.parametrize("happens", ["restart", "purge"])
def test_what_is_counted_anew_is_looked_for_in_steps_before_anybody_asks(
    happens: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LISTED_PER_STEP", 2)
    world = lasts(tmp_path, "abcdefghijklzz")
    if happens == "restart":
        world.restart()
    else:
        world.request("$JS.API.STREAM.PURGE.S", b'{"filter":"s.z"}')
        world.settle()
    monkeypatch.setattr(SqliteStream, "num_subjects", None)  # nobody calls it

    assert world.info()["num_pending"] == (13 if happens == "restart" else 12)
