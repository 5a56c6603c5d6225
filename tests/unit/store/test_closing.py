"""leafnode.store.closing is tested as the end of a store, in test_sqlite.py: here, what may come
back from the disk late, or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from tests.sim.committer import SMALL, HeldExecutor, open_store

if TYPE_CHECKING:
    from pathlib import Path


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
