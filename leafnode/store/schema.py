"""The database file: tables, pragmas with their reasons, versions, opening and refusing.

Knows SQLite and the file; not what the rows mean. A file that cannot be used is named and left as
it is.
Truth: docs/store.md, "The file".
"""

from __future__ import annotations

import logging
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.durable import sync_directory
from leafnode.errors import StoreCorrupt, StoreError, StoreFailed, StoreFull, file_problem
from leafnode.store import wal
from leafnode.store.quoted import readable_errors
from leafnode.store.rows import row_checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Connect = Callable[..., sqlite3.Connection]

log = logging.getLogger(__name__)

FILE_NAME: Final = "leafnode.db"
APPLICATION_ID: Final = 0x4C4E4F44  # "LNOD": another program's database is never touched
MAGIC: Final = b"SQLite format 3\0"

# Before the first table; they are part of the file from then on.
CREATION_PRAGMAS: Final = (
    "PRAGMA page_size=4096",  # least written for small batches of what was measured (1k to 16k)
    "PRAGMA auto_vacuum=INCREMENTAL",  # space of dropped streams can go back without a rewrite
    f"PRAGMA application_id={APPLICATION_ID}",
)
WRITER_PRAGMAS: Final = (
    "PRAGMA busy_timeout=5000",  # only `leafnode store ...` may hold a lock beside us
    "PRAGMA journal_mode=WAL",  # readers never wait for the writer; one fsync for each commit
    "PRAGMA synchronous=FULL",  # NORMAL loses acknowledged messages in a power cut
    "PRAGMA secure_delete=OFF",  # Debian builds default to ON: zeroing what is dropped is wear
    "PRAGMA journal_size_limit=-1",  # truncating the WAL would make every commit grow it again
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA cache_size=-4000",  # KiB
    "PRAGMA mmap_size=0",  # an I/O error in a mapped page is a SIGBUS
    "PRAGMA temp_store=MEMORY",  # nothing beside the store's own directory
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",  # notice a damaged page when it is read, not later
)
READER_PRAGMAS: Final = (
    "PRAGMA busy_timeout=5000",
    "PRAGMA query_only=ON",
    "PRAGMA cache_size=-2000",
    "PRAGMA mmap_size=0",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
)

VERSION_1: Final = (
    "CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID",
    """CREATE TABLE stream(
        id INTEGER PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL,
        created INTEGER NOT NULL, config BLOB NOT NULL,
        first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
        UNIQUE(account, name)) STRICT""",
    # An open segment has first_seq and dead only; the rest is filled in when it is sealed.
    """CREATE TABLE segment(
        stream INTEGER NOT NULL, no INTEGER NOT NULL, first_seq INTEGER NOT NULL,
        sealed INTEGER NOT NULL, last_seq INTEGER, rows INTEGER, body_bytes INTEGER,
        bytes INTEGER, first_ts INTEGER, last_ts INTEGER, dead BLOB,
        PRIMARY KEY(stream, no)) STRICT, WITHOUT ROWID""",
    # Apart from segment, so that new dead bits do not rewrite the columns.
    """CREATE TABLE segment_index(
        stream INTEGER NOT NULL, no INTEGER NOT NULL, spans BLOB NOT NULL, columns BLOB NOT NULL,
        UNIQUE(stream, no)) STRICT""",
    """CREATE TABLE subject(
        stream INTEGER NOT NULL, sid INTEGER NOT NULL, name BLOB NOT NULL,
        PRIMARY KEY(stream, sid)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE consumer(
        stream INTEGER NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL,
        config BLOB NOT NULL, state BLOB NOT NULL,
        PRIMARY KEY(stream, name)) STRICT""",
)
# The time of the message stored last, for a stream whose rows are gone: times never go back.
VERSION_2: Final = ("ALTER TABLE stream ADD COLUMN last_ts INTEGER NOT NULL DEFAULT 0",)
# A checksum for all that describes messages, as each message has one. What is there is taken as it
# is.
VERSION_3: Final = (
    "ALTER TABLE stream ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE stream ADD COLUMN floor_crc INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE segment ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE subject ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE consumer ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
    "UPDATE stream SET crc=leafnode_checksum(id, account, name, created, config), "
    "floor_crc=leafnode_checksum(id, first_seq, last_seq, last_ts)",
    "UPDATE segment SET crc=leafnode_checksum(stream, no, first_seq, sealed, last_seq, rows, "
    "body_bytes, bytes, first_ts, last_ts)",
    "UPDATE subject SET crc=leafnode_checksum(stream, sid, name)",
    "UPDATE consumer SET crc=leafnode_checksum(stream, name, created, config, state)",
)
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (VERSION_1, VERSION_2, VERSION_3)

GET_VERSION: Final = "SELECT v FROM meta WHERE k='schema_version'"
SET_VERSION: Final = "INSERT OR REPLACE INTO meta VALUES('schema_version', ?)"


def store_error(err: sqlite3.Error, path: Path) -> StoreError:
    """Say in the store's terms what SQLite reported."""
    code = getattr(err, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    said = " ".join(str(err).split())  # a damaged statement of the schema is quoted as it is
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"{path}: {said}")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreCorrupt(f"{path}: {said}")
    return StoreFailed(f"{path}: {said}")


def is_damage(err: sqlite3.Error) -> bool:
    """Say whether the file holds something wrong; anything else may pass and is tried again.

    A table or column that is not there and text that is not UTF-8 come without a code that says so.
    """
    code = getattr(err, "sqlite_errorcode", None)
    if code is None:
        return isinstance(err, sqlite3.OperationalError) and "decode" in str(err)
    if code == sqlite3.SQLITE_ERROR:
        return any(lacking in str(err) for lacking in ("no such table", "no such column"))
    return code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def can_be_read(path: Path) -> bool:
    """Say whether every byte of the file and its log can be read; takes as long as that does.

    SQLite says "malformed" as well when a read fails with EIO (SQLITE_IOERR_CORRUPTFS in vdbe.c).
    """
    for one in (path, wal.log_path(path)):
        try:
            with one.open("rb", buffering=0) as file:
                while file.read(limits.MIB):
                    pass
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def prepare_directory(directory: Path) -> None:
    """Make the directory, for its owner alone. Raises StoreError, in nats-server's words."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as err:
        raise StoreError(f"storage directory is not a directory - {directory}") from err
    except OSError as err:
        problem = file_problem(err, err.filename or directory, "mkdir")
        raise StoreError(f"could not create storage directory - {problem}") from err


def ensure_file(path: Path, connect: Connect = sqlite3.connect) -> None:
    """Create the database when there is none; refuse one that cannot be ours.

    It appears under its name only when complete: an empty file is damage, never an interrupted
    start.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except FileNotFoundError:
        _create(path, connect)
        return
    except OSError as err:
        raise StoreError(f"{path}: {err.strerror}") from err
    if not start:
        raise StoreCorrupt(f"{path}: is empty; move it away to start with an empty store")
    if start != MAGIC:
        raise StoreCorrupt(f"{path}: is not a SQLite database")


def _create(path: Path, connect: Connect) -> None:
    log = wal.log_path(path)
    if wal.has_log(path):
        raise StoreCorrupt(f"{path}: is missing, but {log.name} with its last changes is there")
    new = path.with_name(path.name + ".new")
    try:
        new.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        conn = connect(new, isolation_level=None)
        try:
            for pragma in CREATION_PRAGMAS:
                conn.execute(pragma)
            migrate(conn, path, MIGRATIONS)
        finally:
            conn.close()
        new.rename(path)
        sync_directory(path.parent)
    except OSError as err:
        raise StoreError(f"{path}: {err.strerror}") from err
    except sqlite3.Error as err:
        raise store_error(err, path) from err


def open_writer(path: Path, connect: Connect = sqlite3.connect) -> sqlite3.Connection:
    """Open the one connection that writes; bring the schema up to date. Raises StoreError."""
    conn = None
    try:
        conn = connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        with readable_errors():
            _check_identity(conn, path)
            _version(conn, path, MIGRATIONS)
            _refuse_triggers(conn, path)
        for pragma in WRITER_PRAGMAS:
            conn.execute(pragma).fetchall()
        _check_length(conn, path)
        migrate(conn, path, MIGRATIONS)
    except sqlite3.Error as err:
        if conn is not None:
            conn.close()
        raise store_error(err, path) from err
    except OSError as err:
        if conn is not None:
            conn.close()
        raise StoreFailed(f"{path}: {err.strerror}") from err
    except StoreError:
        if conn is not None:
            conn.close()
        raise
    return conn


def open_reader(path: Path, connect: Connect = sqlite3.connect) -> sqlite3.Connection:
    """Open a connection that only reads. Raises sqlite3.Error.

    Such a connection, when it is the last to close, leaves the WAL in place with its size.
    """
    conn = connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        with readable_errors():
            for pragma in READER_PRAGMAS:
                conn.execute(pragma).fetchall()
            conn.execute(GET_VERSION).fetchall()  # only now it holds the WAL open
    except sqlite3.Error:
        conn.close()
        raise
    return conn


def open_inspector(path: Path) -> sqlite3.Connection:
    """Open a store for a command that only reads, whether or not a server has it open.

    Raises StoreError for what is no store, or one of another version.
    """
    if path.is_fifo():  # would be waited for
        raise StoreCorrupt(f"{path}: is not a SQLite database")
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as err:
        raise StoreError(f"{path}: {err.strerror}") from err
    if start != MAGIC:
        raise StoreCorrupt(f"{path}: is not a SQLite database")
    conn = None
    try:
        with wal.checked(path, sqlite3.connect):
            conn = open_reader(path)
        _check_identity(conn, path)
        version = _version(conn, path, MIGRATIONS)
    except sqlite3.Error as err:
        if conn is not None:
            conn.close()
        if getattr(err, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR:  # no table `meta`
            raise StoreCorrupt(f"{path}: is a database, but not one of leafnode") from err
        raise store_error(err, path) from err
    except OSError as err:
        raise StoreError(f"{path}: {err.strerror}") from err
    except StoreError:
        if conn is not None:
            conn.close()
        raise
    if version < len(MIGRATIONS):
        conn.close()
        raise StoreError(
            f"{path}: was written by an older leafnode: schema {version}, this one knows "
            f"{len(MIGRATIONS)}; a start of the server brings it up to date"
            f"{_of_backup(path)}"
        )
    return conn


def _of_backup(path: Path) -> str:
    """Return what has to be done before a server can be started on it."""
    if path.name == FILE_NAME:
        return ""
    return f", once it is copied to a directory of its own as {FILE_NAME}"


def migrate(conn: sqlite3.Connection, path: Path, steps: Sequence[Sequence[str]]) -> None:
    """Apply the steps that the file lacks, each in one transaction with its number.

    Raises StoreError for a file that a newer program wrote.
    """
    version = _version(conn, path, steps)
    if version == len(steps):
        return
    conn.create_function("leafnode_checksum", -1, row_checksum, deterministic=True)
    for number, step in enumerate(steps[version:], start=version + 1):
        conn.execute("BEGIN IMMEDIATE")
        for statement in step:
            conn.execute(statement)
        conn.execute(SET_VERSION, (number,))
        conn.execute("COMMIT")


def pregrow_wal(conn: sqlite3.Connection, path: Path, size: int) -> None:
    """Let the WAL have at least this size, so that commits overwrite it instead of extending it.

    Measured on ext4, one message a commit: 8.9 kB and one flush when it is recycled, 33 kB and two
    when it grows. A transaction that spills out of a small cache and is rolled back leaves only the
    size.
    """
    log = wal.log_path(path)
    if log.exists() and log.stat().st_size >= size:
        return
    conn.execute("PRAGMA cache_size=32")
    conn.execute("BEGIN IMMEDIATE")
    try:
        conn.execute("CREATE TABLE pad(b BLOB)")
        for _ in range(size // 65536 + 4):  # the cache keeps up to two of them back
            conn.execute("INSERT INTO pad VALUES(zeroblob(65536))")
    finally:
        if conn.in_transaction:  # a full disk has rolled it back already
            conn.execute("ROLLBACK")
        conn.execute("PRAGMA cache_size=-4000")


def _version(conn: sqlite3.Connection, path: Path, steps: Sequence[Sequence[str]]) -> int:
    """Return the file's schema version, 0 without tables. Raises StoreError for a newer one, and
    StoreCorrupt where it is no version.
    """
    (tables,) = conn.execute("SELECT count(*) FROM sqlite_schema WHERE name='meta'").fetchone()
    if not tables:
        return 0
    (version,) = conn.execute(GET_VERSION).fetchone() or (None,)
    if not isinstance(version, int) or version < 1:
        raise StoreCorrupt(f"{path}: has no schema version that can be read")
    if version > len(steps):
        raise StoreError(
            f"{path}: was written by a newer leafnode: "
            f"schema {version}, this one knows {len(steps)}"
        )
    return version


def _check_identity(conn: sqlite3.Connection, path: Path) -> None:
    (application_id,) = conn.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise StoreCorrupt(f"{path}: is a database, but not one of leafnode")


def _refuse_triggers(conn: sqlite3.Connection, path: Path) -> None:
    """Refuse what would change more than was asked for. A backup has none of it."""
    found = conn.execute("SELECT name FROM sqlite_schema WHERE type='trigger'").fetchone()
    if found is not None:
        raise StoreCorrupt(
            f"{path}: has the trigger {found[0]!r}, which is not leafnode's; drop it, or restore a "
            "backup that `leafnode store backup` makes of this file"
        )


def _check_length(conn: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that lacks pages which the WAL does not hold either."""
    (pages,) = conn.execute("PRAGMA page_count").fetchone()
    (page_size,) = conn.execute("PRAGMA page_size").fetchone()
    if path.stat().st_size < pages * page_size:
        # Normal after a crash: the pages are in the WAL. Bring them over, then look again.
        try:
            conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as err:
            if not isinstance(store_error(err, path), StoreFull):
                raise
            # Who runs can be told what to remove. A page that is nowhere is found when it is read.
            log.warning("The disk is full, the file's length is not checked: path=%s", path)
            return
        if path.stat().st_size < pages * page_size:
            raise StoreCorrupt(f"{path}: is cut short, {pages} pages of {page_size} bytes expected")
