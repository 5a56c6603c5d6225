"""leafnode.store.commit: one batch in flight, callbacks in order, bounds, undoing."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError, StoreFailed, StoreFull
from leafnode.store.bounds import StoreBounds
from tests.sim.committer import FaultyDisk, HeldExecutor, StoreWorld, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from leafnode.store.stream import SqliteStream

BOUNDS = StoreBounds(
    commit_rows_max=3,
    commit_bytes_max=100,
    staged_rows_max=6,
    staged_bytes_max=300,
    wal_pregrow_bytes=0,
    reserve_bytes=0,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[StoreWorld]:
    one = open_store(tmp_path / "store", BOUNDS, lambda _: HeldExecutor())
    yield one
    one.disk.heal()
    one.clock.advance(limits.STORE_RETRY_MAX_NS)
    one.close()


@pytest.fixture
def stream(world: StoreWorld) -> SqliteStream:
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()
    world.disk.statements.clear()
    return stream


def disk_does_one_batch(world: StoreWorld) -> None:
    executor = world.executors["leafnode-commit"]
    assert isinstance(executor, HeldExecutor)
    executor.jobs.popleft()()
    world.turns.run()


def noting(results: list[str], name: str) -> Callable[[StoreError | None], None]:
    return lambda error: results.append(f"{name}:{type(error).__name__ if error else 'ok'}")


def append(stream: SqliteStream, results: list[str] | None = None) -> int:
    seq = stream.append(b"a", 0, b"x", 1000)
    if results is not None:
        stream._host.committer.after_commit(noting(results, str(seq)))
    return seq


def test_what_is_staged_in_one_turn_is_one_transaction(
    world: StoreWorld, stream: SqliteStream
) -> None:
    append(stream)
    world.store.put_consumer("A", "S", "C", 5, b"{}", b"")
    stream.remove([1])
    append(stream)

    world.settle()

    assert world.disk.count("COMMIT") == 1
    assert world.disk.count("BEGIN") == 1


def test_a_run_is_staged_together_as_far_as_its_batch_goes(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream, results)

    assert stream.append_run(b"a", [b"x", b"x"], 1000) == 2  # a batch is three rows
    assert stream.append_run(b"a", [b"x", b"x", b"x", b"x"], 1000) == 1
    assert stream.append_run(b"a", [b"x", b"x"], 1000) == 2
    with pytest.raises(StoreBusy):  # six rows wait
        stream.append_run(b"a", [b"x"], 1000)
    append_is_refused = world.store.stats().refused
    world.settle()

    assert append_is_refused == 1
    assert world.disk.count("COMMIT") == 2
    assert stream.committed_seq() == stream.last_seq() == 6


def test_a_run_goes_together_while_its_bytes_do(world: StoreWorld, stream: SqliteStream) -> None:
    append(stream)

    assert stream.append_run(b"a", [bytes(50), bytes(50)], 1000) == 1
    assert stream.append_run(b"a", [bytes(50), bytes(50)], 1000) == 2
    assert stream.append_run(b"a", [bytes(99), bytes(99)], 1000) == 1
    with pytest.raises(StoreBusy):
        stream.append_run(b"a", [bytes(99)], 1000)
    world.settle()

    assert stream.committed_seq() == stream.last_seq() == 5


def test_a_callback_is_the_last_one_for_as_long_as_nothing_follows_it(
    world: StoreWorld, stream: SqliteStream
) -> None:
    first, second = noting([], "first"), noting([], "second")
    store = world.store
    stream.append(b"a", 0, b"x", 1000)
    assert not store.is_last(first)
    store.after_commit(first)

    stream.append(b"a", 0, b"y", 1000)
    assert store.is_last(first)  # it is in the same batch
    world.turns.run()
    assert store.is_last(first)  # and on its way
    stream.append(b"a", 0, b"z", 1000)
    assert not store.is_last(first)
    store.after_commit(second)
    assert store.is_last(second)
    world.settle()

    assert not store.is_last(second)


def test_a_callback_is_not_the_last_one_for_what_its_full_batch_does_not_hold(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    done = noting(results, "batch")
    for _ in range(3):
        stream.append(b"a", 0, b"x", 1000)
    world.store.after_commit(done)

    stream.append(b"a", 0, b"x", 1000)

    assert not world.store.is_last(done)
    world.settle()
    assert results == ["batch:ok"]


def test_nothing_is_resolved_while_the_disk_holds_the_batch(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream, results)
    append(stream, results)

    world.turns.run()

    assert results == []
    assert stream.committed_seq() == 0
    disk_does_one_batch(world)
    assert results == ["1:ok", "2:ok"]
    assert stream.committed_seq() == 2


def test_what_arrives_while_a_batch_is_in_flight_is_the_next_batch(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream, results)
    world.turns.run()
    append(stream, results)
    world.turns.run()
    append(stream, results)
    world.turns.run()

    disk_does_one_batch(world)
    assert results == ["1:ok"]
    disk_does_one_batch(world)

    assert results == ["1:ok", "2:ok", "3:ok"]
    assert world.disk.count("COMMIT") == 2


def test_callbacks_come_in_the_order_of_registration(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream, results)
    world.turns.run()
    world.store.after_commit(noting(results, "nothing more staged"))
    append(stream, results)
    world.store.after_commit(noting(results, "last"))

    world.settle()

    assert results == ["1:ok", "nothing more staged:ok", "2:ok", "last:ok"]


def test_a_callback_that_raises_does_not_keep_others_from_being_called(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream, results)
    world.store.after_commit(lambda _: 1 // 0)
    world.store.after_commit(noting(results, "next"))
    world.turns.run()

    with pytest.raises(ZeroDivisionError):
        disk_does_one_batch(world)
    world.turns.run()

    assert results == ["1:ok", "next:ok"]


def test_a_callback_registered_by_a_callback_comes_after_older_ones(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream)
    world.store.after_commit(lambda _: world.store.after_commit(noting(results, "registered last")))
    world.store.after_commit(noting(results, "registered second"))

    world.settle()

    assert results == ["registered second:ok", "registered last:ok"]


def test_callbacks_left_over_after_one_raised_come_before_those_of_the_next_batch(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream)
    world.store.after_commit(lambda _: 1 // 0)
    world.store.after_commit(noting(results, "older"))
    world.turns.run()
    append(stream, results)
    executor = world.executors["leafnode-commit"]
    assert isinstance(executor, HeldExecutor)
    executor.jobs.popleft()()
    with pytest.raises(ZeroDivisionError):
        world.turns.run_results(world.store._write_worker)
    executor.jobs.popleft()()

    world.turns.run_results(world.store._write_worker)

    assert results == ["older:ok", "2:ok"]


def test_a_batch_is_cut_at_its_rows_and_not_before(world: StoreWorld, stream: SqliteStream) -> None:
    for _ in range(3):
        append(stream)
    world.settle()
    assert world.disk.count("COMMIT") == 1

    for _ in range(4):
        append(stream)
    world.settle()

    assert world.disk.count("COMMIT") == 3


@pytest.mark.parametrize(("before", "rows"), [(2, 2), (0, 4)])  # not cut within, also when larger
def test_what_room_was_kept_for_is_one_transaction(
    world: StoreWorld, stream: SqliteStream, before: int, rows: int
) -> None:
    for _ in range(before):
        append(stream)
    world.store.reserve(rows, rows)
    for _ in range(rows):
        append(stream)
    world.turns.run()

    committed = []
    while stream.committed_seq() < before + rows:
        disk_does_one_batch(world)
        committed.append(stream.committed_seq())

    assert committed == ([before] if before else []) + [before + rows]


@pytest.mark.parametrize(("rows", "size"), [(7, 7), (2, 301)])
def test_no_room_is_kept_for_more_than_may_wait(
    world: StoreWorld, stream: SqliteStream, rows: int, size: int
) -> None:
    with pytest.raises(StoreBusy):
        world.store.reserve(rows, size)

    assert append(stream) == 1


def test_a_batch_is_cut_at_its_bytes_and_a_larger_message_goes_alone(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.append(b"a", 0, bytes(100), 1000)
    world.settle()
    assert world.disk.count("COMMIT") == 1

    stream.append(b"a", 0, bytes(1), 1000)
    stream.append(b"a", 0, bytes(101), 1000)
    world.settle()

    assert world.disk.count("COMMIT") == 3


def test_what_follows_from_a_message_stays_in_its_transaction(
    world: StoreWorld, stream: SqliteStream
) -> None:
    for _ in range(3):
        append(stream)
    append(stream)
    stream.remove([1])
    world.store.after_commit(lambda _: None)
    world.turns.run()

    disk_does_one_batch(world)
    assert not any("dead" in sql for sql in world.disk.statements)
    disk_does_one_batch(world)

    assert any("dead" in sql for sql in world.disk.statements)


def test_as_many_rows_as_may_wait_are_taken_and_one_more_is_refused(
    world: StoreWorld, stream: SqliteStream
) -> None:
    for _ in range(BOUNDS.staged_rows_max):
        append(stream)

    with pytest.raises(StoreBusy):
        append(stream)

    assert stream.last_seq() == BOUNDS.staged_rows_max
    assert world.store.stats().refused == 1
    world.settle()
    assert append(stream) == BOUNDS.staged_rows_max + 1


def test_as_many_bytes_as_may_wait_are_taken_and_one_more_is_refused(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.append(b"a", 0, bytes(BOUNDS.staged_bytes_max), 1000)
    assert world.store.committer.staged_bytes == BOUNDS.staged_bytes_max

    with pytest.raises(StoreBusy):
        stream.append(b"a", 0, b"x", 1000)

    world.settle()
    assert world.store.committer.staged_bytes == 0
    assert stream.append(b"a", 0, b"x", 1000) == 2


def test_an_error_fails_every_callback_of_the_batch_and_of_those_behind_it(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream, results)
    world.turns.run()
    for _ in range(4):
        append(stream, results)
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL, "database or disk is full")

    disk_does_one_batch(world)

    assert results == [f"{seq}:StoreFull" for seq in range(1, 6)]
    assert world.store.committer.staged_bytes == 0


def test_batches_before_the_error_stay(world: StoreWorld, stream: SqliteStream) -> None:
    results: list[str] = []
    for _ in range(4):
        append(stream, results)
    world.turns.run()
    disk_does_one_batch(world)
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)

    disk_does_one_batch(world)

    assert results == ["1:ok", "2:ok", "3:ok", "4:StoreFull"]
    assert (stream.last_seq(), stream.committed_seq()) == (3, 3)


def test_sequences_of_a_failed_batch_are_given_out_again(
    world: StoreWorld, stream: SqliteStream
) -> None:
    append(stream)
    world.settle()
    append(stream)
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.settle()
    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert append(stream) == 2


def test_after_a_failed_fsync_nothing_is_taken_until_the_store_was_reopened(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream, results)
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.settle()
    world.disk.heal()
    assert results == ["1:StoreFailed"]

    with pytest.raises(StoreFailed):
        append(stream)
    with pytest.raises(StoreFailed):
        stream.remove([1])
    with pytest.raises(StoreFailed):
        world.store.create_stream("A", "T", b"{}", 5, 1)
    assert isinstance(world.store.failed(), StoreFailed)

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert world.store.failed() is None
    assert append(stream, results) == 1
    world.settle()
    assert results == ["1:StoreFailed", "1:ok"]


def test_a_commit_that_reported_an_error_and_was_durable_is_found_at_reopening(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream, results)
    world.disk.lies = True
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    world.settle()
    world.disk.heal()
    assert results == ["1:StoreFailed"]

    world.clock.advance(limits.STORE_RETRY_NS)
    world.settle()

    assert (stream.last_seq(), stream.committed_seq()) == (1, 1)
    assert append(stream) == 2


def test_reopening_is_tried_again_and_more_rarely(world: StoreWorld, stream: SqliteStream) -> None:
    append(stream)
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_WRITE)
    world.disk.fail("PRAGMA application_id", sqlite3.SQLITE_IOERR_READ)
    world.settle()
    opened = world.disk.opened

    for _ in range(15):
        world.clock.advance(limits.STORE_RETRY_NS)
        world.settle()
    assert world.disk.opened == opened + 4  # after 1, 3, 7 and 15 times the first wait
    assert isinstance(world.store.failed(), StoreFailed)

    world.disk.heal()
    world.clock.advance(limits.STORE_RETRY_MAX_NS)
    world.settle()
    assert world.store.failed() is None


def test_on_a_full_disk_appends_are_refused_and_removals_go_on(
    world: StoreWorld, stream: SqliteStream
) -> None:
    results: list[str] = []
    append(stream)
    append(stream)
    world.settle()
    append(stream)
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.settle()
    world.disk.heal()

    with pytest.raises(StoreFull):
        append(stream)
    assert isinstance(world.store.failed(), StoreFull)
    stream.remove([1])
    world.store.after_commit(noting(results, "removed"))
    world.settle()

    assert results == ["removed:ok"]
    assert stream.state().msgs == 1


def test_a_new_exception_is_raised_each_time(world: StoreWorld, stream: SqliteStream) -> None:
    append(stream)
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.settle()

    with pytest.raises(StoreFull) as first:
        append(stream)
    with pytest.raises(StoreFull) as second:
        append(stream)

    assert first.value is not second.value


GATHER_NS = 250_000_000


@pytest.fixture
def gathering(tmp_path: Path) -> Iterator[StoreWorld]:
    one = open_store(tmp_path / "store", BOUNDS, gather_ns=GATHER_NS)
    yield one
    one.close()


def gathering_stream(world: StoreWorld) -> SqliteStream:
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    world.clock.advance(GATHER_NS)
    world.settle()
    world.disk.statements.clear()
    return stream


def test_a_gathering_store_commits_and_answers_once_the_interval_is_over(
    gathering: StoreWorld,
) -> None:
    stream, results = gathering_stream(gathering), list[str]()

    append(stream, results)
    gathering.settle()
    gathering.clock.advance(GATHER_NS - 1)
    append(stream, results)
    gathering.settle()
    assert results == []
    gathering.clock.advance(1)
    gathering.settle()

    assert len(results) == 2
    assert gathering.disk.count("COMMIT") == 1


def test_a_full_batch_does_not_wait_for_the_interval(gathering: StoreWorld) -> None:
    stream, results = gathering_stream(gathering), list[str]()

    for _ in range(BOUNDS.commit_rows_max + 1):
        append(stream, results)
    gathering.settle()

    assert len(results) == BOUNDS.commit_rows_max


def test_closing_a_gathering_store_commits_what_was_gathered(tmp_path: Path) -> None:
    gathering = open_store(tmp_path / "store", BOUNDS, gather_ns=GATHER_NS)
    stream, results = gathering_stream(gathering), list[str]()
    append(stream, results)

    gathering.close()

    assert len(results) == 1
    world = open_store(tmp_path / "store", BOUNDS)
    assert world.store.streams()[0].store.last_seq() == 1
    world.close()


# --- waiting for those who were just answered

FLUSH_NS = 8_000_000


@pytest.fixture
def herd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreWorld]:
    """A store whose disk takes its time."""
    one = open_store(
        tmp_path / "herd",
        StoreBounds(wal_pregrow_bytes=0, reserve_bytes=0),
        lambda _: HeldExecutor(),
    )
    execute = FaultyDisk.execute

    def slow(disk: FaultyDisk, run: Callable[..., sqlite3.Cursor], sql: str, values: Any) -> Any:
        if sql == "COMMIT" and disk is one.disk:
            one.clock.advance(FLUSH_NS)
        return execute(disk, run, sql, values)

    monkeypatch.setattr(FaultyDisk, "execute", slow)
    one.store.create_stream("A", "S", b"{}", 5, 1)
    one.settle()
    one.disk.statements.clear()
    yield one
    one.disk.heal()
    one.clock.advance(limits.STORE_RETRY_MAX_NS)
    one.close()


def publish(world: StoreWorld, count: int) -> None:
    """Let each of some publishers publish in a turn of its own."""
    [record] = world.store.streams()
    for _ in range(count):
        record.store.append(b"a", 0, b"x", 1000)
        world.turns.run()


def publish_together(world: StoreWorld) -> None:
    """Let three publishers be answered by one commit."""
    publish(world, 3)
    disk_does_one_batch(world)  # the first one's message: it is waited for, too
    publish(world, 1)
    disk_does_one_batch(world)
    world.disk.statements.clear()


def test_who_is_answered_together_is_together_in_the_next_batch(herd: StoreWorld) -> None:
    publish_together(herd)

    publish(herd, 2)
    assert not herd.executors["leafnode-commit"].jobs  # type: ignore[attr-defined]
    publish(herd, 1)
    disk_does_one_batch(herd)

    assert herd.disk.count("COMMIT") == 1
    assert herd.store.committer.is_idle()


def test_a_batch_leaves_without_those_who_do_not_come_and_the_next_ones_at_once(
    herd: StoreWorld,
) -> None:
    publish_together(herd)

    publish(herd, 1)
    herd.clock.advance(FLUSH_NS // 2)
    disk_does_one_batch(herd)
    publish(herd, 1)
    disk_does_one_batch(herd)

    assert herd.disk.count("COMMIT") == 2
    assert herd.store.committer.is_idle()


def test_a_publisher_alone_waits_for_nobody(herd: StoreWorld) -> None:
    for _ in range(3):
        publish(herd, 1)
        disk_does_one_batch(herd)

    assert herd.disk.count("COMMIT") == 3


def test_a_store_that_closes_waits_for_nobody(herd: StoreWorld) -> None:
    publish_together(herd)
    publish(herd, 1)

    herd.store.committer.hurry()
    disk_does_one_batch(herd)

    assert herd.disk.count("COMMIT") == 1


def test_room_that_was_kept_and_not_used_is_nobodys(
    world: StoreWorld, stream: SqliteStream
) -> None:
    world.store.reserve(6, 6)
    append(stream)
    world.store.release()
    for _ in range(5):
        append(stream)
    world.turns.run()

    committed = []
    while stream.committed_seq() < 6:
        disk_does_one_batch(world)
        committed.append(stream.committed_seq())

    assert committed == [3, 6]
