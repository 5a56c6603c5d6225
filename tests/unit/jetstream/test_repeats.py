"""What is kept of schedules that repeat: when each is due next, once it has sent something."""

from __future__ import annotations

import sqlite3
import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from leafnode.errors import StoreFull
from leafnode.jetstream import repeats
from leafnode.jetstream.scheduler import Scheduler
from tests.sim.committer import SMALL
from tests.unit.jetstream.archives import give, take
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.test_scheduler import at, put, stored, world

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.jetstream.world import World


def kept(world: World) -> dict[str, bytes]:
    """The records by what stands behind their prefix."""
    return {
        one.name[len(repeats.PREFIX) :]: one.state
        for one in world.store.consumers("$G", "S")
        if one.name.startswith(repeats.PREFIX)
    }


def sent(world: World) -> int:
    return len(stored(world, "t.1"))


def again(world: World) -> None:
    world.js.shut_down()
    world.restart()
    world.clock.advance(NS_PER_S)


@pytest.mark.parametrize("pattern", ["@every 100s", "0 */2 * * * *"])
@pytest.mark.parametrize("left", [0, 1], ids=["all", "newest"])
def test_what_was_sent_is_not_sent_again_though_it_has_left(pattern: str, left: int) -> None:
    planned = world()
    put(planned, pattern)
    planned.clock.advance(330 * NS_PER_S)
    count = sent(planned)
    for one in stored(planned, "t.1")[left:]:
        assert planned.api("STREAM.MSG.DELETE.S", {"seq": one.seq})["success"]

    for _ in range(3):
        again(planned)
    assert (count > 1, sent(planned)) == (True, left)

    planned.clock.advance(120 * NS_PER_S)
    assert sent(planned) == left + 1


def test_what_came_due_while_the_server_was_down_is_sent_once() -> None:
    planned = world()
    put(planned, "@every 100s")
    planned.clock.advance(130 * NS_PER_S)
    planned.api("STREAM.PURGE.S", {"filter": "t.1"})
    planned.js.shut_down()
    planned.clock.advance(500 * NS_PER_S)
    planned.restart()

    planned.clock.advance(NS_PER_S)
    assert sent(planned) == 1
    planned.api("STREAM.PURGE.S", {"filter": "t.1"})
    again(planned)

    assert sent(planned) == 0


def test_a_store_without_records_is_read_by_what_was_sent() -> None:
    planned = world()
    put(planned, "@every 100s")
    planned.clock.advance(230 * NS_PER_S)
    for name in kept(planned):
        planned.store.delete_consumer("$G", "S", repeats.PREFIX + name)

    again(planned)
    assert sent(planned) == 2
    planned.clock.advance(80 * NS_PER_S)

    assert sent(planned) == 3
    assert list(kept(planned)) == ["0"]


def test_those_that_stand_together_share_a_record() -> None:
    planned = world()
    for number in range(3):
        put(planned, "@every 10s", subject=f"s.{number}")
    put(planned, at(planned, 5), subject="s.once")
    planned.clock.advance(15 * NS_PER_S)
    assert {name: len(state) for name, state in kept(planned).items()} == {"0": 30}

    planned.api("STREAM.PURGE.S", {"filter": "t.1"})
    again(planned)

    assert sent(planned) == 0
    planned.clock.advance(10 * NS_PER_S)
    assert sent(planned) == 3


def test_far_from_each_other_each_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "SPAN", 4)
    planned = world()
    for number in range(3):
        put(planned, "@every 100s", subject=f"s.{number}")
        for _ in range(4):
            planned.publish("s.other", b"x")
    planned.clock.advance(101 * NS_PER_S)
    assert sorted(kept(planned)) == ["0", "4", "8"]

    planned.api("STREAM.PURGE.S", {"filter": "t.1"})
    again(planned)

    assert sent(planned) == 0


@pytest.mark.parametrize("how", ["another", "once", "no schedule", "ended"])
def test_a_record_goes_with_what_its_schedule_goes_with(how: str) -> None:
    planned = world()
    put(planned, "@every 100s")
    planned.clock.advance(101 * NS_PER_S)
    assert list(kept(planned)) == ["0"]

    if how == "another":
        put(planned, "@every 50s")
    elif how == "once":
        put(planned, at(planned, 50))
    elif how == "no schedule":
        planned.publish("s.1", b"x")
    else:
        end = {"Nats-Schedule-Next": "purge", "Nats-Scheduler": "s.1"}
        planned.publish("t.1", b"end", headers=end)

    assert kept(planned) == {}
    planned.api("STREAM.PURGE.S", {"filter": "t.1"})
    again(planned)
    assert sent(planned) == 0


@pytest.mark.parametrize("when", ["due", "start"])
def test_a_record_of_what_was_purged_goes(when: str) -> None:
    planned = world()
    put(planned, "@every 100s")
    put(planned, "@every 100s", subject="s.2")
    planned.clock.advance(101 * NS_PER_S)
    planned.api("STREAM.PURGE.S", {"filter": "s.1"})

    if when == "due":
        planned.clock.advance(100 * NS_PER_S)
    else:
        again(planned)

    assert {name: len(state) for name, state in kept(planned).items()} == {"0": 10}
    planned.api("STREAM.PURGE.S", {"filter": "s.2"})
    planned.clock.advance(200 * NS_PER_S)
    assert kept(planned) == {}


def test_a_stream_of_that_name_that_is_made_anew_knows_nothing_of_it() -> None:
    planned = world()
    put(planned, "@every 100s")
    planned.clock.advance(101 * NS_PER_S)
    planned.api("STREAM.DELETE.S")
    planned.create_stream(subjects=["s.>", "t.>"], allow_msg_schedules=True)
    put(planned, "@every 10s")

    again(planned)
    planned.clock.advance(10 * NS_PER_S)

    assert sent(planned) == 1


def test_it_is_kept_only_with_what_was_sent() -> None:
    planned = world()
    put(planned, "@every 1000s")
    planned.store.hold()
    planned.clock.advance(1001 * NS_PER_S)
    planned.store.fail(StoreFull("full"))
    planned.store.holding = False
    assert kept(planned) == {}

    planned.clock.advance(NS_PER_S)

    assert sent(planned) == 1


def real(tmp_path: Path) -> RealWorld:
    planned = RealWorld(tmp_path / "store")
    planned.create_stream(allow_msg_schedules=True, allow_msg_ttl=True)
    headers = {"Nats-Schedule": "@every 100s", "Nats-Schedule-Target": "s.due"}
    planned.put("s.1", b"x", headers=headers)
    return planned


def subjects(planned: RealWorld) -> dict[str, int]:
    answer = planned.api("STREAM.INFO.S", {"subjects_filter": ">"})
    found: dict[str, int] = answer["state"]["subjects"]
    return found


def passes(planned: RealWorld, seconds: int) -> None:
    for _ in range(seconds):
        planned.clock.advance(NS_PER_S)
        planned.settle()


def test_a_commit_that_fails_has_nothing_sent_again(tmp_path: Path) -> None:
    planned = real(tmp_path)
    passes(planned, 101)
    planned.api("STREAM.PURGE.S", {"filter": "s.due"})
    planned.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    assert "error" in planned.put("s.2", b"not stored")
    planned.heal()

    passes(planned, 50)
    assert subjects(planned) == {"s.1": 1}
    passes(planned, 50)

    assert subjects(planned) == {"s.1": 1, "s.due": 1}


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_one_commit_holds_what_was_sent_and_when_the_next_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    planned = RealWorld(tmp_path / "store", replace(SMALL, commit_rows_max=3))
    planned.create_stream(allow_msg_schedules=True)
    for number in range(12):
        headers = {"Nats-Schedule": "@every 100s", "Nats-Schedule-Target": f"s.due.{number}"}
        planned.put(f"s.{number}", b"x", headers=headers)
    planned.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC, spared=commits)
    planned.clock.advance(101 * NS_PER_S)
    planned.turns(10)

    monkeypatch.setattr(Scheduler, "open", lambda _: None)
    planned.die()

    numbers = {int(one.rsplit(".", 1)[1]) for one in subjects(planned) if "due" in one}
    entries = sorted(place - 1 for place, _ in struct.iter_unpack("<Hq", kept(planned)["0"]))
    assert entries == sorted(numbers)
    assert 0 < len(entries) < 12


def restored(planned: World, after_s: int, left: int) -> None:
    """Of what was sent the first `left` messages are there, and the stream goes through an archive
    that lies for so long.
    """
    for one in stored(planned, "t.1")[left:]:
        planned.api("STREAM.MSG.DELETE.S", {"seq": one.seq})
    data = take(planned)
    planned.api("STREAM.DELETE.S")
    planned.clock.advance(after_s * NS_PER_S)
    assert "error" not in give(planned, data, subjects=["s.>", "t.>"], allow_msg_schedules=True)


@pytest.mark.parametrize("pattern", ["@every 100s", "0 */2 * * * *"])
@pytest.mark.parametrize("left", [0, 1], ids=["all", "newest"])
@pytest.mark.parametrize("after_s", [1, 10_000])
def test_what_was_sent_is_not_sent_again_by_a_restore(
    pattern: str, left: int, after_s: int
) -> None:
    planned = world(allow_msg_ttl=False)
    put(planned, pattern)
    planned.clock.advance(330 * NS_PER_S)
    restored(planned, after_s, left)

    for _ in range(3):
        again(planned)
    assert sent(planned) == left

    planned.clock.advance(120 * NS_PER_S)
    assert sent(planned) == left + 1


@pytest.mark.parametrize("restores", [1, 3])
def test_a_restore_in_time_moves_nothing(restores: int) -> None:
    """As nats-server 2.15.1: what was sent last says when the next one is."""
    planned = world(allow_msg_ttl=False)
    put(planned, "@every 100s")
    planned.clock.advance(330 * NS_PER_S)
    for _ in range(restores):
        restored(planned, 20, 3)

    planned.clock.advance((400 - 330 - 20 * restores - 5) * NS_PER_S)
    again(planned)
    assert sent(planned) == 3
    planned.clock.advance(6 * NS_PER_S)
    assert sent(planned) == 4
    planned.clock.advance(100 * NS_PER_S)
    again(planned)

    assert sent(planned) == 5


def test_what_is_sent_once_and_was_missed_is_sent_by_a_restore() -> None:
    planned = world(allow_msg_ttl=False)
    put(planned, at(planned, 100))
    restored(planned, 200, 0)

    planned.clock.advance(NS_PER_S)

    assert sent(planned) == 1


def test_a_restore_by_a_clock_that_was_ahead_holds_nothing_up() -> None:
    planned = world(allow_msg_ttl=False)
    put(planned, "@every 100s")
    planned.clock.jump_wall(10**6 * NS_PER_S)
    restored(planned, 1, 0)
    planned.clock.jump_wall(-(10**6) * NS_PER_S)
    again(planned)

    planned.clock.advance(200 * NS_PER_S)

    assert sent(planned) >= 1
