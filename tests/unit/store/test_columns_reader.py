"""leafnode.store.columns_reader: what is damaged, what cannot be read, what may be either."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreBusy, StoreCorrupt
from leafnode.store.columns_reader import ColumnsReader
from leafnode.store.segments import Segment
from tests.sim.committer import FaultyDisk
from tests.sim.stored import fill

if TYPE_CHECKING:
    from pathlib import Path


class World:
    """A reader of a store whose first segment is sealed, and what it told."""

    def __init__(self, directory: Path) -> None:
        self.path = fill(directory)
        self.disk = FaultyDisk()
        self.damaged: list[int] = []
        self.suspected: list[int] = []
        self.reader = ColumnsReader(
            self.path,
            self.disk.connect,
            damaged=lambda stream_id, _: self.damaged.append(stream_id),
            suspected=lambda stream_id, _: self.suspected.append(stream_id),
        )

    def load(self) -> int:
        return len(self.reader.load(1, Segment(1, 1)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_columns_are_read_on_one_connection(world: World) -> None:
    assert (world.load(), world.load()) == (8, 8)

    assert world.disk.opened == 1
    world.reader.close()


def test_a_connection_that_fails_is_opened_anew_at_once(world: World) -> None:
    world.reader.open().close()

    assert world.load() == 8

    assert world.disk.opened == 2
    world.reader.close()


@pytest.mark.parametrize(
    ("code", "suspected"), [(sqlite3.SQLITE_IOERR_READ, []), (sqlite3.SQLITE_CORRUPT, [1])]
)
def test_what_sqlite_reports_blames_no_stream(
    world: World, code: int, suspected: list[int]
) -> None:
    world.disk.fail("SELECT columns", code)

    with pytest.raises(StoreBusy):
        world.load()

    assert (world.damaged, world.suspected) == ([], suspected)
    world.disk.heal()
    assert world.load() == 8
    world.reader.close()


def test_columns_that_are_not_what_was_written_are_damage(world: World) -> None:
    conn = sqlite3.connect(world.path, isolation_level=None)
    conn.execute("UPDATE segment_index SET columns=x'00' WHERE no=1")
    conn.close()

    with pytest.raises(StoreCorrupt, match="segment 1"):
        world.load()

    assert (world.damaged, world.suspected) == ([1], [])
    world.reader.close()
