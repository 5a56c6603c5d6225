"""leafnode.store.schema: what the file is like, and which files are refused and left alone."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import zlib
from typing import TYPE_CHECKING

import pytest

from leafnode.errors import StoreCorrupt, StoreError, StoreFailed, StoreFull
from leafnode.store import schema, writes
from leafnode.store.inspect import Inspection
from leafnode.store.rows import checksum
from leafnode.store.verify import verify
from tests.sim.committer import FaultyDisk, open_store, read_all

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / schema.FILE_NAME
    schema.ensure_file(path)
    return path


def refused(path: Path) -> str:
    """Open the store of that file; return why that was refused, in one line that names the file."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as error:
        open_store(path.parent)
    assert path.read_bytes() == before
    text = str(error.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_directory_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    world = open_store(tmp_path / "js" / "store")
    world.store.create_stream("A", "S", b"{}", 5, 1)
    world.settle()

    directory = tmp_path / "js" / "store"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    world.close()


def test_the_connections_have_the_pragmas_that_durability_rests_on(path: Path) -> None:
    conn = schema.open_writer(path)

    def value(pragma: str) -> object:
        return conn.execute(f"PRAGMA {pragma}").fetchone()[0]

    assert value("journal_mode") == "wal"
    assert value("synchronous") == 2  # FULL
    assert value("page_size") == 4096
    assert value("auto_vacuum") == 2  # INCREMENTAL
    assert value("secure_delete") == 0
    assert value("trusted_schema") == 0
    assert value("journal_size_limit") == -1
    assert value("wal_autocheckpoint") == 1000
    assert value("mmap_size") == 0
    conn.close()


def test_a_reader_cannot_write(path: Path) -> None:
    schema.open_writer(path).close()
    conn = schema.open_reader(path)

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        conn.execute("DELETE FROM stream")

    conn.close()


def test_an_empty_file_is_refused(path: Path) -> None:
    path.write_bytes(b"")

    assert "is empty" in refused(path)


def test_garbage_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)

    assert "is not a SQLite database" in refused(path)


def test_a_file_cut_short_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 3 * 4096])

    assert refused(path)


def test_a_crash_on_a_full_disk_leaves_a_store_that_opens(tmp_path: Path) -> None:
    world = open_store(tmp_path / "a")
    stream = world.store.create_stream("A", "S", b"{}", 5, 1)
    for number in range(20):
        stream.append(b"s", 0, b"x" * 3000, number)
    world.settle()
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # as a crash leaves it
    world.close()
    disk = FaultyDisk()
    disk.fail("PRAGMA wal_checkpoint", sqlite3.SQLITE_FULL)
    world = open_store(tmp_path / "b", disk=disk)

    (record,) = world.store.streams()
    assert len(read_all(record.store, world.settle)) == 20
    world.close()


def test_a_file_with_a_damaged_first_page_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:200] = bytes(100)
    path.write_bytes(data)

    assert refused(path)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / schema.FILE_NAME
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE mine(x)")
    conn.close()

    assert "not one of leafnode" in refused(path)


def test_a_store_with_a_trigger_is_refused_and_told_by_name(path: Path) -> None:
    conn = sqlite3.connect(path)
    conn.execute("CREATE TRIGGER t AFTER INSERT ON subject BEGIN DELETE FROM segment; END")
    conn.close()

    assert "has the trigger 't', which is not leafnode's" in refused(path)
    schema.open_inspector(path).close()  # what only reads sets off none


@pytest.mark.parametrize("version", ["x", "3", None, b"\x03", -1, 0, 3.5])
def test_what_is_no_schema_version_is_refused_in_one_line(path: Path, version: object) -> None:
    conn = sqlite3.connect(path)
    conn.execute(schema.SET_VERSION, (version,))
    conn.commit()
    conn.close()

    assert refused(path) == f"{path}: has no schema version that can be read"
    with pytest.raises(StoreCorrupt, match="no schema version"):
        schema.open_inspector(path)


def test_a_store_without_schema_version_is_refused(path: Path) -> None:
    conn = sqlite3.connect(path)
    conn.execute("DELETE FROM meta WHERE k = 'schema_version'")
    conn.commit()
    conn.close()

    assert refused(path) == f"{path}: has no schema version that can be read"


def test_a_newer_schema_is_refused(path: Path) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute(schema.SET_VERSION, (len(schema.MIGRATIONS) + 1,))
    conn.close()

    assert "written by a newer leafnode: schema 4, this one knows 3" in refused(path)


def test_a_missing_file_whose_last_changes_are_there_is_refused(tmp_path: Path) -> None:
    wal = tmp_path / (schema.FILE_NAME + "-wal")
    wal.write_bytes(b"changes")

    with pytest.raises(StoreCorrupt, match="is missing, but"):
        open_store(tmp_path)

    assert wal.read_bytes() == b"changes"


def test_an_interrupted_creation_is_done_again(tmp_path: Path) -> None:
    (tmp_path / (schema.FILE_NAME + ".new")).write_bytes(b"half")

    open_store(tmp_path).close()

    assert (tmp_path / schema.FILE_NAME).exists()
    assert not (tmp_path / (schema.FILE_NAME + ".new")).exists()


def test_migrations_run_once_and_in_order(path: Path) -> None:
    conn = sqlite3.connect(path, isolation_level=None)
    steps = [*schema.MIGRATIONS, ["CREATE TABLE two(x)"], ["ALTER TABLE two ADD COLUMN y"]]

    schema.migrate(conn, path, steps)
    schema.migrate(conn, path, steps)

    assert conn.execute(schema.GET_VERSION).fetchone() == (5,)
    assert [row[1] for row in conn.execute("PRAGMA table_info(two)")] == ["x", "y"]
    conn.close()


def test_a_migration_that_fails_leaves_the_version_before(path: Path) -> None:
    conn = sqlite3.connect(path, isolation_level=None)

    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(conn, path, [*schema.MIGRATIONS, ["CREATE TABLE two(x)", "NONSENSE"]])
    conn.execute("ROLLBACK")

    assert conn.execute(schema.GET_VERSION).fetchone() == (3,)
    conn.close()


def older(directory: Path, version: int) -> Path:
    """Make a store as an older version left it: two messages, a subject and a consumer."""
    path = directory / schema.FILE_NAME
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute(schema.CREATION_PRAGMAS[2])
    schema.migrate(conn, path, schema.MIGRATIONS[:version])
    conn.execute(
        "INSERT INTO stream(id, account, name, created, config, first_seq, last_seq) "
        "VALUES(1, 'A', 'S', 5, x'7B7D', 6, 5)"
    )
    conn.execute("INSERT INTO subject(stream, sid, name) VALUES(1, 1, x'61')")
    conn.execute(
        "INSERT INTO consumer(stream, name, created, config, state) "
        "VALUES(1, 'C', 5, x'7B7D', x'01')"
    )
    conn.execute("INSERT INTO segment(stream, no, first_seq, sealed) VALUES(1, 1, 6, 0)")
    conn.execute(
        "CREATE TABLE m1_1(seq INTEGER PRIMARY KEY, sid INTEGER NOT NULL, ts INTEGER NOT NULL, "
        "hl INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT"
    )
    rows = [(seq, 1, seq, 0, checksum(zlib.crc32(b"a"), seq, seq, 0, b"x"), b"x") for seq in (6, 7)]
    writes.insert_rows(conn, 1, 1, rows)
    conn.close()
    return path


def test_an_older_backup_has_to_be_copied_before_it_is_started(tmp_path: Path) -> None:
    backup = older(tmp_path, 2).rename(tmp_path / "backup.db")

    with pytest.raises(StoreError, match=r"copied to a directory of its own as leafnode\.db$"):
        schema.open_inspector(backup)


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_an_older_version_is_taken_over(tmp_path: Path, version: int) -> None:
    path = older(tmp_path, version)
    with pytest.raises(StoreError, match=f"was written by an older leafnode: schema {version}"):
        schema.open_inspector(path)

    world = open_store(tmp_path)

    (record,) = world.store.streams()
    assert world.damage == []
    assert [one.seq for one in read_all(record.store, world.settle)] == [6, 7]
    assert [one.state for one in world.store.consumers("A", "S")] == [b"\x01"]
    assert record.store.append(b"a", 0, b"", 9) == 8
    world.close()
    with Inspection(path) as inspection:
        assert [one.problems for one in verify(inspection) if one is not None] == [[], []]


@pytest.mark.parametrize(
    ("code", "text", "damage"),
    [
        (sqlite3.SQLITE_CORRUPT, "database disk image is malformed", True),
        (sqlite3.SQLITE_CORRUPT_INDEX, "malformed", True),
        (sqlite3.SQLITE_NOTADB, "file is not a database", True),
        (sqlite3.SQLITE_ERROR, "no such table: m1_1", True),
        (None, "Could not decode to UTF-8 column 'name'", True),
        (sqlite3.SQLITE_ERROR, "cannot start a transaction within a transaction", False),
        (sqlite3.SQLITE_IOERR_READ, "disk I/O error", False),
        (sqlite3.SQLITE_CANTOPEN, "unable to open database file", False),
        (sqlite3.SQLITE_NOMEM, "out of memory", False),
        (sqlite3.SQLITE_BUSY, "database is locked", False),
    ],
)
def test_only_what_the_file_holds_is_damage(code: int | None, text: str, *, damage: bool) -> None:
    error = sqlite3.OperationalError(text)
    if code is not None:
        error.sqlite_errorcode = code

    assert schema.is_damage(error) is damage


def test_text_that_is_not_utf8_is_damage() -> None:
    conn = sqlite3.connect(":memory:")

    with pytest.raises(sqlite3.OperationalError) as error:
        conn.execute("SELECT CAST(x'ff' AS TEXT)").fetchone()

    assert schema.is_damage(error.value)


def test_the_wal_is_grown_without_growing_the_database(path: Path) -> None:
    conn = schema.open_writer(path)
    wal = path.with_name(path.name + "-wal")
    size = path.stat().st_size

    schema.pregrow_wal(conn, path, 1024 * 1024)

    assert wal.stat().st_size >= 1024 * 1024
    assert path.stat().st_size == size
    assert conn.execute("SELECT count(*) FROM sqlite_schema WHERE name='pad'").fetchone() == (0,)
    conn.close()


def test_a_wal_that_is_large_enough_is_left_alone(path: Path) -> None:
    conn = schema.open_writer(path)
    schema.pregrow_wal(conn, path, 1024 * 1024)
    before = conn.total_changes

    schema.pregrow_wal(conn, path, 1024 * 1024)

    assert conn.total_changes == before  # nothing was inserted again
    conn.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (sqlite3.SQLITE_FULL, StoreFull),
        (sqlite3.SQLITE_CORRUPT, StoreCorrupt),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreCorrupt),
        (sqlite3.SQLITE_NOTADB, StoreCorrupt),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreFailed),
        (sqlite3.SQLITE_READONLY, StoreFailed),
        (sqlite3.SQLITE_BUSY, StoreFailed),
    ],
)
def test_errors_of_sqlite_have_their_kind(path: Path, code: int, kind: type[StoreError]) -> None:
    error = sqlite3.OperationalError("text")
    error.sqlite_errorcode = code

    assert type(schema.store_error(error, path)) is kind


def test_an_error_that_quotes_a_statement_is_one_line(path: Path) -> None:
    error = sqlite3.DatabaseError('malformed database schema (x) - near "y\n  z": syntax error')
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    assert "\n" not in str(schema.store_error(error, path))


def test_a_directory_that_cannot_be_made_is_told_in_nats_server_s_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    for where in (tmp_path / "file", tmp_path / "file" / "x"):
        with pytest.raises(StoreError, match=r"^storage directory is not a directory - /.*/file"):
            schema.prepare_directory(where)
    with pytest.raises(StoreError, match=r"^could not create storage directory - mkdir /proc/no: "):
        schema.prepare_directory(type(tmp_path)("/proc/no/way"))


def test_a_file_can_be_read_or_not(path: Path, tmp_path: Path) -> None:
    assert schema.can_be_read(path)
    assert schema.can_be_read(tmp_path / "none")  # what is not there does not fail to be read

    assert not schema.can_be_read(tmp_path)  # read() of a directory fails
