"""leafnode.store.batch: what is written once for each batch, and in which order."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from tests.sim.committer import SMALL, StoreWorld, open_store
from tests.sim.garbage import left_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leafnode.store.api import StreamStore


@pytest.fixture
def world(tmp_path: Path) -> Iterator[StoreWorld]:
    one = open_store(tmp_path, replace(SMALL, segment_rows_max=4))
    yield one
    one.close()


@pytest.fixture
def stream(world: StoreWorld) -> StreamStore:
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for _ in range(9):
        stream.append(b"a", 0, b"x", 1000)
    world.settle()
    world.disk.statements.clear()
    return stream


def test_many_removals_in_a_segment_write_its_dead_bits_once(
    world: StoreWorld, stream: StreamStore
) -> None:
    stream.remove([1])
    stream.remove([2])
    stream.remove([5])

    world.settle()

    assert world.disk.count("UPDATE segment SET dead") == 2  # segments 1 and 2


def test_dead_bits_of_a_segment_that_is_dropped_too_are_not_written(
    world: StoreWorld, stream: StreamStore
) -> None:
    stream.remove([1])
    stream.remove([2, 3, 4])

    world.settle()

    assert world.disk.count("UPDATE segment SET dead") == 0
    assert world.disk.count("DROP TABLE m1_1") == 1


def test_a_segment_may_come_and_go_within_one_batch(world: StoreWorld, stream: StreamStore) -> None:
    for _ in range(8):
        stream.append(b"b", 0, b"y", 1000)
    stream.remove_below(18)
    stream.append(b"c", 0, b"z", 1000)
    world.settle()

    found: list[object] = []
    stream.read(1, [], 10, 10, found.append)

    assert world.disk.count("COMMIT") == 2  # and one to forget the subjects that are gone
    assert [[message.seq for message in messages] for messages in found] == [[18]]  # type: ignore[attr-defined]
    assert stream.state().first_seq == 18


def test_a_stream_may_come_and_go_within_one_batch(world: StoreWorld) -> None:
    stream = world.store.create_stream("A", "T", b"{}", 5, 1)
    stream.append(b"a", 0, b"x", 1000)
    stream.remove([1])
    world.store.put_consumer("A", "T", "C", 5, b"{}", b"")
    world.store.delete_stream("A", "T")
    results: list[object] = []
    world.store.after_commit(results.append)

    world.settle()

    assert results == [None]
    assert world.store.streams() == []


def test_a_sealed_segment_that_is_swept_at_once_is_described_once(
    world: StoreWorld, stream: StreamStore
) -> None:
    for _ in range(3):
        stream.append(b"a", 0, b"x", 1000)
    stream.remove([9, 10])
    stream.append(b"a", 0, b"x", 1000)
    world.settle()

    assert world.disk.count("INSERT INTO segment_index") == 1
    assert world.disk.count("DELETE FROM m1_3 WHERE seq IN (?,?)") == 1


def test_a_committed_batch_leaves_no_cycles(world: StoreWorld, stream: StreamStore) -> None:
    def commit() -> None:
        seq = stream.append(b"b", 0, b"x", 1000)
        stream.remove([seq - 1])
        world.store.put_consumer_state("A", "S", "C", b"state")
        world.store.after_commit(lambda _: None)
        world.settle()

    world.store.put_consumer("A", "S", "C", 5, b"{}", b"")

    assert left_by(commit) == []


def test_of_a_consumer_put_again_and_again_one_state_is_made_and_the_last(
    world: StoreWorld, stream: StreamStore
) -> None:
    del stream
    made: list[bytes] = []

    def make(state: bytes) -> bytes:
        made.append(state)
        return state

    for number in range(3):
        state = partial(make, b"%d" % number)
        world.store.put_consumer("A", "S", "C", 5, b"{}", state)
    assert made == []  # the loop has nothing to do with it

    world.settle()

    record = world.store.consumer("A", "S", "C")
    assert record is not None
    assert (made, record.state, record.state) == ([b"2"], b"2", b"2")
    assert world.disk.count("INSERT INTO consumer") == 1


def test_a_consumer_that_is_deleted_and_made_anew_in_one_batch_is_there(tmp_path: Path) -> None:
    world = open_store(tmp_path)
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.store.put_consumer("A", "S", "C", 5, b"{}", b"old")
    world.store.put_consumer("A", "S", "D", 5, b"{}", b"gone")
    world.store.delete_consumer("A", "S", "C")
    world.store.delete_consumer("A", "S", "D")
    world.store.put_consumer("A", "S", "C", 6, b"{}", b"new")
    world.close()

    again = open_store(tmp_path)

    assert [(one.name, one.state) for one in again.store.consumers("A", "S")] == [("C", b"new")]
    again.close()


def test_a_state_that_is_made_late_is_made_again_after_a_commit_that_failed(
    world: StoreWorld, stream: StreamStore
) -> None:
    del stream
    world.store.put_consumer("A", "S", "C", 5, b"{}", b"old")
    world.settle()
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL, "database or disk is full")
    world.store.put_consumer_state("A", "S", "C", lambda: b"new")
    world.clock.advance(limits.CONSUMER_FLUSH_NS)
    world.settle()

    record = world.store.consumer("A", "S", "C")

    assert record is not None
    assert record.state == b"new"
