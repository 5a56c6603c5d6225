"""leafnode.store.hot: what was asked for one by one stays, as long as it is there to be read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from leafnode.store.api import StoredMsg
from leafnode.store.hot import Hot, HotBudget
from leafnode.store.tail import ROW_OVERHEAD_BYTES
from tests.sim.committer import SMALL, HeldExecutor, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sim.committer import StoreWorld

ONE = ROW_OVERHEAD_BYTES + 1


def message(seq: int, size: int = 0) -> StoredMsg:
    return StoredMsg(seq, b"a", 0, 0, bytes(size))


def read(hot: Hot, *seqs: int, size: int = 0) -> None:
    for seq in seqs:
        hot.await_one(seq)
        hot.arrived(seq, message(seq, size))


def test_what_was_read_is_there_until_there_is_too_much() -> None:
    budget = HotBudget(2 * ONE)
    hot = Hot(budget)
    read(hot, 1, 2)
    assert hot.get(1) == message(1)

    read(hot, 3)

    assert [hot.get(seq) for seq in (1, 2, 3)] == [message(1), None, message(3)]
    assert (hot.seqs, budget.bytes, budget.hits) == ({1, 3}, 2 * ONE, 3)


def test_streams_share_one_budget() -> None:
    budget = HotBudget(2 * ONE)
    one, two = Hot(budget), Hot(budget)
    read(one, 1)

    read(two, 1, 2)

    assert (one.seqs, two.seqs) == (set(), {1, 2})


def test_one_that_is_larger_than_everything_is_not_kept() -> None:
    budget = HotBudget(2 * ONE)
    hot = Hot(budget)

    read(hot, 1, size=2 * ONE)

    assert (hot.get(1), hot.seqs, budget.bytes) == (None, set(), 0)


def test_one_that_arrives_twice_counts_once() -> None:
    budget = HotBudget(9 * ONE)
    hot = Hot(budget)

    read(hot, 1, 1)
    hot.arrived(1, message(1))

    assert budget.bytes == ONE


def test_what_is_removed_goes_and_does_not_come_back() -> None:
    budget = HotBudget(9 * ONE)
    hot = Hot(budget)
    read(hot, 1)
    hot.await_one(2)

    hot.discard([1, 2])
    hot.arrived(2, message(2))

    assert (hot.get(1), hot.get(2), budget.bytes) == (None, None, 0)


def test_nothing_is_certain_after_a_failure() -> None:
    budget = HotBudget(9 * ONE)
    hot, other = Hot(budget), Hot(budget)
    read(hot, 1)
    read(other, 1)
    hot.await_one(2)

    hot.clear()
    hot.arrived(2, message(2))

    assert (hot.seqs, other.get(1), budget.bytes) == (set(), message(1), ONE)


# --- in a store

NO_TAIL = replace(SMALL, tail_cache_bytes=0)


def world_with_keys(directory: Path, count: int = 3) -> StoreWorld:
    world = open_store(directory, NO_TAIL, lambda _: HeldExecutor())
    stream = world.store.create_stream("A", "KV_b", b"{}", 5, 1)
    for number in range(count):
        stream.append(b"k.%d" % number, 0, b"x", 1000)
    world.settle()
    return world


def last(world: StoreWorld, subject: bytes, *, at_once: bool = False) -> int | None:
    (record,) = world.store.streams()
    found: list[StoredMsg | None] = []
    record.store.last(subject, found.append)
    if not at_once:
        world.settle()
    (message,) = found
    return message and message.seq


def test_a_key_that_was_read_is_answered_in_the_same_turn(tmp_path: Path) -> None:
    world = world_with_keys(tmp_path)
    assert last(world, b"k.1") == 2

    assert last(world, b"k.1", at_once=True) == 2
    assert (world.store.stats().hot_hits, world.store.stats().hot_bytes) == (
        1,
        ROW_OVERHEAD_BYTES + 4,
    )
    world.close()


def test_a_new_value_is_answered_once_it_is_committed(tmp_path: Path) -> None:
    world = world_with_keys(tmp_path)
    (record,) = world.store.streams()
    last(world, b"k.1")
    record.store.append(b"k.1", 0, b"y", 1000)
    record.store.remove([2])
    found: list[StoredMsg | None] = []

    record.store.last(b"k.1", found.append)
    world.executors["leafnode-read"].release()  # type: ignore[attr-defined]
    world.turns.run_results(world.store._read_worker)

    assert [one and one.seq for one in found] == [2]
    world.settle()
    assert last(world, b"k.1") == 4
    assert last(world, b"k.0") == 1
    world.close()


def test_a_message_is_there_until_its_removal_is_committed(tmp_path: Path) -> None:
    world = world_with_keys(tmp_path)
    (record,) = world.store.streams()
    last(world, b"k.1")
    found: list[StoredMsg | None] = []

    record.store.remove([2])
    record.store.get(2, found.append)
    world.settle()
    record.store.get(2, found.append)
    world.settle()

    assert [one and one.seq for one in found] == [2, None]
    world.close()


def test_a_deleted_stream_keeps_nothing(tmp_path: Path) -> None:
    world = world_with_keys(tmp_path)
    last(world, b"k.1")

    world.store.delete_stream("A", "KV_b")

    assert world.store.hot.bytes == 0
    world.close()
