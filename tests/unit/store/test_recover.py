"""leafnode.store.recover: what a start finds, what it reads, damaged streams."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreCorrupt, StoreFailed
from leafnode.store import schema
from leafnode.store.api import SubjectState
from leafnode.store.rows import row_checksum
from tests.sim.committer import SMALL, FaultyDisk, StoreWorld, open_store, read_all
from tests.sim.stored import ANYTHING, COLUMNS, write_anything

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.store.api import StreamStore

BOUNDS = replace(SMALL, segment_rows_max=4)


def reopened(directory: Path, world: StoreWorld) -> tuple[StoreWorld, StreamStore]:
    world.close()
    again = open_store(directory, BOUNDS)
    return again, again.store.streams()[0].store


def filled(directory: Path, count: int) -> tuple[StoreWorld, StreamStore]:
    world = open_store(directory, BOUNDS)
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(1, count + 1):
        stream.append(b"a.%d" % (number % 2), 0, b"x", 1000 + number)
    world.settle()
    return world, stream


def test_a_start_scans_the_open_segment_and_no_other(tmp_path: Path) -> None:
    world, _ = filled(tmp_path, 10)
    world.close()
    disk = FaultyDisk()

    world = open_store(tmp_path, BOUNDS, disk=disk)

    assert [sql for sql in disk.statements if " FROM m1_" in sql] == [
        "SELECT seq, sid, ts, hl, length(body) FROM m1_3 ORDER BY seq"
    ]
    assert disk.count("SELECT columns") == 0
    assert world.store.streams()[0].store.state().msgs == 10
    world.close()


def test_columns_are_read_for_segments_in_which_something_is_dead(tmp_path: Path) -> None:
    world, stream = filled(tmp_path, 10)
    stream.remove([6])
    world.settle()
    world.close()
    disk = FaultyDisk()

    world = open_store(tmp_path, BOUNDS, disk=disk)

    assert disk.count("SELECT columns") == 1
    stream = world.store.streams()[0].store
    assert stream.subject_state(b"a.0") == SubjectState(4, 2, 10)
    assert stream.deleted(1, 9) == [6]
    world.close()


def test_sequences_do_not_go_back_after_everything_was_purged(tmp_path: Path) -> None:
    world, stream = filled(tmp_path, 10)
    stream.remove_below(11)

    world, stream = reopened(tmp_path, world)

    assert (stream.state().first_seq, stream.state().last_seq) == (11, 10)
    assert stream.append(b"a", 0, b"", 1) == 11
    world.close()


def test_sequences_do_not_go_back_after_everything_was_removed_one_by_one(tmp_path: Path) -> None:
    world, stream = filled(tmp_path, 10)
    stream.remove(list(range(1, 11)))

    world, stream = reopened(tmp_path, world)

    assert (stream.state().first_seq, stream.state().last_seq) == (11, 10)
    world.close()


def test_times_do_not_go_back_when_the_rows_that_had_them_are_gone(tmp_path: Path) -> None:
    world, stream = filled(tmp_path, 10)
    newest = stream.state().last_ts_ns
    stream.remove_below(11)
    world.settle()
    assert world.store._streams["A", "S"].index.segments == []

    world, stream = reopened(tmp_path, world)
    stream.append(b"a", 0, b"", 1)

    assert stream.state().last_ts_ns == newest
    world.close()


def crashed(directory: Path) -> tuple[StoreWorld, StreamStore]:
    """Open a copy of the files as they are now."""
    copy = directory / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy, ignore=lambda _, names: {"copy"} & set(names))
    world = open_store(copy, BOUNDS)
    return world, world.store.streams()[0].store


def test_a_lazy_removal_may_be_undone_by_a_crash_and_a_plain_one_is_not(tmp_path: Path) -> None:
    world, stream = filled(tmp_path, 10)
    stream.remove_below(3, lazy=True)
    world.settle()
    assert stream.state().first_seq == 3
    copy, there = crashed(tmp_path)
    assert there.state().first_seq == 1
    copy.close()

    assert stream.remove_below(3) == 0  # durable now, though nothing was left to remove
    world.settle()
    copy, there = crashed(tmp_path)
    assert there.state().first_seq == 3
    copy.close()
    world.close()


def test_a_lazy_removal_outlives_an_orderly_close(tmp_path: Path) -> None:
    world, stream = filled(tmp_path, 10)
    stream.remove_below(3, lazy=True)
    world.settle()

    world, stream = reopened(tmp_path, world)

    assert stream.state().first_seq == 3
    world.close()


def test_what_is_removed_after_a_lazy_removal_makes_it_last(tmp_path: Path) -> None:
    """Else what a limit took would be back, and fit beneath it."""
    world, stream = filled(tmp_path, 10)
    stream.remove_below(3, lazy=True)
    stream.remove([7, 8])
    world.settle()

    copy, there = crashed(tmp_path)

    assert (there.state().first_seq, there.state().msgs) == (3, 6)
    copy.close()
    world.close()


def test_a_lazy_removal_that_drops_a_segment_is_durable(tmp_path: Path) -> None:
    world, stream = filled(tmp_path, 10)
    stream.remove_below(6, lazy=True)

    world, stream = reopened(tmp_path, world)

    assert stream.state().first_seq == 6
    world.close()


def test_consumers_come_back(tmp_path: Path) -> None:
    world, _ = filled(tmp_path, 1)
    world.store.put_consumer("A", "S", "C", 7, b"{c}", b"1")
    world.store.put_consumer_state("A", "S", "C", b"2")

    world, _ = reopened(tmp_path, world)

    (record,) = world.store.consumers("A", "S")
    assert (record.name, record.created_ns, record.config, record.state) == ("C", 7, b"{c}", b"2")
    world.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE m1_3",
        "DELETE FROM subject WHERE stream=1",
        "UPDATE segment_index SET spans=x'00' WHERE stream=1",
        "DELETE FROM segment_index WHERE no=1",
        "UPDATE segment SET dead=x'00000000ff' WHERE stream=1",
    ],
)
def test_one_streams_damage_is_reported_and_the_others_come_up(
    tmp_path: Path, statement: str
) -> None:
    world, _ = filled(tmp_path, 10)
    other = world.store.create_stream("B", "OTHER", b"{}", 5, 1)
    other.append(b"o", 0, b"", 1)
    world.settle()
    world.close()
    conn = sqlite3.connect(tmp_path / "leafnode.db", isolation_level=None)
    conn.execute(statement)
    conn.close()

    world = open_store(tmp_path, BOUNDS)

    assert [(account, name) for account, name, _ in world.damage] == [("A", "S")]
    damaged, fine = (record.store for record in world.store.streams())
    assert isinstance(damaged.damage(), StoreCorrupt)
    with pytest.raises(StoreCorrupt):
        damaged.append(b"a", 0, b"", 1)
    assert fine.state().msgs == 1
    assert fine.append(b"o", 0, b"", 2) == 2
    world.close()


def test_columns_with_other_rows_than_the_segment_says_are_damage(tmp_path: Path) -> None:
    world, stream = filled(tmp_path, 10)
    stream.remove([2])
    world.settle()
    world.close()
    conn = sqlite3.connect(tmp_path / "leafnode.db", isolation_level=None)
    conn.create_function("leafnode_checksum", -1, row_checksum)
    conn.execute("UPDATE segment SET rows=5 WHERE no=1")
    conn.execute(next(one for one in schema.VERSION_3 if one.startswith("UPDATE segment")))
    conn.close()

    world = open_store(tmp_path, BOUNDS)

    assert "has 5 rows, its index 4" in str(world.damage[0][2])
    world.close()


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_BUSY,
    ],
)
def test_a_disk_that_cannot_be_read_is_no_damage_of_a_stream(tmp_path: Path, code: int) -> None:
    world, _ = filled(tmp_path, 10)
    world.close()
    disk = FaultyDisk()
    disk.fail("SELECT seq, sid", code)

    with pytest.raises(StoreFailed):
        open_store(tmp_path, BOUNDS, disk=disk)

    disk.heal()
    world = open_store(tmp_path, BOUNDS, disk=disk)
    assert world.damage == []
    world.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE stream SET config=x'7B' WHERE id=1", "its description"),
        ("UPDATE stream SET name='T' WHERE id=1", "its description"),
        ("UPDATE stream SET first_seq=2 WHERE id=1", "its position"),
        ("UPDATE segment SET first_seq=0 WHERE no=2", "the description of segment 2"),
        ("UPDATE segment SET last_seq=3 WHERE no=1", "the description of segment 1"),
        ("UPDATE subject SET name=x'62' WHERE sid=1", "subject 1"),
        ("UPDATE consumer SET config=x'' WHERE name='C'", "consumer C"),
        ("UPDATE consumer SET state=x'32' WHERE name='C'", "consumer C"),
        ("UPDATE consumer SET name='D' WHERE name='C'", "consumer D"),
    ],
)
def test_what_describes_messages_has_a_checksum_too(
    tmp_path: Path, statement: str, said: str
) -> None:
    world, _ = filled(tmp_path, 10)
    world.store.put_consumer("A", "S", "C", 5, b"{}", b"1")
    world.close()
    conn = sqlite3.connect(tmp_path / "leafnode.db", isolation_level=None)
    conn.execute(statement)
    conn.close()

    world = open_store(tmp_path, BOUNDS)

    assert f"the checksum of {said} does not hold" in str(world.damage[0][2])
    world.close()


def test_a_row_with_a_value_that_nobody_wrote_sets_its_stream_aside(tmp_path: Path) -> None:
    world, _ = filled(tmp_path, 10)
    world.close()
    conn = sqlite3.connect(tmp_path / "leafnode.db", isolation_level=None)
    conn.execute("UPDATE m1_3 SET sid=-1 WHERE seq=9")
    conn.close()

    world = open_store(tmp_path, BOUNDS)

    assert "message 9 is not as it was written" in str(world.damage[0][2])
    world.close()


@pytest.mark.parametrize("value", ANYTHING)
@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_whatever_a_damaged_record_holds_no_start_fails_of_it(
    tmp_path: Path, table: str, column: str, value: object
) -> None:
    world, _ = filled(tmp_path, 10)
    world.store.put_consumer("A", "S", "C", 5, b"{}", b"")
    world.close()
    write_anything(tmp_path / "leafnode.db", table, column, value)

    try:
        world = open_store(tmp_path, BOUNDS)
    except StoreCorrupt as error:
        assert "\n" not in str(error)  # noqa: PT017 -- either is right
        return

    for record in world.store.streams():
        read_all(record.store, world.settle)
        world.store.consumers(record.account, record.name)
    world.close()
