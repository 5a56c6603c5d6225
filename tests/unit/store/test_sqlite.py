"""leafnode.store.sqlite: the store as a whole: its lock, its consumers, its threads, its end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import SystemClock
from leafnode.errors import StoreCorrupt, StoreError, StoreFailed, StoreFull
from leafnode.store.api import SEQ_MAX
from leafnode.store.sqlite import SqliteStore, StoreSeams
from tests.sim.committer import SMALL, HeldExecutor, StoreWorld, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.api import StoredMsg


@pytest.fixture
def world(tmp_path: Path) -> Iterator[StoreWorld]:
    one = open_store(tmp_path / "store")
    one.store.create_stream("A", "S", b"{}", 5, 1)
    one.store.put_consumer("A", "S", "C", 6, b"{}", b"0")
    one.settle()
    one.disk.statements.clear()
    yield one
    one.close()


def state_on_disk(world: StoreWorld) -> object:
    conn = world.store._writer._conn
    assert conn is not None
    return conn.execute("SELECT state FROM consumer").fetchone()[0]


def test_a_store_in_use_is_refused_to_a_second_opener(tmp_path: Path, world: StoreWorld) -> None:
    with pytest.raises(StoreError, match="another process uses this store") as error:
        open_store(tmp_path / "store")

    assert str(tmp_path / "store") in str(error.value)
    assert world.store.failed() is None


def test_a_store_that_was_closed_may_be_opened_again(tmp_path: Path, world: StoreWorld) -> None:
    world.close()

    again = open_store(tmp_path / "store")

    assert [record.name for record in again.store.streams()] == ["S"]
    again.close()
    world.store._lock_fd = again.store._lock_fd = -1
    world.store.close = lambda _: None  # type: ignore[method-assign]


def test_a_new_name_and_a_new_end_outlive_a_crash(tmp_path: Path) -> None:
    world = open_store(tmp_path / "other")
    stream = world.store.create_stream("A", "S.new", b"{}", 5, 3)
    stream.append(b"a", 0, b"x", 1000, seq=4)
    stream.end_at(20, 7000)
    world.store.rename_stream("A", "S.new", "S")
    world.close()

    again = open_store(tmp_path / "other")

    (record,) = again.store.streams()
    state = record.store.state()
    assert (record.name, state.msgs, state.first_seq, state.last_seq) == ("S", 1, 4, 20)
    assert record.store.append(b"a", 0, b"y", 2000) == 21
    assert record.store.state().last_ts_ns == 7000
    again.close()


def test_a_new_name_whose_commit_fails_is_the_old_one_again(world: StoreWorld) -> None:
    errors: list[StoreError | None] = []
    (record,) = world.store.streams()
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL, "database or disk is full")

    world.store.rename_stream("A", "S", "T")
    world.store.after_commit(errors.append)
    world.settle()

    assert isinstance(errors[0], StoreFull)
    assert [(one.name, one.store) for one in world.store.streams()] == [("S", record.store)]
    assert record.store.name == "S"  # type: ignore[attr-defined]


def test_consumer_state_alone_is_written_after_its_time(world: StoreWorld) -> None:
    world.store.put_consumer_state("A", "S", "C", b"1")
    world.clock.advance(limits.CONSUMER_FLUSH_NS - 1)
    world.settle()
    assert state_on_disk(world) == b"0"

    world.clock.advance(1)
    world.settle()

    assert state_on_disk(world) == b"1"
    assert world.clock.pending() == 0


def test_consumer_state_goes_with_the_next_batch(world: StoreWorld) -> None:
    stream = world.store.streams()[0].store
    world.store.put_consumer_state("A", "S", "C", b"1")
    stream.append(b"a", 0, b"", 1000)

    world.settle()

    assert state_on_disk(world) == b"1"
    assert world.disk.count("COMMIT") == 1


def test_many_consumer_states_are_one_write(world: StoreWorld) -> None:
    for number in range(100):
        world.store.put_consumer_state("A", "S", "C", b"%d" % number)
        world.settle()
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    world.settle()

    assert world.disk.count("INSERT INTO consumer") == 1
    assert state_on_disk(world) == b"99"


def test_a_state_set_with_a_config_is_not_overwritten_by_an_older_one(world: StoreWorld) -> None:
    world.store.put_consumer_state("A", "S", "C", b"old")
    world.store.put_consumer("A", "S", "C", 6, b"{}", b"new")
    world.settle()
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    world.settle()

    assert state_on_disk(world) == b"new"


def test_consumer_state_survives_a_failed_commit(world: StoreWorld) -> None:
    world.store.put_consumer_state("A", "S", "C", b"1")
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    world.settle()
    world.disk.heal()
    world.store.put_consumer_state("A", "S", "C", b"2")

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert state_on_disk(world) == b"2"
    assert world.store.consumers("A", "S")[0].state == b"2"


def test_consumer_state_survives_a_failed_disk(world: StoreWorld) -> None:
    stream = world.store.streams()[0].store
    world.store.put_consumer_state("A", "S", "C", b"1")
    stream.append(b"a", 0, b"", 1000)
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.settle()
    world.disk.heal()

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    world.settle()

    assert state_on_disk(world) == b"1"
    assert stream.last_seq() == 0


def test_a_failed_commit_undoes_streams_and_consumers(world: StoreWorld) -> None:
    new = world.store.create_stream("A", "NEW", b"{}", 5, 1)
    world.store.update_stream("A", "S", b"{changed}")
    world.store.put_consumer("A", "S", "D", 6, b"{}", b"")
    world.store.put_consumer_state("A", "S", "D", b"1")
    world.store.delete_consumer("A", "S", "C")
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.settle()
    world.disk.heal()

    (record,) = world.store.streams()
    assert (record.name, record.config) == ("S", b"{}")
    assert [one.name for one in world.store.consumers("A", "S")] == ["C"]
    with pytest.raises(StoreFailed):
        new.append(b"a", 0, b"", 1000)


def test_a_failed_commit_brings_a_deleted_stream_back_to_life(world: StoreWorld) -> None:
    stream = world.store.streams()[0].store
    world.store.delete_stream("A", "S")
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.settle()
    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.streams()[0].store is stream
    assert stream.append(b"a", 0, b"", 1000) == 1


def test_after_a_full_disk_watchers_hear_of_it_before_callbacks_and_see_the_state_on_disk(
    world: StoreWorld,
) -> None:
    stream = world.store.streams()[0].store
    seen: list[object] = []

    def adopted(account: str, name: str) -> None:
        seen.append((account, name, stream.last_seq(), stream.committed_seq()))
        with pytest.raises(StoreFull):
            stream.append(b"a", 0, b"", 1000)

    world.store.watch(adopted)
    stream.append(b"a", 0, b"", 1000)
    world.store.after_commit(lambda error: seen.append((type(error), stream.last_seq())))
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.settle()
    world.disk.heal()

    assert seen == [("A", "S", 0, 0), (StoreFull, 0)]


def test_after_a_failed_disk_watchers_hear_of_it_before_an_append_is_taken(
    world: StoreWorld,
) -> None:
    stream = world.store.streams()[0].store
    world.store.create_stream("B", "T", b"{}", 5, 1)
    world.settle()
    seen: list[object] = []

    def adopted(account: str, name: str) -> None:
        seen.append((account, name, stream.last_seq(), stream.committed_seq()))
        with pytest.raises(StoreFailed):
            stream.append(b"a", 0, b"", 1000)

    world.store.watch(adopted)
    stream.append(b"a", 0, b"", 1000)
    world.disk.lies = True  # it is on disk all the same
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.store.after_commit(lambda error: seen.append(type(error)))
    world.settle()
    world.disk.heal()
    assert seen == [StoreFailed]

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert seen[1:] == [("A", "S", 1, 1), ("B", "T", 1, 1)]
    assert world.store.failed() is None


def test_watchers_hear_of_a_stream_whose_deletion_failed_and_not_of_one_that_never_was(
    world: StoreWorld,
) -> None:
    seen: list[tuple[str, str]] = []
    world.store.watch(lambda account, name: seen.append((account, name)))
    world.store.delete_stream("A", "S")
    world.store.create_stream("A", "NEW", b"{}", 5, 1)
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.settle()
    world.disk.heal()

    assert seen == [("A", "S")]


def test_a_watcher_that_raises_keeps_neither_others_nor_the_store_from_going_on(
    world: StoreWorld,
) -> None:
    stream = world.store.streams()[0].store
    seen: list[object] = []
    world.store.watch(lambda *_: 1 // 0)
    world.store.watch(lambda *key: seen.append(key))
    stream.append(b"a", 0, b"", 1000)
    world.store.after_commit(lambda error: seen.append(type(error)))
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.settle()
    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_NS)

    with pytest.raises(ZeroDivisionError):
        world.settle()

    assert seen == [StoreFailed, ("A", "S")]
    assert world.store.failed() is None


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_FULL])
def test_closing_with_a_commit_that_fails_leaves_no_timer_behind(tmp_path: Path, code: int) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.store.put_consumer("A", "S", "C", 6, b"{}", b"0")
    world.settle()
    seen: list[object] = []
    world.store.watch(lambda *key: seen.append(key))
    stream.append(b"a", 0, b"", 1000)
    world.store.put_consumer_state("A", "S", "C", b"1")
    world.store.after_commit(lambda error: seen.append(error is not None))
    world.disk.fail("COMMIT", code)

    world.store.close(lambda: None)
    world.settle()

    assert seen == [True]
    assert world.clock.pending() == 0
    world.disk.heal()
    open_store(tmp_path, disk=world.disk).close()


def test_a_reopening_under_way_does_not_bring_a_closed_store_back_to_life(tmp_path: Path) -> None:
    world = open_store(tmp_path, SMALL, lambda _: HeldExecutor())
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    stream.append(b"a", 0, b"", 1000)
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.settle()
    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_NS)
    reads = world.executors["leafnode-read"]
    assert isinstance(reads, HeldExecutor)
    reads.release()
    world.turns.run()
    commits = world.executors["leafnode-commit"]
    assert isinstance(commits, HeldExecutor)
    commits.release()  # the file is open again, the loop has not heard of it

    world.store.close(lambda: None)
    world.settle()

    with pytest.raises(StoreFailed, match="is closed"):
        stream.append(b"a", 0, b"", 1000)
    open_store(tmp_path).close()


def test_a_stream_cannot_start_at_a_sequence_beyond_what_the_file_holds(world: StoreWorld) -> None:
    for first_seq in (SEQ_MAX + 1, 2**64 - 1):
        with pytest.raises(StoreError, match="beyond"):
            world.store.create_stream("A", "T", b"{}", 5, first_seq)

    stream = world.store.create_stream("A", "T", b"{}", 5, SEQ_MAX)
    assert stream.append(b"a", 0, b"", 1000) == SEQ_MAX
    world.settle()
    assert world.store.failed() is None


def test_close_commits_what_is_staged_and_callbacks_still_come(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"", 1000)
    results: list[object] = []
    world.store.after_commit(results.append)

    closed: list[object] = []
    world.store.close(lambda: closed.append(list(results)))
    at_once = list(closed)
    world.settle()

    assert at_once == []
    assert closed == [[None]]
    with pytest.raises(StoreFailed, match="is closed"):
        stream.append(b"a", 0, b"", 1000)
    again = open_store(tmp_path)
    assert again.store.streams()[0].store.last_seq() == 1
    again.close()


def test_close_gives_up_on_a_disk_that_does_not_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = open_store(tmp_path, SMALL, lambda _: HeldExecutor())
    world.store.create_stream("A", "S", b"{}", 5, 1)
    closed: list[object] = []

    world.store.close(lambda: closed.append(world.clock.pending()))
    world.turns.run()
    world.clock.advance(limits.STORE_CLOSE_NS - 1)
    assert closed == []
    world.clock.advance(1)

    assert closed == [0]
    assert "did not end in time" in caplog.text
    with pytest.raises(StoreFailed, match="is closed"):
        world.store.create_stream("A", "T", b"{}", 5, 1)
    world.settle()  # the disk answers after all
    assert closed == [0]
    open_store(tmp_path).close()


def test_stats_count_what_was_committed(world: StoreWorld) -> None:
    stream = world.store.streams()[0].store
    before = world.store.stats().commits
    stream.append(b"a", 0, b"12345", 1000)
    stream.append(b"a", 0, b"12345", 1000)
    world.settle()

    stats = world.store.stats()

    assert (stats.commits, stats.rows, stats.bytes) == (before + 1, 2, 10)
    assert stats.file_bytes > 4096
    assert stats.failures == 0


def test_a_damaged_index_found_by_a_question_quarantines_the_stream(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    bounds = world.store._bounds
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    assert bounds.segment_rows_max == limits.SEGMENT_ROWS_MAX
    for _ in range(2 * limits.SEGMENT_ROWS_MAX // 4096):
        for _ in range(4096):
            stream.append(b"a", 0, b"", 1000)
        world.settle()
    stream.append(b"a", 0, b"", 1000)
    world.close()
    conn = sqlite3.connect(tmp_path / "leafnode.db", isolation_level=None)
    conn.execute("UPDATE segment_index SET columns=x'00' WHERE no=1")
    conn.close()
    world = open_store(tmp_path)
    stream = world.store._streams["A", "S"]

    with pytest.raises(StoreError, match="segment 1"):
        stream.num_pending([b"a"], 5)

    assert [(account, name) for account, name, _ in world.damage] == [("A", "S")]
    world.close()


@pytest.mark.real_loop
async def test_with_real_threads_messages_are_stored_and_read_and_the_threads_end(
    tmp_path: Path,
) -> None:
    loop = asyncio.get_running_loop()
    seams = StoreSeams(
        clock=SystemClock(),
        schedule=loop.call_soon,
        call_soon_threadsafe=loop.call_soon_threadsafe,
        on_damage=lambda *_: None,
    )
    store = SqliteStore.open(tmp_path, seams)
    assert {"leafnode-commit", "leafnode-read"} <= {one.name for one in threading.enumerate()}
    stream = store.create_stream("A", "S", b"{}", 5, 1)
    results: list[object] = []
    for _ in range(1000):
        stream.append(b"a", 0, bytes(100), 1000)
        store.after_commit(results.append)
    committed = asyncio.Event()
    store.after_commit(lambda _: committed.set())
    await committed.wait()
    assert results == [None] * 1000

    found: asyncio.Future[list[StoredMsg]] = loop.create_future()
    store.tails._let_go()
    stream.read(1, [], 5, 10_000, found.set_result)
    assert len(await found) == 5

    closed = asyncio.Event()
    store.close(closed.set)
    assert not closed.is_set()
    await closed.wait()
    assert not {"leafnode-commit", "leafnode-read"} & {one.name for one in threading.enumerate()}


def test_closing_is_done_by_the_stores_own_threads_in_turns_of_the_loop(tmp_path: Path) -> None:
    world = open_store(tmp_path, SMALL, lambda _: HeldExecutor())
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    world.store.put_consumer("A", "S", "C", 6, b"{}", b"0")
    steps: list[str] = []
    for name, part in (("reader", world.store._reader), ("writer", world.store._writer)):
        close = part.close
        part.close = lambda name=name, close=close: (steps.append(name), close())  # type: ignore
    reads, writes = (world.executors[f"leafnode-{name}"] for name in ("read", "commit"))
    assert isinstance(reads, HeldExecutor)
    assert isinstance(writes, HeldExecutor)

    world.store.close(lambda: steps.append("done"))
    for executor in (writes, reads, writes):  # the last commit, then each connection
        before = list(steps)
        world.turns.run()
        assert steps == before  # nothing on the loop's thread
        assert len(executor.jobs) == 1
        executor.release()
    assert steps == ["reader", "writer"]
    world.turns.run()

    assert steps == ["reader", "writer", "done"]
    again = open_store(tmp_path)
    assert list(again.store.consumers("A", "S"))
    again.close()


def test_a_stream_that_is_set_aside_is_told_once_and_can_be_deleted(world: StoreWorld) -> None:
    stream = world.store.streams()[0].store
    problem = StoreCorrupt("nobody can make sense of it")

    world.store.set_aside("A", "S", problem)
    world.store.set_aside("A", "S", problem)
    assert world.damage == [("A", "S", problem)]
    with pytest.raises(StoreCorrupt):
        stream.append(b"s", 0, b"x", 1)
    world.store.delete_stream("A", "S")
    world.settle()

    assert not world.store.has_stream("A", "S")
