"""A store's file as a command reads it, beside a server that may be writing it.

Every transaction is short: one stream's description, or one segment. A view that stayed open would
keep the WAL from being reused, and it would grow for as long. So what is read of different segments
is of different moments; a message itself never changes. Truth: docs/store.md, "The command".
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode.store import schema
from leafnode.store.api import SEQ_MAX, StreamState
from leafnode.store.bounds import StoreBounds
from leafnode.store.reader import Reader, ReadRequest
from leafnode.store.recover import SELECT_STREAM, load_columns, load_stream
from leafnode.store.wal import log_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from leafnode.errors import StoreCorrupt
    from leafnode.store.api import StoredMsg
    from leafnode.store.recover import Recovered
    from leafnode.store.segments import Columns, Segment

READ_MSGS: Final = 1024  # messages of one transaction
READ_BYTES: Final = 1024 * 1024

# Without what is left of deleted streams, see leafnode.store.api.is_deleted.
SELECT_IDS: Final = "SELECT id FROM stream WHERE instr(name, '..')=0 ORDER BY account, name"
# What a statement that takes long may let the write-ahead log grow by before it is stopped.
WAL_GROWTH_MAX: Final = 64 * 1024 * 1024
STEPS_BETWEEN_LOOKS: Final = 50_000  # of SQLite's machine: some milliseconds
NO_STATE: Final = StreamState(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """One stream as it was in one moment. Its index is of that moment, too."""

    stream: Recovered
    state: StreamState  # all zero for a damaged stream


class GrownError(Exception):
    """The write-ahead log has grown too much."""


class LateError(Exception):
    """A statement took too long."""


@contextlib.contextmanager
def stopped_by_growth(
    conn: sqlite3.Connection, path: Path, is_late: Callable[[], bool] = bool
) -> Iterator[None]:
    """Stop a long statement when it keeps the log from being reused, or `is_late` says so. Raises
    GrownError, LateError.
    """
    wal = log_path(path)

    def size() -> int:
        try:
            return wal.stat().st_size
        except OSError:
            return 0

    bound = size() + WAL_GROWTH_MAX

    def look() -> int:
        return int(size() > bound or is_late())

    conn.set_progress_handler(look, STEPS_BETWEEN_LOOKS)
    try:
        yield
    except sqlite3.OperationalError as err:
        if "interrupted" not in str(err):
            raise
        if size() > bound:
            raise GrownError from err
        if is_late():
            raise LateError from err
        raise KeyboardInterrupt from err  # which came while SQLite was at work
    finally:
        conn.set_progress_handler(None, 0)


class Inspection:
    """Reads one store. Methods raise StoreError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.conn = schema.open_inspector(path)
        self._reader = Reader(path, sqlite3.connect)

    def __enter__(self) -> Inspection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._reader.close()
        self.conn.close()

    def streams(self) -> Iterator[Seen]:
        """Yield every stream but deleted ones, by account and name, each read when asked for."""
        with self._sql_errors():
            ids = self.conn.execute(SELECT_IDS).fetchall()
        for (stream_id,) in ids:
            seen = self.stream(stream_id)
            if seen is not None:
                yield seen

    def stream(self, stream_id: int) -> Seen | None:
        """Return one stream, or None when it is gone."""
        with self._sql_errors(), self.view():
            row = self.conn.execute(SELECT_STREAM, (stream_id,)).fetchone()
            if row is None:
                return None
            columns = partial(self._columns, stream_id)
            found = load_stream(self.conn, row, StoreBounds(), columns)
            if found.damage is None:
                return Seen(found, found.index.state())
        return Seen(found, NO_STATE)

    def messages(
        self,
        seen: Seen,
        patterns: list[bytes],
        first_seq: int = 0,
        last_seq: int = SEQ_MAX,
        *,
        damaged: Callable[[StoreCorrupt], None] | None = None,
    ) -> Iterator[list[StoredMsg]]:
        """Yield what the stream holds of these subjects, up to the last message it had when seen.

        Each list is of one moment. What fails its checksum is left out, and `damaged` is told; it
        may raise. Without it StoreCorrupt is raised there. Raises StoreError.
        """
        index = seen.stream.index
        first = max(first_seq, index.first_seq)
        last = min(last_seq, index.last_seq)
        sids, names = index.subjects.sids(patterns), index.subjects.names
        while first <= last:
            bounds = (0, first, last, sids, READ_MSGS, READ_BYTES, names)
            result = self._reader.read(ReadRequest(seen.stream.id, *bounds))
            if result.messages:
                yield result.messages
                first = result.messages[-1].seq + 1
            if result.error is not None:
                raise result.error
            if result.damage is not None:
                if damaged is None:
                    raise result.damage
                seqs = range(first, min(first + READ_MSGS, last + 1))
                yield from self._one_by_one(seen, sids, seqs, damaged)
                first = seqs.stop
            elif not result.messages:
                return

    def _one_by_one(
        self,
        seen: Seen,
        sids: frozenset[int] | None,
        seqs: range,
        damaged: Callable[[StoreCorrupt], None],
    ) -> Iterator[list[StoredMsg]]:
        """Yield what is intact where a page is not."""
        names = seen.stream.index.subjects.names
        for seq in seqs:
            bounds = (0, seq, seq, sids, 1, READ_BYTES, names)
            result = self._reader.read(ReadRequest(seen.stream.id, *bounds))
            if result.error is not None:
                raise result.error
            if result.damage is not None:
                damaged(result.damage)
            elif result.messages:
                yield result.messages

    @contextlib.contextmanager
    def view(self) -> Iterator[None]:
        """Let what is read within be of one moment."""
        self.conn.execute("BEGIN")
        try:
            yield
        finally:
            if self.conn.in_transaction:
                self.conn.execute("ROLLBACK")

    @contextlib.contextmanager
    def _sql_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as err:
            raise schema.store_error(err, self.path) from err

    def _columns(self, stream_id: int, segment: Segment) -> Columns:
        return segment.columns or load_columns(self.conn, stream_id, segment.no)
