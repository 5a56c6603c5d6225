"""leafnode.store.retry: a disk that is full at a start, or so full that nothing can be removed."""

from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreError, StoreFailed, StoreFull
from leafnode.store.writer import RESERVE_NAME
from tests.sim.committer import SMALL, FaultyDisk, StoreWorld, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.store.stream import SqliteStream

RESERVED = replace(SMALL, reserve_bytes=64 * 1024, segment_rows_max=8)


class Room:
    """How much the disk has for the reserve: enough, or nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.some = False
        self._allocate = os.posix_fallocate
        monkeypatch.setattr(os, "posix_fallocate", self.allocate)

    def allocate(self, fd: int, offset: int, size: int) -> None:
        if not self.some:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._allocate(fd, offset, size)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(monkeypatch)


def started_full(directory: Path, disk: FaultyDisk | None = None) -> StoreWorld:
    """Fill a store a little, and start it again on a disk that has no room for the reserve."""
    world = open_store(directory, replace(SMALL, segment_rows_max=8))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for _ in range(40):
        stream.append(b"a", 0, bytes(4000), 1000)
    world.close()
    again = open_store(directory, RESERVED, disk=disk)
    again.turns.run()
    return again


def the_stream(world: StoreWorld) -> SqliteStream:
    [record] = world.store.streams()
    return record.store  # type: ignore[return-value]


def wait(world: StoreWorld, ns: int = limits.STORE_RETRY_NS) -> None:
    world.clock.advance(ns)
    world.settle()


def committed(world: StoreWorld) -> list[StoreError | None]:
    """Let what was staged come to its end; return what became of it."""
    results: list[StoreError | None] = []
    world.store.after_commit(results.append)
    world.settle()
    return results


def test_a_start_without_room_for_the_reserve_refuses_appends_and_says_so_once(
    tmp_path: Path, room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    world = started_full(tmp_path)
    for _ in range(5):
        wait(world)

    with pytest.raises(StoreFull):
        the_stream(world).append(b"a", 0, b"x", 2000)
    assert "no room for leafnode.reserve" in str(world.store.failed())
    assert [one.message for one in caplog.records if "No room" in one.message] == [
        f"No room for the reserve file, appends are refused: path={tmp_path / RESERVE_NAME}"
    ]
    assert not (tmp_path / RESERVE_NAME).exists()
    world.close()


def test_after_a_start_without_room_removals_go_on_and_room_that_comes_is_found(
    tmp_path: Path, room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    world = started_full(tmp_path)
    stream = the_stream(world)

    stream.remove([3])
    assert committed(world) == [None]
    wait(world)
    assert isinstance(world.store.failed(), StoreFull)
    room.some = True
    wait(world)

    assert world.store.failed() is None
    assert (tmp_path / RESERVE_NAME).stat().st_size == RESERVED.reserve_bytes
    assert stream.append(b"a", 0, b"x", 2000) == 41
    assert committed(world) == [None]
    assert "The disk has room again" in caplog.text
    world.close()


def test_a_stream_that_was_being_deleted_goes_though_a_start_has_no_room(
    tmp_path: Path, room: Room
) -> None:
    world = open_store(tmp_path, replace(SMALL, segment_rows_max=2))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for _ in range(40):
        stream.append(b"a", 0, b"x", 1000)
    world.settle()
    world.disk.fail("DROP", sqlite3.SQLITE_IOERR)
    world.store.delete_stream("A", "S")
    world.settle()
    world.close()

    again = open_store(tmp_path, RESERVED)
    again.settle()
    wait(again)

    conn = again.store._writer._conn
    assert conn is not None
    assert conn.execute("SELECT count(*) FROM stream").fetchall() == [(0,)]
    again.close()


def test_where_not_even_removals_can_be_stored_that_is_told_once_and_tried_ever_more_rarely(
    tmp_path: Path, room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FaultyDisk()
    world = started_full(tmp_path, disk)
    stream = the_stream(world)
    disk.fail("COMMIT", sqlite3.SQLITE_FULL, "database or disk is full")
    caplog.clear()
    results: list[StoreError | None] = []
    for _ in range(120):
        if isinstance(world.store.failed(), StoreFull):
            stream.remove([3])
            results += committed(world)
        wait(world)

    assert {type(one) for one in results} == {StoreFailed}
    assert "make 16 MiB free" in str(results[0])
    assert 5 < len(results) < 10
    assert [one.message[:13] for one in caplog.records] == ["Commit failed", "The store was"]
    with pytest.raises(StoreFull):
        stream.append(b"a", 0, b"x", 2000)

    disk.heal()
    room.some = True
    wait(world, limits.STORE_RETRY_MAX_NS)
    assert world.store.failed() is None
    stream.remove([3])
    assert stream.append(b"a", 0, b"x", 2000) == 41
    assert committed(world) == [None]
    assert [one.message[:24] for one in caplog.records[2:]] == ["The store takes changes "]
    world.close()


def test_a_disk_that_failed_and_has_no_room_since_takes_no_appends_either(
    tmp_path: Path, room: Room
) -> None:
    room.some = True
    world = started_full(tmp_path)
    stream = the_stream(world)
    stream.append(b"a", 0, b"x", 2000)
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.settle()
    world.disk.heal()
    room.some = False

    wait(world)

    assert isinstance(world.store.failed(), StoreFull)
    room.some = True
    wait(world)
    assert world.store.failed() is None
    world.close()


def test_appends_in_free_pages_of_the_file_end_before_the_file_has_to_grow(
    tmp_path: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They filled the disk to its last byte, and then nothing could be removed any more."""
    world = started_full(tmp_path)
    stream = the_stream(world)
    stream.remove_below(40)
    assert committed(world) == [None]
    monkeypatch.setattr(world.store._writer, "_give_back_pages", lambda: False)
    conn = world.store._writer._conn
    assert conn is not None
    wait(world)
    assert world.store.failed() is None
    pages = conn.execute("PRAGMA page_count").fetchall()

    results: list[StoreError | None] = []
    for _ in range(100):
        if world.store.failed() is None:
            stream.append(b"a", 0, bytes(4000), 2000)
            results += committed(world)

    assert isinstance(results[-1], StoreFull)
    assert len(results) > 5
    assert conn.execute("PRAGMA page_count").fetchall() == pages
    stream.remove_below(stream.last_seq())
    assert committed(world) == [None]
    world.close()
