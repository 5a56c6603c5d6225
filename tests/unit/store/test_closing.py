"""leafnode.store.closing is tested as the end of a store, in test_sqlite.py: here, what may come
back from the disk late, or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreFailed
from leafnode.store import ask
from leafnode.store.stream import SqliteStream
from tests.sim.committer import SMALL, HeldExecutor, StoreWorld, open_store

if TYPE_CHECKING:
    from pathlib import Path


def with_a_message_on_disk(directory: Path) -> StoreWorld:
    """A store that has to ask its reader for it."""
    before = open_store(directory)
    before.store.create_stream("A", "S", b"{}", 5, 1).append(b"a", 0, b"", 1000)
    before.close()
    return open_store(directory)


def test_what_a_commit_calls_back_may_still_stage_something(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    stream.append(b"a", 0, b"", 1000)
    world.store.after_commit(lambda _: world.store.put_consumer("A", "S", "C", 6, b"{}", b"0"))

    world.store.close(lambda: None)
    world.settle()

    again = open_store(tmp_path)
    assert [one.name for one in again.store.consumers("A", "S")] == ["C"]
    again.close()


def test_a_batch_that_gathers_leaves_at_once(tmp_path: Path) -> None:
    world = open_store(tmp_path, gather_ns=limits.COMMIT_INTERVAL_MAX_NS)
    world.store.create_stream("A", "S", b"{}", 5, 1)
    closed: list[bool] = []

    world.store.close(lambda: closed.append(True))
    world.turns.run()

    assert closed == [True]


def test_a_disk_that_hung_and_answers_lets_the_lock_go(tmp_path: Path) -> None:
    world = open_store(tmp_path, SMALL, lambda _: HeldExecutor())
    world.store.create_stream("A", "S", b"{}", 5, 1)
    closed: list[bool] = []

    world.store.close(lambda: closed.append(True))
    world.clock.advance(limits.STORE_CLOSE_NS)
    assert closed == [True]
    world.settle()

    assert closed == [True]
    open_store(tmp_path).close()


def test_a_read_asked_for_while_the_store_closes_is_refused_and_opens_nothing(
    tmp_path: Path,
) -> None:
    world = with_a_message_on_disk(tmp_path)
    (record,) = world.store.streams()
    refused: list[str] = []

    def read() -> None:
        with pytest.raises(StoreFailed, match="is closed"):
            record.store.get(1, lambda _: None)
        refused.append("read")

    record.store.append(b"a", 0, b"", 1000)
    world.store.after_commit(lambda _: read())
    world.store.close(read)
    read()
    opened = world.disk.opened
    world.settle()
    read()

    assert len(refused) == 4
    assert world.disk.opened == opened
    assert not list(tmp_path.glob("*-wal"))


def test_the_rest_of_a_read_that_was_let_in_is_dropped_as_the_store_closes(tmp_path: Path) -> None:
    world = with_a_message_on_disk(tmp_path)
    (record,) = world.store.streams()
    assert isinstance(record.store, SqliteStream)
    answers: list[object] = []

    world.store.close(lambda: None)
    world.settle()
    opened = world.disk.opened
    request = ask.request(1, record.store.index, (1, 1), None, (1, 1))
    world.store.ask_further(request, answers.append)
    world.settle()

    assert answers == []
    assert world.disk.opened == opened
