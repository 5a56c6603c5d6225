"""leafnode.store.wal: a log that was damaged, and one that a power cut tore."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreCorrupt
from leafnode.store import wal
from tests.sim.committer import open_store

if TYPE_CHECKING:
    from pathlib import Path

FRAME = 4096 + 24
HEAD = 32


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The directory of a store whose process was killed after 40 commits."""
    world = open_store(tmp_path / "store")
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for _ in range(40):
        stream.append(b"a", 0, b"x" * 500, 1)
        world.settle()
    shutil.copytree(tmp_path / "store", tmp_path / "killed")
    world.close()
    return tmp_path / "killed"


def log_of(directory: Path) -> Path:
    return directory / "leafnode.db-wal"


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def messages(directory: Path) -> int:
    world = open_store(directory)
    count = world.store.streams()[0].store.state().msgs
    world.close()
    return count


def test_a_sound_log_is_taken(killed: Path) -> None:
    assert messages(killed) == 40


@pytest.mark.parametrize("frame", [0, 7, 20])
@pytest.mark.parametrize("within", [2, 5, 9, 17, 24 + 4000])  # page, size, salt, checksum, data
def test_a_damaged_frame_before_commits_is_refused_and_stays(
    killed: Path, frame: int, within: int
) -> None:
    flip(log_of(killed), HEAD + frame * FRAME + within)
    before = log_of(killed).read_bytes()

    with pytest.raises(StoreCorrupt, match=f"leafnode.db-wal: is damaged at frame {frame + 1},"):
        open_store(killed)

    assert log_of(killed).read_bytes() == before


@pytest.mark.parametrize("offset", [0, 5, 10, 17, 25])
def test_a_damaged_header_is_refused(killed: Path, offset: int) -> None:
    flip(log_of(killed), offset)

    with pytest.raises(StoreCorrupt, match=r"leafnode\.db-wal: its header is damaged"):
        open_store(killed)


@pytest.mark.parametrize("content", [b"", bytes(HEAD), bytes(FRAME + HEAD), b"short"])
def test_a_log_that_was_never_synced_is_none(killed: Path, content: bytes) -> None:
    log_of(killed).write_bytes(content)

    with wal.checked(killed / "leafnode.db", sqlite3.connect):
        pass


def test_the_last_transaction_may_be_torn(killed: Path) -> None:
    frames = (log_of(killed).stat().st_size - HEAD) // FRAME
    flip(log_of(killed), HEAD + (frames - 1) * FRAME + 24 + 4000)

    assert messages(killed) == 39


def test_what_an_older_life_left_in_the_log_is_not_missed(killed: Path) -> None:
    conn = sqlite3.connect(killed / "leafnode.db", isolation_level=None)
    conn.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    conn.execute("INSERT OR REPLACE INTO meta VALUES('x', 1)")
    shutil.copytree(killed, killed.with_name("again"))
    conn.close()

    assert messages(killed.with_name("again")) == 40


def test_a_start_that_is_refused_leaves_the_log_as_it_was(killed: Path) -> None:
    conn = sqlite3.connect(killed / "leafnode.db", isolation_level=None)
    conn.execute("INSERT OR REPLACE INTO meta VALUES('schema_version', 99)")
    shutil.copytree(killed, killed.with_name("newer"))
    conn.close()
    before = log_of(killed.with_name("newer")).read_bytes()

    with pytest.raises(Exception, match="written by a newer leafnode"):
        open_store(killed.with_name("newer"))

    assert log_of(killed.with_name("newer")).read_bytes() == before


def test_a_server_that_commits_meanwhile_is_no_damage(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = sqlite3.connect(killed / "leafnode.db", isolation_level=None)
    frames_taken = wal._frames_taken

    def then_more(log: Path, conn: sqlite3.Connection) -> int:
        taken = frames_taken(log, conn)
        for number in range(3):
            server.execute("INSERT OR REPLACE INTO meta VALUES('x', ?)", (number,))
        return taken

    monkeypatch.setattr(wal, "_frames_taken", then_more)

    with wal.checked(killed / "leafnode.db", sqlite3.connect):
        pass
    server.close()


def test_a_log_without_changes_beside_the_journal_of_the_first_one_is_taken(
    tmp_path: Path, killed: Path
) -> None:
    """What a power cut leaves that comes before the journal's removal is on disk."""
    open_store(tmp_path / "store").close()
    path = tmp_path / "store" / "leafnode.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA cache_spill=ON")
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE filler(a)")
    connection.executemany("INSERT INTO filler VALUES (?)", [(bytes(4000),)] * 50)
    cut = tmp_path / "cut"
    shutil.copytree(tmp_path / "store", cut)
    connection.close()
    assert (cut / "leafnode.db-journal").stat().st_size
    log_of(cut).write_bytes(log_of(killed).read_bytes()[:HEAD])

    reader = sqlite3.connect(f"{(cut / 'leafnode.db').as_uri()}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("SELECT 1 FROM sqlite_schema")
    reader.close()
    open_store(cut).close()
