"""leafnode.store.stream: what readers see while changes are on their way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreFailed
from tests.sim.committer import SMALL, HeldExecutor, InlineExecutor, StoreWorld, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.api import StoredMsg
    from leafnode.store.stream import SqliteStream
    from leafnode.store.worker import Executor

BOUNDS = replace(SMALL, segment_rows_max=4)


def commits_held(name: str) -> Executor:
    return HeldExecutor() if name == "leafnode-commit" else InlineExecutor()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[StoreWorld]:
    one = open_store(tmp_path, BOUNDS, commits_held)
    yield one
    one.close()


@pytest.fixture
def stream(world: StoreWorld) -> SqliteStream:
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(1, 11):
        stream.append(b"a.%d" % (number % 2), 0, b"x", 1000)
    world.settle()
    return stream


def visible(world: StoreWorld, stream: SqliteStream, *patterns: bytes) -> list[int]:
    found: list[list[StoredMsg]] = []
    stream.read(1, patterns, 100, 1000, found.append)
    world.turns.run_results(world.store._read_worker)
    return [message.seq for message in found[0]]


def test_readers_see_a_removal_once_it_is_committed(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.remove([9, 3])
    world.turns.run()
    assert visible(world, stream) == list(range(1, 11))

    world.settle()

    assert visible(world, stream) == [1, 2, 4, 5, 6, 7, 8, 10]


def test_readers_see_a_purge_once_it_is_committed(world: StoreWorld, stream: SqliteStream) -> None:
    stream.remove_below(11)
    world.turns.run()
    assert visible(world, stream, b"a.1") == [1, 3, 5, 7, 9]

    world.settle()

    assert visible(world, stream, b"a.1") == []


def newest(world: StoreWorld, stream: SqliteStream, subject: bytes) -> int | None:
    found: list[StoredMsg | None] = []
    stream.last(subject, found.append)
    world.turns.run_results(world.store._read_worker)
    (message,) = found
    return message and message.seq


def test_readers_see_the_newest_of_a_subject_until_its_removal_is_committed(
    world: StoreWorld, stream: SqliteStream
) -> None:
    for gone, before in ((9, 7), (7, 5)):  # of the second memory knows only that 9 was not last
        stream.remove([gone])
        world.turns.run()
        state = stream.subject_state(b"a.1") if gone == 7 else None
        assert state is None or state.last_seq == before
        assert newest(world, stream, b"a.1") == gone

        world.settle()

        assert newest(world, stream, b"a.1") == before


def test_readers_see_the_newest_of_a_subject_until_the_purge_is_committed(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.remove_below(11)
    world.turns.run()
    assert newest(world, stream, b"a.1") == 9

    world.settle()

    assert newest(world, stream, b"a.1") is None


def test_subjects_without_messages_are_forgotten_when_their_rows_are_gone(
    world: StoreWorld, stream: SqliteStream
) -> None:
    stream.remove([1, 3, 5, 7, 9])  # half of the second segment: it is swept
    world.turns.run()
    assert b"a.1" in stream.index.subjects.by_name  # readers still get its messages

    world.settle()

    assert b"a.1" not in stream.index.subjects.by_name
    conn = world.store._writer._conn
    assert conn is not None
    assert conn.execute("SELECT name FROM subject").fetchall() == [(b"a.0",)]


def test_a_stream_that_is_deleted_takes_no_changes(world: StoreWorld, stream: SqliteStream) -> None:
    world.store.delete_stream("A", "S")

    with pytest.raises(StoreFailed, match="stream S of A is deleted"):
        stream.append(b"a", 0, b"", 1000)


def test_a_change_that_changes_nothing_writes_nothing(
    world: StoreWorld, stream: SqliteStream
) -> None:
    assert stream.remove([77]) == 0
    assert stream.remove_below(1) == 0

    assert world.store.committer.is_idle()


def test_the_acknowledgement_path_writes_rows_and_nothing_else(
    world: StoreWorld, stream: SqliteStream
) -> None:
    world.disk.statements.clear()

    stream.append(b"a.1", 0, b"x", 2000)
    stream.append(b"a.0", 0, b"x", 2000)
    world.settle()

    assert [sql.split(" VALUES")[0] for sql in world.disk.statements] == [
        "BEGIN IMMEDIATE",
        "INSERT INTO m1_3",
        "COMMIT",
    ]


def test_lazy_retention_writes_no_floor(world: StoreWorld, stream: SqliteStream) -> None:
    world.disk.statements.clear()

    stream.append(b"a.1", 0, b"x", 2000)
    stream.remove_below(2, lazy=True)
    world.settle()

    assert world.disk.count("UPDATE") == 0
    stream.remove_below(3)
    world.settle()
    assert world.disk.count("UPDATE stream SET first_seq") == 1
