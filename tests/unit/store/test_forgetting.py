"""leafnode.store.forgetting: subjects without messages go, some in each turn."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from tests.sim.committer import SMALL, HeldExecutor, StoreWorld, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOUNDS = replace(SMALL, segment_rows_max=5)  # nobody is looked for before a segment goes


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreWorld]:
    monkeypatch.setattr(limits, "FORGOTTEN_PER_STEP", 4)
    one = open_store(tmp_path / "store", BOUNDS)
    yield one
    one.close()


def stream_of(world: StoreWorld, count: int = 10) -> Any:
    """A stream with one message of each of so many subjects."""
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(count):
        stream.append(b"s.%d" % number, 0, b"x", 1000)
    world.settle()
    return stream


def known(stream: Any) -> int:
    return len(stream.index.subjects.by_name)


def turn(world: StoreWorld) -> None:
    world.clock.advance(0)
    world.settle()


def test_so_many_go_in_a_turn_and_all_in_the_end(world: StoreWorld) -> None:
    stream = stream_of(world)
    stream.remove_below(11)
    world.settle()
    assert known(stream) == 6

    turn(world)

    assert known(stream) == 0
    assert world.clock.pending() == 0


def test_one_that_has_messages_again_before_its_turn_stays(world: StoreWorld) -> None:
    stream = stream_of(world)
    stream.remove_below(11)
    world.settle()

    stream.append(b"s.9", 0, b"y", 2000)
    for _ in range(3):
        turn(world)

    assert list(stream.index.subjects.by_name) == [b"s.9"]
    assert [name for name, _ in stream.subjects(b">")] == [b"s.9"]


def test_while_something_is_removed_nobody_goes_and_afterwards_the_others_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FORGOTTEN_PER_STEP", 4)
    world = open_store(tmp_path / "store", BOUNDS, lambda _: HeldExecutor())
    stream = stream_of(world, 14)
    stream.remove_below(11)
    world.settle()
    assert known(stream) == 10

    stream.remove([12])  # readers still get it
    world.clock.advance(0)
    assert known(stream) == 10
    world.settle()
    for _ in range(4):
        turn(world)

    assert sorted(stream.index.subjects.by_name) == [b"s.10", b"s.12", b"s.13"]
    world.close()


def test_what_is_forgotten_is_gone_from_disk_and_the_others_are_not(tmp_path: Path) -> None:
    world = open_store(tmp_path / "store", BOUNDS)
    stream = stream_of(world)
    stream.remove_below(8)
    world.settle()
    for _ in range(4):
        turn(world)
    world.close()

    conn = sqlite3.connect(tmp_path / "store" / "leafnode.db")
    names = [name for (name,) in conn.execute("SELECT name FROM subject ORDER BY name")]
    conn.close()

    assert names == [b"s.7", b"s.8", b"s.9"]


def test_a_commit_that_fails_between_two_turns_leaves_them_as_on_disk(world: StoreWorld) -> None:
    stream = stream_of(world)
    stream.remove_below(11)
    world.settle()
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL, "database or disk is full")
    turn(world)
    world.disk.heal()
    for _ in range(4):
        turn(world)

    world.clock.advance(10 * limits.STORE_RETRY_NS)
    world.settle()
    stream.append(b"s.1", 0, b"y", 2000)

    assert [name for name, _ in stream.subjects(b">")] == [b"s.1"]
