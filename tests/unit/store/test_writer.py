"""leafnode.store.writer: a full disk, the reserve, and how the file is left behind."""

from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreCorrupt, StoreFailed, StoreFull
from leafnode.store import schema
from leafnode.store.writer import RESERVE_NAME
from tests.sim.committer import SMALL, FaultyDisk, StoreWorld, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESERVED = replace(SMALL, reserve_bytes=64 * 1024)


def disk_has_pages(world: StoreWorld, count: int) -> None:
    """Let SQLite itself run out of room, at this size of the file."""
    conn = world.store._writer._conn
    assert conn is not None
    conn.execute(f"PRAGMA max_page_count={count}").fetchall()


def fill(world: StoreWorld) -> tuple[int, list[object]]:
    """Append until the disk is full; return the last acknowledged sequence and all results."""
    stream = world.store.streams()[0].store
    results: list[object] = []
    acked = 0
    for _ in range(1000):
        try:
            seq = stream.append(b"a", 0, bytes(4000), 1000)
        except StoreFull:
            return acked, results
        world.store.after_commit(results.append)
        world.turns.run()
        if results[-1] is None:
            acked = seq
    raise AssertionError("the disk never was full")


def test_a_real_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    world = open_store(tmp_path / "store")
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    disk_has_pages(world, 100)

    acked, results = fill(world)

    assert isinstance(results[-1], StoreFull)
    assert acked > 10
    assert (stream.last_seq(), stream.committed_seq()) == (acked, acked)
    world.close()
    again = open_store(tmp_path / "store")
    assert again.store.streams()[0].store.state().msgs == acked
    again.close()


def test_removals_make_room_on_a_full_disk_and_appends_go_on(tmp_path: Path) -> None:
    world = open_store(tmp_path / "store", replace(SMALL, segment_rows_max=8))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    disk_has_pages(world, 100)
    acked, _ = fill(world)

    results: list[object] = []
    stream.remove_below(acked - 10)
    world.store.after_commit(results.append)
    world.settle()
    assert results == [None]
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    assert stream.append(b"a", 0, bytes(4000), 1000) == acked + 1
    world.store.after_commit(results.append)
    world.settle()
    assert results == [None, None]
    world.close()


def test_the_reserve_is_given_up_on_a_full_disk_and_set_aside_again(tmp_path: Path) -> None:
    world = open_store(tmp_path / "store", RESERVED)
    reserve = tmp_path / "store" / RESERVE_NAME
    assert reserve.stat().st_size == RESERVED.reserve_bytes
    assert reserve.stat().st_blocks * 512 >= RESERVED.reserve_bytes
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    disk_has_pages(world, 50)

    fill(world)
    assert not reserve.exists()
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert reserve.stat().st_size == RESERVED.reserve_bytes
    assert world.store.failed() is None
    world.close()


def test_while_no_reserve_can_be_set_aside_appends_stay_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_store(tmp_path / "store", RESERVED)
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    disk_has_pages(world, 50)
    fill(world)
    room = [False]
    monkeypatch.setattr(world.store._writer, "make_reserve", lambda: room[0])

    world.clock.advance(3 * limits.STORE_RETRY_NS)
    world.settle()
    assert isinstance(world.store.failed(), StoreFull)

    room[0] = True
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()
    assert world.store.failed() is None
    world.close()


def test_closing_leaves_everything_in_the_database_and_no_wal_that_damage_could_speak_through(
    tmp_path: Path,
) -> None:
    bounds = replace(SMALL, wal_pregrow_bytes=1024 * 1024)
    wal = tmp_path / "store" / "leafnode.db-wal"
    world = open_store(tmp_path / "store", bounds)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for _ in range(5):
        stream.append(b"a", 0, b"x", 1000)
        world.settle()

    world.close()

    assert not wal.exists()
    again = open_store(tmp_path / "store", bounds)
    assert again.store.streams()[0].store.state().msgs == 5
    assert wal.stat().st_size >= 1024 * 1024
    again.close()


def test_a_store_opens_on_a_disk_too_full_to_grow_the_wal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_store(tmp_path).close()
    disk = FaultyDisk()
    disk.fail("INSERT INTO pad", sqlite3.SQLITE_FULL)

    world = open_store(tmp_path, replace(SMALL, wal_pregrow_bytes=64 * 1024), disk=disk)

    assert "The write-ahead log was not grown" in caplog.text
    disk.heal()
    world.close()


def test_damage_found_by_a_commit_quarantines_its_stream_alone(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    bad = world.store.create_stream("A", "BAD", b"{}", 5, 1)
    good = world.store.create_stream("A", "GOOD", b"{}", 5, 1)
    bad.append(b"a", 0, b"", 1000)
    good.append(b"a", 0, b"", 1000)
    world.settle()
    results: list[object] = []
    world.disk.fail("INSERT INTO m1_1", sqlite3.SQLITE_CORRUPT, "database disk image is malformed")
    for _ in range(2):  # the first time it may be a read that failed
        bad.append(b"a", 0, b"", 1000)
        world.store.after_commit(results.append)
        world.settle()
        world.clock.advance(limits.STORE_RETRY_NS)
        world.settle()
    world.disk.heal()

    assert [type(one) for one in results] == [StoreFailed, StoreCorrupt]
    assert [(account, name) for account, name, _ in world.damage] == [("A", "BAD")]
    assert world.store.failed() is None
    assert good.append(b"a", 0, b"", 1000) == 2
    world.close()


def test_damage_that_is_no_streams_own_closes_and_reads_the_whole_store(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    stream.append(b"a", 0, b"", 1000)
    world.disk.fail("COMMIT", sqlite3.SQLITE_CORRUPT)
    world.settle()
    world.disk.heal()
    assert isinstance(world.store.failed(), StoreFailed)

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    assert stream.last_seq() == 0
    world.close()


def test_a_full_disk_that_cannot_be_read_either_is_a_failed_one(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"", 1000)
    world.settle()
    stream.append(b"a", 0, b"", 1000)
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.disk.fail("SELECT seq, sid", sqlite3.SQLITE_IOERR_READ)
    world.settle()
    assert isinstance(world.store.failed(), StoreFailed)
    world.disk.heal()

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    assert stream.last_seq() == 1
    world.close()


def test_a_checkpoint_that_fails_at_closing_is_left_to_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"", 1000)
    world.settle()
    world.disk.fail("PRAGMA wal_checkpoint", sqlite3.SQLITE_IOERR_WRITE)

    world.close()

    assert "The last checkpoint failed" in caplog.text
    again = open_store(tmp_path)
    assert again.store.streams()[0].store.last_seq() == 1
    again.close()


def test_a_failure_while_the_first_state_is_read_closes_what_was_opened(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    disk = FaultyDisk()
    disk.fail("SELECT id, account", sqlite3.SQLITE_IOERR_READ)

    with pytest.raises(StoreFailed):
        open_store(tmp_path, disk=disk)

    disk.heal()
    open_store(tmp_path, disk=disk).close()


def test_a_number_that_sqlite_cannot_hold_fails_its_batch_and_the_store_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    results: list[object] = []
    stream.append(b"a", 0, b"", 1000)
    world.store.create_stream("A", "T", b"{}", 2**64, 1)
    world.store.after_commit(results.append)
    world.settle()

    assert isinstance(results[0], StoreFailed)
    assert "OverflowError" in str(world.store.failed())
    assert "Traceback" in caplog.text
    conn = world.store._writer._conn
    assert conn is not None
    assert not conn.in_transaction
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    assert stream.append(b"a", 0, b"", 1000) == 1
    world.store.after_commit(results.append)
    world.settle()
    assert results[1] is None
    world.close()


def test_a_bug_at_reopening_is_tried_again_like_any_failure(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    stream.append(b"a", 0, b"", 1000)
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.settle()
    world.disk.heal()
    world.disk.faults["SELECT id, account"] = OverflowError("too large")  # type: ignore[assignment]
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()
    assert "OverflowError" in str(world.store.failed())
    world.disk.heal()

    world.clock.advance(limits.STORE_RETRY_MAX_NS)
    world.settle()

    assert world.store.failed() is None
    world.close()


def test_a_reserve_that_can_neither_be_written_nor_removed_keeps_no_store_from_opening(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / RESERVE_NAME).mkdir()  # what EROFS and EACCES are to a plain user

    world = open_store(tmp_path, RESERVED)

    assert "The reserve file was not written" in caplog.text
    assert world.store.failed() is None
    world.close()


def test_a_reserve_that_cannot_be_given_up_keeps_no_full_disk_from_recovering(
    tmp_path: Path,
) -> None:
    world = open_store(tmp_path, RESERVED)
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    disk_has_pages(world, 50)
    reserve = tmp_path / RESERVE_NAME
    reserve.unlink()
    reserve.mkdir()

    acked, results = fill(world)
    assert isinstance(results[-1], StoreFull)
    world.clock.advance(3 * limits.STORE_RETRY_NS)
    world.settle()
    assert isinstance(world.store.failed(), StoreFull)
    reserve.rmdir()
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    assert world.store.streams()[0].store.last_seq() == acked
    world.close()


def test_a_bug_while_looking_for_room_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_store(tmp_path)
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    disk_has_pages(world, 50)
    fill(world)
    with monkeypatch.context() as patch:
        patch.setattr(world.store._writer, "make_reserve", lambda: 1 // 0)
        world.clock.advance(limits.STORE_RETRY_NS)
        world.settle()
    assert isinstance(world.store.failed(), StoreFull)

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    world.close()


def test_a_disk_that_the_store_itself_filled_has_room_again_after_a_purge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_store(tmp_path / "store", replace(RESERVED, segment_rows_max=8))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    file = tmp_path / "store" / "leafnode.db"
    disk_has_pages(world, 100)
    fill(world)
    conn = world.store._writer._conn
    assert conn is not None
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    full_bytes = file.stat().st_size
    allocate = os.posix_fallocate

    def tmpfs(fd: int, offset: int, size: int) -> None:
        """A disk that holds the full file and not a byte more."""
        if file.stat().st_size + size > full_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(fd, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", tmpfs)
    world.clock.advance(2 * limits.STORE_RETRY_NS)
    world.settle()
    assert isinstance(world.store.failed(), StoreFull)

    stream.remove_below(stream.last_seq() + 1)
    world.settle()
    world.clock.advance(2 * limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    assert stream.append(b"a", 0, b"x", 2000) > 0
    world.close()


def test_pages_are_given_back_in_steps_that_the_log_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = replace(
        SMALL, segment_rows_max=8, reserve_bytes=1024 * 1024, wal_pregrow_bytes=256 * 1024
    )
    world = open_store(tmp_path / "store", bounds)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    disk_has_pages(world, 700)
    fill(world)
    file, log = tmp_path / "store" / "leafnode.db", tmp_path / "store" / "leafnode.db-wal"
    full_bytes = file.stat().st_size
    allocate = os.posix_fallocate

    def tmpfs(fd: int, offset: int, size: int) -> None:
        if file.stat().st_size + size > full_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        allocate(fd, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", tmpfs)
    stream.remove_below(stream.last_seq() + 1)
    world.settle()
    conn = world.store._writer._conn
    assert conn is not None
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    done: list[str] = []
    sizes: list[int] = []

    def note(statement: str) -> None:
        done.append(statement)
        sizes.append(log.stat().st_size)

    conn.set_trace_callback(note)
    world.clock.advance(2 * limits.STORE_RETRY_NS)
    world.settle()
    conn.set_trace_callback(None)

    assert world.store.failed() is None
    vacuums = [at for at, one in enumerate(done) if "incremental_vacuum" in one]
    assert len(vacuums) > 10
    assert all(
        any("wal_checkpoint" in one for one in done[at : at + 8]) for at in vacuums
    )  # each step leaves the log to the next one
    assert max(sizes) <= bounds.wal_pregrow_bytes
    world.close()


def test_room_within_the_file_is_room_although_no_reserve_can_be_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_store(tmp_path / "store", replace(RESERVED, segment_rows_max=8))
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    disk_has_pages(world, 100)
    fill(world)

    def no_room(fd: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    monkeypatch.setattr(world.store._writer, "_give_back_pages", lambda: False)
    world.clock.advance(2 * limits.STORE_RETRY_NS)
    world.settle()
    assert isinstance(world.store.failed(), StoreFull)

    stream.remove_below(stream.last_seq() + 1)
    world.settle()
    world.clock.advance(2 * limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    assert stream.append(b"a", 0, b"x", 2000) > 0
    world.close()


def test_damage_that_a_second_look_does_not_find_is_none(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.close()

    class Once(FaultyDisk):
        def execute(
            self, run: Callable[[str, Any], sqlite3.Cursor], sql: str, parameters: Any
        ) -> sqlite3.Cursor:
            if sql.startswith("SELECT sid, name") and not self.count("SELECT sid, name"):
                self.statements.append(sql)
                error = sqlite3.DatabaseError("database disk image is malformed")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
            return super().execute(run, sql, parameters)

    world = open_store(tmp_path, disk=Once())

    assert world.damage == []
    world.close()


def test_a_store_that_cannot_be_read_is_refused_and_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_store(tmp_path)
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.close()
    disk = FaultyDisk()
    disk.fail("SELECT sid, name", sqlite3.SQLITE_CORRUPT, "database disk image is malformed")
    monkeypatch.setattr(schema, "can_be_read", lambda _: False)

    with pytest.raises(StoreFailed, match=r"leafnode\.db: cannot be read"):
        open_store(tmp_path, disk=disk)
