"""leafnode.store.pages: rows that a damaged page lacks are noticed at start."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreCorrupt
from leafnode.store import pages
from tests.sim.committer import open_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two streams of one segment each."""
    world = open_store(tmp_path)
    for name in ("S", "T"):
        stream = world.store.create_stream("A", name, b"{}", 5, 1)
        for _ in range(9):
            stream.append(b"a", 0, b"x" * 50, 1)
        world.store.put_consumer("A", name, "C", 5, b"{}", b"")
    world.close()
    return tmp_path / "leafnode.db"


def lose_a_row(path: Path, table: str) -> None:
    """Let the page say that it has one cell fewer than it has."""
    conn = sqlite3.connect(path)
    (page,) = conn.execute("SELECT rootpage FROM sqlite_schema WHERE name=?", (table,)).fetchone()
    conn.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096 + 3)
        count = int.from_bytes(file.read(2), "big")
        file.seek((page - 1) * 4096 + 3)
        file.write((count - 1).to_bytes(2, "big"))


def test_an_open_segment_that_lacks_a_row_sets_its_stream_aside(path: Path) -> None:
    lose_a_row(path, "m1_1")

    world = open_store(path.parent)

    ((account, name, problem),) = world.damage
    assert (account, name) == ("A", "S")
    assert "segment 1" in str(problem)
    assert world.store.streams()[1].store.append(b"a", 0, b"", 2) == 10
    world.close()


@pytest.mark.parametrize("table", ["stream", "segment", "subject", "consumer"])
def test_what_a_table_of_all_streams_lacks_sets_its_owner_aside(path: Path, table: str) -> None:
    lose_a_row(path, table)

    world = open_store(path.parent)

    assert [name for _, name, _ in world.damage] == ["T"]
    world.close()


def test_what_is_wrong_and_nobodys_is_refused(path: Path) -> None:
    conn = sqlite3.connect(path)
    (page,) = conn.execute("SELECT rootpage FROM sqlite_schema WHERE name='segment'").fetchone()
    conn.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096 + 7)  # how many bytes between cells are of no use
        file.write(b"\x09")

    with pytest.raises(StoreCorrupt, match=r"leafnode.db: table segment is damaged: .+"):
        open_store(path.parent)


def test_a_start_does_not_wait_for_more_than_its_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_a_row(path, "m2_1")
    monkeypatch.setattr(limits, "STORE_START_CHECK_BYTES", 9 * 50)
    world = open_store(path.parent)
    assert world.damage == []
    world.close()

    monkeypatch.setattr(limits, "STORE_START_CHECK_BYTES", 2 * 9 * 50)
    world = open_store(path.parent)
    assert [name for _, name, _ in world.damage] == ["T"]
    world.close()


def test_findings_are_a_line_each() -> None:
    text = "*** in database main ***\nTree 5: wrong\nPage 9 is never used"

    assert pages.lines(text) == ["Tree 5: wrong", "Page 9 is never used"]
    assert pages.lines("ok") == []


def test_messages_whose_segment_has_no_row_set_their_stream_aside(path: Path) -> None:
    conn = sqlite3.connect(path)
    conn.execute("DELETE FROM segment WHERE stream=1")
    conn.commit()
    conn.close()

    world = open_store(path.parent)

    ((account, name, problem),) = world.damage
    assert (account, name) == ("A", "S")
    assert "the description of segment 1 is lost" in str(problem)
    assert world.store.streams()[1].store.append(b"a", 0, b"", 2) == 10
    world.close()


def test_messages_of_no_stream_are_told_and_the_others_go_on(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE m77_1(seq INTEGER PRIMARY KEY)")
    conn.close()

    world = open_store(path.parent)

    assert world.damage == []
    assert "Messages are kept that belong to no stream: table=m77_1" in caplog.text
    assert [one.store.state().msgs for one in world.store.streams()] == [9, 9]
    world.close()
