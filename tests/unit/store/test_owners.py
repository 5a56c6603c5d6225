"""leafnode.store.owners: what a damaged page lacks is missed by the stream that it belongs to."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.sim.committer import open_store

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("S", "T", "U")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with three streams, each with a consumer of its own name."""
    world = open_store(tmp_path)
    for name in NAMES:
        stream = world.store.create_stream("A", name, b"{}", 5, 1)
        stream.append(b"a", 0, b"x" * 50, 1)
        world.store.put_consumer("A", name, "of" + name, 5, b"{}", b"")
    world.close()
    return tmp_path / "leafnode.db"


def alter(path: Path, name: str) -> None:
    """Let the configuration of a stream not be what its checksum was made of."""
    conn = sqlite3.connect(path)
    conn.execute("UPDATE stream SET config=x'5b5d' WHERE name=?", (name,))
    conn.commit()
    conn.close()


def cell(path: Path, name: str, number: int, other: int) -> None:
    """Let one cell of a page be read in the place of another."""
    conn = sqlite3.connect(path)
    (page,) = conn.execute("SELECT rootpage FROM sqlite_schema WHERE name=?", (name,)).fetchone()
    conn.close()
    with path.open("r+b") as file:
        start = (page - 1) * 4096 + 8
        file.seek(start + 2 * other)
        pointer = file.read(2)
        file.seek(start + 2 * number)
        file.write(pointer)


def set_aside(path: Path) -> dict[str, str]:
    world = open_store(path.parent)
    assert {record.name for record in world.store.streams()} == set(NAMES)
    found = {name: str(problem) for _, name, problem in world.damage}
    world.close()
    return found


def test_a_consumer_whose_index_names_another_stream_is_missed_by_its_own(path: Path) -> None:
    cell(path, "sqlite_autoindex_consumer_1", 2, 0)  # U's consumer: S's is found twice

    assert set_aside(path)["U"] == "stream U of A: the description of consumer ofU is lost"


def test_a_consumer_whose_row_is_gone_is_missed_by_its_stream(path: Path) -> None:
    cell(path, "consumer", 2, 0)

    assert "U" in set_aside(path)


def test_another_streams_damage_does_not_hide_what_is_lost(path: Path) -> None:
    cell(path, "sqlite_autoindex_consumer_1", 2, 0)
    alter(path, "S")

    found = set_aside(path)

    assert found.keys() >= {"S", "U"}
    assert "ofU" in found["U"]


def test_a_segment_whose_description_is_gone_is_missed_by_its_stream(path: Path) -> None:
    cell(path, "segment", 2, 0)

    assert set_aside(path)["U"] == "stream U of A: the description of segment 1 is lost"


def test_a_stream_that_only_its_index_knows_is_set_aside_by_name(path: Path) -> None:
    cell(path, "stream", 2, 1)

    assert set_aside(path)["U"] == "stream U of A: its description is lost"
