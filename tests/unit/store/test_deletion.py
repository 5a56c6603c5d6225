"""A stream on its way out: gone with one commit, taken apart in those behind it."""

from __future__ import annotations

import shutil
import sqlite3
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreCorrupt, StoreError, StoreFailed
from leafnode.store.bounds import StoreBounds
from leafnode.store.copy import copy_store, drop_dead
from leafnode.store.inspect import Inspection
from leafnode.store.verify import verify
from tests.sim.committer import FaultyDisk, HeldExecutor, StoreWorld, open_store, read_all

if TYPE_CHECKING:
    from pathlib import Path

TINY = StoreBounds(segment_rows_max=3, wal_pregrow_bytes=0, reserve_bytes=0)
MESSAGES = 60  # in 20 segments


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DELETE_SUBJECTS", 4)


def filled(world: StoreWorld) -> StoreWorld:
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.store.put_consumer("A", "S", "C", 6, b"{}", b"0")
    for number in range(MESSAGES):
        stream.append(b"s.%d" % (number % 10), 0, b"x", 1000)
    world.settle()
    return world


def left(directory: Path) -> dict[str, int]:
    """What the file has of any stream."""
    conn = sqlite3.connect(directory / "leafnode.db")
    try:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = "SELECT count(*) FROM sqlite_master WHERE name GLOB 'm[0-9]*'"
        counts = {"tables": tables} | {
            table: f"SELECT count(*) FROM {table}"
            for table in ("stream", "segment", "segment_index", "subject", "consumer")
        }
        return {name: conn.execute(sql).fetchone()[0] for name, sql in counts.items()}
    finally:
        conn.close()


NOTHING = dict.fromkeys(("tables", "stream", "segment", "segment_index", "subject", "consumer"), 0)


def names(world: StoreWorld) -> list[str]:
    return [one.name for one in world.store.streams()]


def test_a_large_stream_goes_in_steps_and_nobody_sees_them(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY))
    world.disk.statements.clear()
    told: list[StoreError | None] = []

    world.store.delete_stream("A", "S")
    world.store.after_commit(told.append)
    assert names(world) == []
    again = world.store.create_stream("A", "S", b"{}", 5, 1)
    again.append(b"new", 0, b"y", 2000)
    world.settle()

    assert told == [None]
    assert world.disk.count("COMMIT") > MESSAGES / 3 / limits.DELETE_SEGMENTS
    assert [msg.subject for msg in read_all(again, world.settle)] == [b"new"]
    assert left(tmp_path) == NOTHING | {"tables": 1, "stream": 1, "segment": 1, "subject": 1}
    world.close()


def test_a_small_one_goes_in_one(tmp_path: Path) -> None:
    world = open_store(tmp_path, TINY)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"x", 1000)
    world.settle()
    world.disk.statements.clear()

    world.store.delete_stream("A", "S")
    world.settle()

    assert world.disk.count("COMMIT") == 1
    assert left(tmp_path) == NOTHING
    world.close()


def test_others_have_their_turn_in_between(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY, executor=lambda _: HeldExecutor()))
    other = world.store.create_stream("A", "T", b"{}", 5, 1)
    world.settle()
    executor = world.executors["leafnode-commit"]
    assert isinstance(executor, HeldExecutor)

    world.store.delete_stream("A", "S")
    world.turns.run()
    executor.release()  # it has its new name
    world.turns.run()
    told: list[StoreError | None] = []
    other.append(b"t", 0, b"x", 1000)
    world.store.after_commit(told.append)
    for _ in range(2):  # what was on its way, and this
        executor.release()
        world.turns.run()

    assert told == [None]
    assert left(tmp_path)["tables"] > 10
    world.close()


def test_a_crash_at_any_moment_leaves_all_of_it_or_nothing(tmp_path: Path) -> None:
    source = tmp_path / "store"
    world = filled(open_store(source, TINY, executor=lambda _: HeldExecutor()))
    executor = world.executors["leafnode-commit"]
    assert isinstance(executor, HeldExecutor)
    world.store.delete_stream("A", "S")
    world.turns.run()
    copies: list[Path] = []
    while executor.jobs:
        copies.append(tmp_path / f"crash{len(copies)}")
        shutil.copytree(source, copies[-1])
        executor.release()
        world.turns.run()
    world.close()
    assert len(copies) > 5

    for number, copy in enumerate(copies):
        crashed = open_store(copy, TINY)
        if number == 0:
            [record] = crashed.store.streams()
            assert len(read_all(record.store, crashed.settle)) == MESSAGES
            assert len(crashed.store.consumers("A", "S")) == 1
        else:
            assert names(crashed) == []
            with Inspection(copy / "leafnode.db") as inspection:
                assert list(inspection.streams()) == []
            assert left(copy)["stream"] == 1
            crashed.turns.run()
            crashed.clock.advance(limits.STORE_RETRY_NS)
            crashed.settle()
            assert left(copy) == NOTHING
        assert crashed.damage == []
        crashed.close()


def test_a_first_step_that_fails_brings_the_stream_back(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY))
    told: list[StoreError | None] = []
    adopted: list[tuple[str, str]] = []
    world.store.watch(lambda *key: adopted.append(key))
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL, "database or disk is full")

    world.store.delete_stream("A", "S")
    world.store.after_commit(told.append)
    world.settle()

    assert told[0] is not None
    assert adopted == [("A", "S")]
    [record] = world.store.streams()
    assert record.name == "S"
    assert len(world.store.consumers("A", "S")) == 1
    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()
    assert len(read_all(record.store, world.settle)) == MESSAGES
    assert record.store.append(b"s.1", 0, b"y", 2000) == MESSAGES + 1
    world.close()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (sqlite3.SQLITE_FULL, "database or disk is full"),
        (sqlite3.SQLITE_IOERR, "disk I/O error"),
    ],
)
def test_a_later_step_that_fails_is_done_again(tmp_path: Path, code: int, text: str) -> None:
    world = filled(open_store(tmp_path, TINY))
    told: list[StoreError | None] = []
    adopted: list[tuple[str, str]] = []
    world.store.watch(lambda *key: adopted.append(key))
    world.disk.fail("DROP", code, text)

    world.store.delete_stream("A", "S")
    world.store.after_commit(told.append)
    world.settle()
    for _ in range(5):
        world.clock.advance(limits.STORE_RETRY_NS)
        world.settle()
    assert (told, names(world), adopted) == ([None], [], [])
    tries = world.disk.count("DROP")
    world.disk.heal()
    for _ in range(2):  # read anew, then resumed
        world.clock.advance(limits.STORE_RETRY_MAX_NS)
        world.settle()

    assert tries < 10
    assert left(tmp_path) == NOTHING
    world.close()


def test_what_is_damaged_is_left_until_the_next_start(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY))
    other = world.store.create_stream("A", "T", b"{}", 5, 1)
    world.disk.fail("DROP", sqlite3.SQLITE_CORRUPT, "database disk image is malformed")

    world.store.delete_stream("A", "S")
    world.settle()
    for _ in range(20):
        world.clock.advance(limits.STORE_RETRY_MAX_NS)
        world.settle()

    assert world.store.stats().failures == 2  # the commit that is tried again, too
    assert world.store.failed() is None
    assert other.append(b"t", 0, b"x", 1000) == 1
    world.close()
    again = open_store(tmp_path, TINY)
    again.turns.run()
    again.clock.advance(limits.STORE_RETRY_NS)
    again.settle()
    assert left(tmp_path)["tables"] == 1
    again.close()


def test_a_damaged_stream_goes_at_once_or_not_at_all(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY))
    [record] = world.store.streams()
    record.store.quarantine(StoreCorrupt("flipped"))  # type: ignore[attr-defined]
    world.disk.statements.clear()

    world.store.delete_stream("A", "S")
    world.settle()

    assert world.disk.count("COMMIT") == 1
    assert left(tmp_path) == NOTHING
    world.close()


def test_what_the_end_of_the_server_cuts_off_goes_on_at_the_next_start(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY, executor=lambda _: HeldExecutor()))
    executor = world.executors["leafnode-commit"]
    assert isinstance(executor, HeldExecutor)
    world.store.delete_stream("A", "S")
    world.turns.run()
    executor.release()
    world.turns.run()

    world.store.close(lambda: None)
    world.settle()

    assert left(tmp_path)["tables"] > 10
    again = open_store(tmp_path, TINY)
    assert names(again) == []
    again.turns.run()
    again.clock.advance(limits.STORE_RETRY_NS)
    again.settle()
    assert left(tmp_path) == NOTHING
    again.close()


def test_nothing_is_begun_while_the_store_has_failed(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY, disk=FaultyDisk()))
    world.store.committer.failed = StoreFailed("no disk")

    with pytest.raises(StoreFailed):
        world.store.delete_stream("A", "S")

    assert names(world) == ["S"]
    world.store.committer.failed = None
    world.close()


def test_a_deleted_stream_keeps_no_newest_messages_in_memory(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY))
    (stream,) = (one.store for one in world.store.streams())
    stream.append(b"s.1", 0, b"still on its way", 1000)

    world.store.delete_stream("A", "S")
    world.settle()

    assert not stream._tail.rows
    world.close()


EMPTY = NOTHING | {"stream": 1, "consumer": 1}  # all messages of S are gone, and their tables


def purged(world: StoreWorld) -> HeldExecutor:
    """Stage that all of S is gone, on a disk that takes its time."""
    executor = world.executors["leafnode-commit"]
    assert isinstance(executor, HeldExecutor)
    executor.release()
    world.turns.run()
    [record] = world.store.streams()
    assert record.store.remove_below(record.store.last_seq() + 1) == MESSAGES
    world.turns.run()
    return executor


def test_tables_of_what_was_purged_go_some_with_each_commit(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY, executor=lambda _: HeldExecutor()))
    executor = purged(world)
    tables = []
    while executor.jobs:
        tables.append(left(tmp_path)["tables"])
        executor.release()
        world.turns.run()

    steps = [before - after for before, after in pairwise(tables)]
    assert max(steps) == limits.DELETE_SEGMENTS + 1  # the open one, too
    assert left(tmp_path) == EMPTY
    world.close()


def test_a_crash_while_they_go_brings_no_message_back(tmp_path: Path) -> None:
    source = tmp_path / "store"
    world = filled(open_store(source, TINY, executor=lambda _: HeldExecutor()))
    executor = purged(world)
    copies: list[Path] = []
    while executor.jobs:
        copies.append(tmp_path / f"crash{len(copies)}")
        shutil.copytree(source, copies[-1])
        executor.release()
        world.turns.run()
    world.close()
    assert len(copies) > 5

    for number, copy in enumerate(copies):
        with Inspection(copy / "leafnode.db") as inspection:
            assert [one.problems for one in verify(inspection) if one is not None] == [[], []]
        crashed = open_store(copy, TINY)
        [record] = crashed.store.streams()
        assert len(read_all(record.store, crashed.settle)) == (0 if number else MESSAGES)
        if number:
            assert record.store.append(b"s.1", 0, b"new", 1000) == MESSAGES + 1
            crashed.settle()
            found = left(copy)
            assert (found["tables"], found["segment"], found["segment_index"]) == (1, 1, 0)
        assert crashed.damage == []
        crashed.close()


def test_they_go_on_at_the_next_start_though_nobody_writes(tmp_path: Path) -> None:
    source, copy = tmp_path / "store", tmp_path / "copy"
    world = filled(open_store(source, TINY, executor=lambda _: HeldExecutor()))
    executor = purged(world)
    executor.release()
    shutil.copytree(source, copy)
    world.close()
    assert left(copy)["tables"] > 10

    again = open_store(copy, TINY)
    again.turns.run()
    again.clock.advance(limits.STORE_RETRY_NS)
    again.settle()

    assert left(copy) == EMPTY
    again.close()


def test_a_stream_that_is_deleted_meanwhile_goes_with_all_its_tables(tmp_path: Path) -> None:
    world = filled(open_store(tmp_path, TINY, executor=lambda _: HeldExecutor()))
    executor = purged(world)
    for _ in range(2):
        executor.release()
        world.turns.run()

    world.store.delete_stream("A", "S")
    world.settle()

    assert world.store.failed() is None
    assert left(tmp_path) == NOTHING
    world.close()


def test_compact_drops_them(tmp_path: Path) -> None:
    source, target = tmp_path / "store", tmp_path / "copy.db"
    world = filled(open_store(source, TINY, executor=lambda _: HeldExecutor()))
    purged(world).release()
    copy_store(source / "leafnode.db", target, lambda _: None)

    dropped = drop_dead(target, lambda _: None)

    assert dropped > MESSAGES / 2
    tables = "SELECT count(*) FROM sqlite_schema WHERE name GLOB 'm[0-9]*_[0-9]*'"
    assert sqlite3.connect(target).execute(tables).fetchone() == (0,)
    world.close()
