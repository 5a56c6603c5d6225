"""A copy of a store while a server writes it, and the removal of what is dead from such a copy.

SQLite's own ways do not fit: the backup API in steps begins again at each commit of another process
and never ends under load; in one step, like VACUUM INTO, it keeps the WAL from being reused for as
long as it takes. Segments make it easy: rows are only appended, so they are copied one segment and
one short transaction at a time, round after round until little is new, and what is left together
with all descriptions in a last transaction, whose moment the copy is of.
Truth: docs/store.md, "The command"; docs/adr/0015-store-command.md.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreError
from leafnode.store import schema, writes
from leafnode.store.bounds import StoreBounds
from leafnode.store.recover import SELECT_STREAMS, load_columns, load_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from leafnode.store.recover import Recovered, StreamRow
    from leafnode.store.segments import Columns, Segment

ROUNDS_MAX: Final = 20
FEW_ROWS: Final = 2048  # when a round finds no more than this, the last one follows

SELECT_SEGMENTS: Final = (
    "SELECT s.stream, s.no, s.first_seq, t.created, s.sealed, s.rows "
    "FROM source.segment s JOIN source.stream t ON t.id = s.stream ORDER BY s.stream, s.no"
)
SELECT_SEGMENT: Final = SELECT_SEGMENTS.replace("ORDER BY", "WHERE s.stream=? AND s.no=? ORDER BY")
DESCRIPTIONS: Final = ("stream", "segment", "segment_index", "subject", "consumer")
# Nothing is lost with the copy: it gets its name only when it is complete and on disk.
COPY_PRAGMAS: Final = (
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA secure_delete=OFF",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA trusted_schema=OFF",
)


@dataclass(slots=True)
class _Copied:
    """How far one segment is."""

    identity: tuple[int, int]  # its first sequence, when its stream was created
    last_seq: int = 0
    rows: int = 0
    sealed: bool = False


def copy_store(source: Path, target: Path, step: Callable[[int], None]) -> None:
    """Write a complete copy to `target`, which does not exist. Raises StoreError.

    `step` is called with the number of segments known after each segment of the first round.
    """
    schema.open_inspector(source).close()
    with _target(target) as conn:
        conn.execute("ATTACH ? AS source", (f"{source.resolve().as_uri()}?mode=ro",))
        copy = _Copy(conn, step)
        for _ in range(ROUNDS_MAX):
            if copy.round() <= FEW_ROWS:
                break
        copy.finish()
        conn.execute("DETACH source")
    sync_file(target)


def sync_file(path: Path) -> None:
    """Make its content durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _target(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as err:
        raise StoreError(f"{path}: {err.strerror}") from err
    conn = sqlite3.connect(path.resolve().as_uri(), uri=True, isolation_level=None)
    try:
        for pragma in (*schema.CREATION_PRAGMAS, *COPY_PRAGMAS):
            conn.execute(pragma).fetchall()
        schema.migrate(conn, path, schema.MIGRATIONS)
        yield conn
    except sqlite3.Error as err:
        raise schema.store_error(err, path) from err
    finally:
        conn.close()


class _Copy:
    def __init__(self, conn: sqlite3.Connection, step: Callable[[int], None]) -> None:
        self._conn = conn
        self._step = step
        self._copied: dict[tuple[int, int], _Copied] = {}

    def round(self) -> int:
        """Copy what is new in each segment, each in a transaction; return how many rows."""
        is_first = not self._copied
        rows = 0
        found = self._conn.execute(SELECT_SEGMENTS).fetchall()
        for stream_id, no, *_ in found:
            with self._transaction():
                for row in self._conn.execute(SELECT_SEGMENT, (stream_id, no)).fetchall():
                    rows += self._segment(*row)
            if is_first:
                self._step(len(found))
        return rows

    def finish(self) -> None:
        """Copy the rest and all descriptions, of one moment."""
        conn = self._conn
        with self._transaction():
            found = conn.execute(SELECT_SEGMENTS).fetchall()
            for row in found:
                self._segment(*row)
                self._drop_swept((row[0], row[1]), sealed_rows=row[5])
            for key in self._copied.keys() - {(row[0], row[1]) for row in found}:
                conn.execute(f"DROP TABLE main.{writes.table(*key)}")
            for name in DESCRIPTIONS:
                conn.execute(f"INSERT INTO main.{name} SELECT * FROM source.{name}")  # noqa: S608

    def _segment(
        self, stream_id: int, no: int, first_seq: int, created: int, sealed: int, _: int | None
    ) -> int:
        key = (stream_id, no)
        name = writes.table(*key)
        known = self._copied.get(key)
        if known is not None and known.identity != (first_seq, created):
            # Another one of the same number: its stream or all its messages went meanwhile.
            self._conn.execute(f"DROP TABLE main.{name}")
            known = None
        if known is None:
            known = self._copied[key] = _Copied((first_seq, created))
            writes.create_rows(self._conn, *key)
        if known.sealed:
            return 0
        rows = self._conn.execute(
            f"INSERT INTO main.{name} SELECT * FROM source.{name} WHERE seq>? ORDER BY seq",  # noqa: S608
            (known.last_seq,),
        ).rowcount
        if rows:
            known.rows += rows
            (known.last_seq,) = self._conn.execute(f"SELECT max(seq) FROM main.{name}").fetchone()  # noqa: S608
        known.sealed = bool(sealed)
        return rows

    def _drop_swept(self, key: tuple[int, int], *, sealed_rows: int | None) -> None:
        """Delete rows that the source has deleted since they were copied."""
        if sealed_rows is not None and self._copied[key].rows != sealed_rows:
            name = writes.table(*key)
            self._conn.execute(
                f"DELETE FROM main.{name} WHERE seq NOT IN (SELECT seq FROM source.{name})"  # noqa: S608
            )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._conn.execute("BEGIN")
        yield
        self._conn.execute("COMMIT")


def drop_dead(path: Path, step: Callable[[int], None]) -> int:
    """Delete what was removed and still lies in a copy, and give the room back; return the rows.

    `step` is called with the number of streams after each. Raises StoreError.
    """
    dropped = 0
    conn = sqlite3.connect(path.resolve().as_uri(), uri=True, isolation_level=None)
    try:
        for pragma in COPY_PRAGMAS:
            conn.execute(pragma).fetchall()
        rows = conn.execute(SELECT_STREAMS).fetchall()
        for row in rows:
            conn.execute("BEGIN")
            dropped += _drop_dead_of(conn, row)
            conn.execute("COMMIT")
            step(len(rows))
        if dropped:
            conn.execute("VACUUM")
    except sqlite3.Error as err:
        raise schema.store_error(err, path) from err
    finally:
        conn.close()
    sync_file(path)
    return dropped


def _drop_dead_of(conn: sqlite3.Connection, row: StreamRow) -> int:
    stream_id, dropped = row[0], 0

    def columns_of(segment: Segment) -> Columns:
        return segment.columns or load_columns(conn, stream_id, segment.no)

    found: Recovered = load_stream(conn, row, StoreBounds(), columns_of)
    if found.damage is not None:
        raise found.damage
    index = found.index
    for no in index.going:
        count = f"SELECT count(*) FROM {writes.table(stream_id, no)}"  # noqa: S608
        dropped += conn.execute(count).fetchone()[0]
    writes.drop_segments(conn, stream_id, index.going)
    for segment in index.segments:
        key = (stream_id, segment.no)
        dropped += segment.dead_count
        if not segment.live:
            writes.drop_segment(conn, key)
        elif segment.dead_count:
            segment.columns = columns_of(segment)
            writes.delete_rows(conn, key, segment.sweep())
            writes.describe(conn, key, segment)
    writes.delete_subjects(conn, stream_id, index.subjects.forget_empty())
    writes.set_floor(conn, stream_id, index.first_seq, index.last_seq, index.last_ts_ns)
    return dropped
