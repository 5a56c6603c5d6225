"""Scheduled messages of a stream (ADR-51), measured on nats-server 2.15.1."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreBusy, StoreFull
from leafnode.go_time import format_time
from leafnode.jetstream.enforcement import Enforcement
from tests.contract.worlds import TINY
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path


def world(**config: Any) -> World:
    made = World()
    wanted = {"allow_msg_schedules": True, "allow_msg_ttl": True, **config}
    made.create_stream(subjects=["s.>", "t.>"], **wanted)
    return made


def put(
    world: World, pattern: str, subject: str = "s.1", payload: bytes = b"hello", **more: str
) -> Any:
    headers = {"Nats-Schedule": pattern, "Nats-Schedule-Target": "t.1"}
    headers |= {"Nats-" + name.replace("_", "-"): value for name, value in more.items()}
    (answer,) = world.request(subject, payload, headers=headers)
    return json.loads(answer.payload)


def at(world: World, seconds: int) -> str:
    return "@at " + format_time(world.clock.wall_ns() + seconds * NS_PER_S)


def stored(world: World, subject: str) -> list[Any]:
    """Return what is stored under a subject, oldest first."""
    found: list[Any] = []
    world.js.streams["S"].store.read(1, [subject.encode()], 99, 1 << 20, found.extend)
    return found


def test_a_message_comes_at_its_time_and_its_schedule_is_gone() -> None:
    planned = world()
    assert put(planned, at(planned, 10), Schedule_TTL="5m")["seq"] == 1
    planned.clock.advance(9 * NS_PER_S)
    assert stored(planned, "t.1") == []

    planned.clock.advance(2 * NS_PER_S)

    (message,) = stored(planned, "t.1")
    assert message.payload == b"hello"
    assert message.header == (
        b"NATS/1.0\r\nNats-Scheduler: s.1\r\nNats-Schedule-Next: purge\r\nNats-TTL: 5m\r\n\r\n"
    )
    assert stored(planned, "s.1") == []


def test_a_schedule_rolls_up_the_one_before() -> None:
    planned = world()
    put(planned, at(planned, 10), payload=b"old")
    put(planned, at(planned, 20), payload=b"new")
    (schedule,) = stored(planned, "s.1")
    assert schedule.header.endswith(b"Nats-Rollup: sub\r\n\r\n")

    planned.clock.advance(60 * NS_PER_S)

    assert [one.payload for one in stored(planned, "t.1")] == [b"new"]


def test_again_and_again_until_it_is_ended() -> None:
    planned = world()
    put(planned, "@every 10s")

    planned.clock.advance(35 * NS_PER_S)
    assert len(stored(planned, "t.1")) == 3
    assert b"Nats-Schedule-Next: 2027-" in stored(planned, "t.1")[0].header
    end = {"Nats-Schedule-Next": "purge", "Nats-Scheduler": "s.1"}
    planned.publish("t.1", b"end", headers=end)
    planned.clock.advance(60 * NS_PER_S)

    assert stored(planned, "s.1") == []
    assert [one.payload for one in stored(planned, "t.1")][-1] == b"end"
    assert len(stored(planned, "t.1")) == 4


def test_only_a_schedule_can_be_ended() -> None:
    planned = world()
    planned.publish("s.9", b"x")
    end = {"Nats-Schedule-Next": "purge", "Nats-Scheduler": "s.9"}

    (answer,) = planned.request("t.1", b"", headers=end)

    assert json.loads(answer.payload)["error"]["err_code"] == 10212


@pytest.mark.parametrize(("source", "payload"), [(True, b"of the source"), (False, b"hello")])
def test_the_content_is_that_of_the_source_if_there_is_one(source: bool, payload: bytes) -> None:
    planned = world()
    if source:
        planned.publish("t.src", b"of the source", headers={"X": "1"})
    put(planned, at(planned, 10), Schedule_Source="t.src")

    planned.clock.advance(11 * NS_PER_S)

    assert [one.payload for one in stored(planned, "t.1")] == [payload]


def test_what_was_removed_sends_nothing() -> None:
    planned = world()
    put(planned, at(planned, 10))
    planned.api("STREAM.PURGE.S", {"filter": "s.1"})
    put(planned, at(planned, 10), subject="s.2")
    planned.publish("s.2", b"no schedule any more")

    planned.clock.advance(60 * NS_PER_S)

    assert stored(planned, "t.1") == []


def test_schedules_go_on_after_a_restart_and_what_was_missed_comes_at_once() -> None:
    planned = world()
    put(planned, at(planned, 10))
    put(planned, "@every 100s", subject="s.2")
    planned.js.shut_down()
    planned.clock.advance(30 * NS_PER_S)
    assert stored(planned, "t.1") == []
    planned.restart()

    planned.clock.advance(NS_PER_S)
    assert len(stored(planned, "t.1")) == 1
    planned.clock.advance(80 * NS_PER_S)

    assert len(stored(planned, "t.1")) == 2


def test_a_schedule_that_repeats_goes_on_after_a_restart_where_it_was() -> None:
    planned = world()
    put(planned, "@every 100s")
    planned.clock.advance(130 * NS_PER_S)
    assert len(stored(planned, "t.1")) == 1
    planned.js.shut_down()

    planned.restart()

    planned.clock.advance(60 * NS_PER_S)
    assert len(stored(planned, "t.1")) == 1
    planned.clock.advance(20 * NS_PER_S)
    assert len(stored(planned, "t.1")) == 2


def test_any_message_of_a_stream_is_looked_at_after_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "DEDUPE_IDS_MAX", 3)
    planned = world()
    put(planned, at(planned, 10))
    for _ in range(10):
        planned.publish("s.9", b"x")
    planned.js.shut_down()
    planned.restart()

    planned.clock.advance(20 * NS_PER_S)

    assert [one.payload for one in stored(planned, "t.1")] == [b"hello"]


def test_a_message_that_was_never_committed_is_sent_again() -> None:
    planned = world()
    put(planned, "@every 1000s")
    planned.store.hold()
    planned.clock.advance(1001 * NS_PER_S)
    planned.store.fail(StoreFull("full"))
    planned.store.holding = False
    assert stored(planned, "t.1") == []

    planned.clock.advance(NS_PER_S)

    assert len(stored(planned, "t.1")) == 1


@pytest.mark.parametrize("leaves", ["ages", "deleted"])
def test_a_schedule_stays_over_when_what_ended_it_has_left(leaves: str) -> None:
    planned = world()
    put(planned, at(planned, 100))
    put(planned, at(planned, 100), subject="s.2", payload=b"not over")
    planned.publish("s.1", b"no schedule", headers={"Nats-TTL": "10s"} if leaves == "ages" else {})
    planned.clock.advance(20 * NS_PER_S)
    if leaves == "deleted":
        planned.api("STREAM.MSG.DELETE.S", {"seq": 3})
    assert [one.seq for one in stored(planned, "s.1")] == [1]

    for _ in range(2):
        planned.js.shut_down()
        planned.restart()
    planned.clock.advance(100 * NS_PER_S)

    assert [one.payload for one in stored(planned, "t.1")] == [b"not over"]
    assert [one.seq for one in stored(planned, "s.1")] == [1]


def test_a_schedule_is_over_only_if_what_ended_it_was_committed(tmp_path: Path) -> None:
    planned = RealWorld(tmp_path / "store", TINY)
    planned.create_stream(allow_msg_schedules=True, allow_rollup_hdrs=True)
    headers = {"Nats-Schedule": at(planned, 100), "Nats-Schedule-Target": "s.due"}
    planned.put("s.1", b"x", headers=headers)
    planned.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    assert "error" in planned.put("s.1", b"no schedule")
    planned.heal()

    for _ in range(101):
        planned.clock.advance(NS_PER_S)
        planned.settle()

    answer = planned.api("STREAM.INFO.S", {"subjects_filter": ">"})
    assert answer["state"]["subjects"] == {"s.due": 1}


def reading_its_source(pattern: str) -> World:
    """A schedule of `s.1` is due, and its source is on its way from the disk."""
    planned = world(allow_rollup_hdrs=True)
    planned.publish("t.src", b"content")
    put(planned, pattern or at(planned, 2), Schedule_Source="t.src")
    planned.store.slow_reads = True
    planned.clock.advance(3 * NS_PER_S)
    (schedule,) = planned.store.answers
    planned.store.answers.clear()
    schedule()
    assert len(planned.store.answers) == 1
    return planned


def source_comes(planned: World) -> None:
    planned.store.answer_reads()
    planned.store.slow_reads = False


@pytest.mark.parametrize("pattern", ["", "@every 2s"], ids=["once", "often"])
def test_one_that_comes_while_the_source_of_its_predecessor_is_read_takes_over(
    pattern: str,
) -> None:
    planned = reading_its_source(pattern)
    put(planned, at(planned, 10), payload=b"newer")

    source_comes(planned)
    assert [one.payload for one in stored(planned, "s.1")][-1:] == [b"newer"]
    planned.clock.advance(11 * NS_PER_S)

    assert [one.payload for one in stored(planned, "t.1")] == [b"newer"]


@pytest.mark.parametrize("pattern", ["", "@every 2s"], ids=["once", "often"])
@pytest.mark.parametrize(
    ("endpoint", "body"), [("PURGE", {"filter": "s.1"}), ("MSG.DELETE", {"seq": 2})]
)
def test_one_that_is_cancelled_while_its_source_is_read_is_not_sent(
    pattern: str, endpoint: str, body: dict[str, Any]
) -> None:
    planned = reading_its_source(pattern)
    assert planned.api(f"STREAM.{endpoint}.S", body)["success"]

    source_comes(planned)
    planned.clock.advance(11 * NS_PER_S)

    assert stored(planned, "t.1") == []
    assert not planned.js.streams["S"].scheduler.may_end(b"s.1")


def test_a_schedule_that_is_replaced_many_times_leaves_little_behind() -> None:
    planned = world()
    scheduler = planned.js.streams["S"].scheduler

    for number in range(1000):
        scheduler.add(b"s.1", number, 10**18 + number)

    assert len(scheduler._due) <= 2 + limits.SCHEDULES_STALE_MAX


def test_a_store_that_does_not_read_now_is_asked_again() -> None:
    planned = world()
    put(planned, at(planned, 10))
    planned.store.read_error = StoreBusy("4096 reads wait")
    planned.clock.advance(11 * NS_PER_S)
    planned.store.read_error = None

    planned.clock.advance(NS_PER_S)

    assert len(stored(planned, "t.1")) == 1


def test_a_store_that_is_full_is_asked_again() -> None:
    planned = world()
    put(planned, at(planned, 10))
    planned.store.error = StoreFull("full")
    planned.clock.advance(11 * NS_PER_S)
    planned.store.error = None

    planned.clock.advance(NS_PER_S)

    assert len(stored(planned, "t.1")) == 1


def test_what_is_stored_is_not_sent_again_where_a_limit_could_not_be_enforced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planned = world()
    put(planned, "@every 10s")
    failures = [StoreFull("full")]

    def after_message(_enforcement: Enforcement, _subjects: tuple[bytes]) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(Enforcement, "after_message", after_message)

    planned.clock.advance(15 * NS_PER_S)

    assert not failures
    assert len(stored(planned, "t.1")) == 1


def test_a_schedule_that_was_never_committed_is_none() -> None:
    planned = world()
    planned.store.hold()
    headers = {"Nats-Schedule": at(planned, 1), "Nats-Schedule-Target": "t.1"}
    planned.request("s.1", b"x", headers=headers)
    planned.store.fail(StoreFull("full"))
    planned.store.holding = False

    planned.clock.advance(60 * NS_PER_S)

    assert stored(planned, "t.1") == []


def test_one_that_is_read_from_disk_while_that_is_full_is_sent_when_there_is_room(
    tmp_path: Path,
) -> None:
    planned = RealWorld(tmp_path / "store", TINY)
    planned.create_stream(allow_msg_schedules=True, allow_rollup_hdrs=True)
    headers = {"Nats-Schedule": at(planned, 10), "Nats-Schedule-Target": "s.due"}
    planned.put("s.1", b"x", headers=headers)
    for _ in range(40):  # it is not in memory any more
        planned.put("s.2", b"x" * 50)
    planned.clock.advance(5 * NS_PER_S)
    planned.store.committer.no_room = StoreFull("no room yet")
    planned.clock.advance(10 * NS_PER_S)
    planned.settle()
    planned.store.committer.no_room = None

    for _ in range(10):
        planned.clock.advance(NS_PER_S)
        planned.settle()

    answer = planned.api("STREAM.INFO.S", {"subjects_filter": ">"})
    assert answer["state"]["subjects"] == {"s.2": 40, "s.due": 1}
