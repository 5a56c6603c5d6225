"""Ids of removed messages are known after a restart, whatever became of their rows."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreCorrupt
from leafnode.jetstream import erased_ids
from tests.sim.committer import SMALL
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000
START_NS = 1_764_223_200_000_000_000
BOUNDS = replace(SMALL, segment_rows_max=8)


def world_with(directory: Path, **config: Any) -> RealWorld:
    world = RealWorld(directory, BOUNDS, START_NS)
    stream = {"name": "S", "subjects": ["s.>"], "storage": "file", "duplicate_window": 60 * S}
    assert "error" not in world.api("STREAM.CREATE.S", stream | config)
    return world


def put(world: RealWorld, number: int) -> dict[str, Any]:
    return world.put(f"s.{number}", b"x" * 20, headers={"Nats-Msg-Id": f"id{number}"})


def consume_all(world: RealWorld) -> int:
    """Acknowledge what the work queue has; return how much that was."""
    config = {"durable_name": "C", "ack_policy": "explicit"}
    world.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})
    heard = world.fetch({"batch": 100, "no_wait": True})
    heard = [one for one in heard if one.reply.startswith(b"$JS.ACK")]
    for one in heard:
        world.publish(one.reply.decode(), b"+ACK")
    world.settle()
    world.clock.advance(S)
    world.settle()
    return len(heard)


def records(world: RealWorld) -> list[str]:
    found = world.store.consumers("$G", "S")
    return [one.name for one in found if one.name.startswith(erased_ids.PREFIX)]


@pytest.mark.parametrize("count", [1, 3, 8, 20, 41])
def test_what_a_work_queue_let_go_is_a_duplicate_after_a_restart(
    tmp_path: Path, count: int
) -> None:
    world = world_with(tmp_path, retention="workqueue")
    for number in range(count):
        put(world, number)
    assert consume_all(world) == count
    assert world.state()["messages"] == 0

    world.restart()

    for number in range(count):
        assert put(world, number) == {"stream": "S", "seq": number + 1, "duplicate": True}
    assert world.state()["messages"] == 0
    assert put(world, count)["seq"] == count + 1


def test_ids_are_gone_with_their_time(tmp_path: Path) -> None:
    world = world_with(tmp_path, retention="workqueue")
    for number in range(30):
        put(world, number)
    consume_all(world)
    assert records(world)
    world.clock.advance(61 * S)

    world.restart()

    assert put(world, 3) == {"stream": "S", "seq": 31}
    for number in range(100, 130):
        put(world, number)
    consume_all(world)
    assert [name for name in records(world) if int(name.rpartition(".")[2]) <= 30] == []


@pytest.mark.parametrize("by_ns", [3600 * S, -3600 * S])
def test_ids_are_as_old_as_they_are_though_the_wall_clock_was_set_meanwhile(
    tmp_path: Path, by_ns: int
) -> None:
    world = world_with(tmp_path, retention="workqueue")
    world.clock.jump_wall(by_ns)
    for number in range(30):
        put(world, number)
    consume_all(world)
    assert records(world)

    world.restart()

    assert put(world, 3) == {"stream": "S", "seq": 4, "duplicate": True}
    world.clock.advance(60 * S)
    assert put(world, 3) == {"stream": "S", "seq": 31}


def test_a_stream_without_ids_writes_none_down(tmp_path: Path) -> None:
    world = world_with(tmp_path, retention="workqueue")
    for number in range(30):
        world.put(f"s.{number}")

    consume_all(world)

    assert records(world) == []


@pytest.mark.parametrize("config", [{"max_msgs": 3}, {"max_msgs_per_subject": 1}])
def test_what_limits_removed_is_a_duplicate_after_a_restart(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    world = world_with(tmp_path, **config)
    for number in range(40):
        world.put("s.a", b"x", headers={"Nats-Msg-Id": f"id{number}"})
    world.settle()

    world.restart()

    for number in range(40):
        answer = world.put("s.a", b"x", headers={"Nats-Msg-Id": f"id{number}"})
        assert answer == {"stream": "S", "seq": number + 1, "duplicate": True}


def test_what_was_purged_is_a_duplicate_after_a_restart(tmp_path: Path) -> None:
    world = world_with(tmp_path)
    for number in range(20):
        put(world, number)
    assert world.api("STREAM.PURGE.S")["purged"] == 20

    world.restart()

    assert put(world, 2) == {"stream": "S", "seq": 3, "duplicate": True}


def test_records_are_no_consumers(tmp_path: Path) -> None:
    world = world_with(tmp_path, retention="workqueue")
    for number in range(30):
        put(world, number)
    consume_all(world)
    assert records(world)

    world.restart()

    assert world.api("CONSUMER.NAMES.S")["consumers"] == ["C"]
    assert world.api("STREAM.INFO.S")["state"]["consumer_count"] == 1


def test_a_record_that_cannot_be_read_is_told_and_the_stream_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = world_with(tmp_path, retention="workqueue")
    for number in range(30):
        put(world, number)
    consume_all(world)
    name = records(world)[0]
    world.store.put_consumer("$G", "S", name, 0, b"{}", b"no such thing")

    world.restart()

    assert "Duplicate window not read: stream=S" in caplog.text
    assert put(world, 3)["seq"] == 31


def test_more_than_a_bound_is_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DEDUPE_ERASED_MAX", 4)
    monkeypatch.setattr(limits, "DEDUPE_RECORD_IDS", 2)
    world = world_with(tmp_path)
    for number in range(16):
        put(world, number)

    world.api("STREAM.PURGE.S")

    assert records(world) == [".ids.13", ".ids.15"]


@pytest.mark.parametrize("state", [b"", b"1234567", b"12345678x"])
def test_what_is_no_record_is_damage(state: bytes) -> None:
    with pytest.raises(StoreCorrupt):
        erased_ids.decode(state)
    assert erased_ids.decode(erased_ids.encode([(1, b"a", 2)])) == [(1, b"a", 2)]


KNOWN = [(1, b"a", 2), (3, b"bc", 4), (2**62, b"x" * 70_000, 2**62)]


@pytest.mark.parametrize("packed", [True, False])
def test_what_is_written_is_read(packed: bool) -> None:
    state = erased_ids.encode(KNOWN, packed=packed)

    assert (erased_ids.decode(state), erased_ids.newest_seq(state)) == (KNOWN, 2**62)


@pytest.mark.parametrize("size", [9, 12, 30, 60, 80])
def test_a_record_that_was_cut_short_is_damage(size: int) -> None:
    with pytest.raises(StoreCorrupt):
        erased_ids.decode(erased_ids.encode(KNOWN, packed=False)[:size])


def test_a_record_of_an_older_version_is_read() -> None:
    entries = struct.pack("<qqI", 1, 2, 1) + b"a" + struct.pack("<qqI", 3, 4, 2) + b"bc"

    state = struct.pack("<q", 4) + zlib.compress(entries, 1)

    assert erased_ids.decode(state) == KNOWN[:2]


def test_a_removal_that_is_undone_takes_its_record_with_it(tmp_path: Path) -> None:
    world = world_with(tmp_path)
    for number in range(16):
        put(world, number)
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)

    world.request("$JS.API.STREAM.PURGE.S")
    world.settle()
    world.heal()

    assert records(world) == []
    assert world.state()["messages"] == 16
    assert put(world, 2) == {"stream": "S", "seq": 3, "duplicate": True}
