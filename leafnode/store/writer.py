"""The writer's side of the store: a connection, a transaction for each batch, what errors mean.

Its methods run on the writer's thread, except `open` and `close`. The jobs among them never raise:
an exception there would leave a batch in flight for ever. Knows the file, the reserve and
the batch's statements; not the loop. Truth: docs/store.md, "When the disk says no".
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreCorrupt, StoreError, StoreFailed, StoreFull
from leafnode.store import schema, wal
from leafnode.store.commit import Outcome
from leafnode.store.pages import check_at_start
from leafnode.store.recover import load_streams

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leafnode.clock import Clock
    from leafnode.store.batch import Batch
    from leafnode.store.bounds import StoreBounds
    from leafnode.store.recover import Recovered
    from leafnode.store.segments import Columns, Segment

log = logging.getLogger(__name__)

RESERVE_NAME: Final = "leafnode.reserve"
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_LAST_WORDS: Final = (
    "{path}: the disk is full, not even removals can be stored; make 16 MiB free on it, or stop "
    "the server and copy the whole directory to a larger one"
)
_PAGES_LEAST: Final = 16  # of a step of giving back pages
_STEPS_MAX: Final = 64  # of one probe; the next one goes on


class Writer:
    """Owns the connection that writes."""

    def __init__(
        self,
        path: Path,
        bounds: StoreBounds,
        clock: Clock,
        columns_of: Callable[[int], Callable[[Segment], Columns]],
        connect: schema.Connect,
    ) -> None:
        self.path = path
        self._reserve = path.with_name(RESERVE_NAME)
        self._bounds = bounds
        self._clock = clock
        self._columns_of = columns_of
        self._connect = connect
        self._conn: sqlite3.Connection | None = None
        self._damaged: set[int] = set()  # streams that could not be read
        self._suspects: set[int] = set()  # streams whose last change said "malformed"
        self._is_full = False  # appends are refused, and the reserve is given up
        # Appends are taken without a reserve, while so much of the file is free: one that has to
        # grow keeps the log from being brought over, and nothing could be removed any more.
        self._within_file = False
        self._least_bytes = bounds.reserve_bytes // 2

    def open(self) -> Outcome:
        """Open the file and read what every stream holds; with StoreFull where there is no room for
        the reserve. Raises StoreError, and then the file is as it was.
        """
        try:
            conn, recovered = self._load_twice()
        except sqlite3.Error as err:
            raise schema.store_error(err, self.path) from err
        except OSError as err:
            raise StoreFailed(f"{self.path}: {err.strerror}") from err
        self._conn = conn
        error = self._set_aside()
        try:
            schema.pregrow_wal(conn, self.path, self._bounds.wal_pregrow_bytes)
        except (sqlite3.Error, OSError) as err:
            log.warning("The write-ahead log was not grown: %s", err)
        return Outcome(recovered=recovered, error=error)

    def _load_twice(self) -> tuple[sqlite3.Connection, list[Recovered]]:
        """Open and read; once more if damage is found, because SQLite says that of EIO, too."""
        try:
            conn, recovered = self._load()
            if not any(found.damage for found in recovered):
                return conn, recovered
            conn.close()
        except (sqlite3.Error, StoreCorrupt) as err:
            log.warning("The store is read a second time: path=%s reason=%s", self.path, err)
        conn, recovered = self._load()
        if any(found.damage for found in recovered) and not schema.can_be_read(self.path):
            conn.close()
            raise StoreFailed(f"{self.path}: cannot be read")
        return conn, recovered

    def _load(self) -> tuple[sqlite3.Connection, list[Recovered]]:
        with wal.checked(self.path, self._connect):
            conn = schema.open_writer(self.path, self._connect)
            try:
                recovered = load_streams(conn, self._bounds, self._columns_of)
                check_at_start(conn, recovered)
            except sqlite3.Error:
                conn.close()
                raise
            except StoreCorrupt as err:
                conn.close()
                raise StoreCorrupt(f"{self.path}: {err}") from err
        self._damaged = {found.id for found in recovered if found.damage}
        return conn, recovered

    def reopen(self) -> Outcome:
        """Close, open and read the file after a failure: only then anything is acked again."""
        return self._run(self._reopen)

    def commit(self, batch: Batch) -> Outcome:
        """Execute one batch as one transaction; without an error it is on disk."""
        return self._run(partial(self._commit, batch))

    def probe(self) -> Outcome:
        """Look whether a disk that was full has room again."""
        return self._run(self._probe)

    def make_reserve(self) -> bool:
        """Set space aside for removals on a full disk; False when that cannot be done."""
        return self._allocate_reserve() == 0

    def _set_aside(self) -> StoreFull | None:
        """At a start: make the reserve, or return why appends are refused until there is one."""
        if not self._reserve.exists():  # the disk was full: what the log holds has the first claim
            self._bring_over_log()
        was_full, self._is_full = self._is_full, self._allocate_reserve() in _NO_ROOM
        if not self._is_full:
            self._within_file = False
            return None
        if not was_full:
            log.error("No room for the reserve file, appends are refused: path=%s", self._reserve)
        return self._no_room()

    def _no_room(self) -> StoreFull:
        return StoreFull(f"{self.path}: the disk is full, no room for {self._reserve.name}")

    def _allocate_reserve(self) -> int:
        """Return 0, or the number of the error; then there is no reserve."""
        size = self._bounds.reserve_bytes
        try:
            fd = os.open(self._reserve, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                if size:
                    os.posix_fallocate(fd, 0, size)
            finally:
                os.close(fd)
        except OSError as err:
            if err.errno not in _NO_ROOM:
                log.warning("The reserve file was not written: %s", err)
            self._drop_reserve()
            return err.errno or errno.EIO
        return 0

    def close(self) -> None:
        """Bring the WAL over into the file, so that the next start is quick, and close."""
        conn, self._conn = self._conn, None
        if conn is None:
            return
        try:
            conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as err:
            log.warning("The last checkpoint failed, the next start does it: %s", err)
        conn.close()

    def _run(self, job: Callable[[], Outcome]) -> Outcome:
        try:
            return job()
        except Exception as err:  # boundary: background job
            log.exception("The writer failed, what it was to do is undone: path=%s", self.path)
            if self._conn is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._conn.rollback()
            return Outcome(error=StoreFailed(f"{self.path}: {type(err).__name__}: {err}"))

    def _reopen(self) -> Outcome:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()
        try:
            return self.open()
        except StoreError as err:
            return Outcome(error=err)

    def _commit(self, batch: Batch) -> Outcome:
        conn = self._conn
        if conn is None:
            return Outcome(error=StoreFailed(f"{self.path}: is not open"))
        start_ns = self._clock.monotonic_ns()
        stream_id = 0
        try:
            conn.execute("BEGIN IMMEDIATE")
            for stream_id, op in batch.ops:  # noqa: B007 -- names the culprit
                op(conn)
            stream_id = 0
            if batch.rows and self._within_file and self._free_bytes() < self._least_bytes:
                return self._undo(conn, self._no_room(), 0)
            conn.execute("COMMIT")
        except sqlite3.Error as err:
            return self._undo(conn, schema.store_error(err, self.path), stream_id)
        if self._suspects:
            self._suspects.difference_update(stream_id for stream_id, _ in batch.ops)
        return Outcome(commit_ns=self._clock.monotonic_ns() - start_ns)

    def _probe(self) -> Outcome:
        self._bring_over_log()
        has_reserve = self.make_reserve()
        # The store itself may be what fills the disk: what was removed is still its file's.
        for _ in range(_STEPS_MAX):
            if has_reserve or not self._give_back_pages():
                break
            self._bring_over_log()
            has_reserve = self.make_reserve()
        # Else what comes has room in the file, whoever has the rest of the disk.
        if not has_reserve and self._free_bytes() < self._bounds.reserve_bytes:
            return Outcome(error=self._no_room())
        self._is_full, self._within_file = False, not has_reserve
        return Outcome()

    def _bring_over_log(self) -> None:
        """Let the log be overwritten instead of growing; cut it off if it grew beyond its size."""
        log_path = wal.log_path(self.path)
        try:
            grown = log_path.stat().st_size > 2 * self._bounds.wal_pregrow_bytes
            if self._conn is not None and not self._conn.in_transaction:
                how = "TRUNCATE" if grown else "PASSIVE"
                self._conn.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
        except (sqlite3.Error, OSError) as err:
            log.debug("The log was not brought over: path=%s reason=%s", self.path, err)

    def _give_back_pages(self) -> bool:
        """Cut some free pages off the end of the file; False where that frees none.

        The pages that are moved for it go through the log, which has no room to grow: an eighth of
        its size at a time. All at once was refused, and the disk stayed full.
        """
        conn = self._conn
        if conn is None or conn.in_transaction:  # executescript() would commit what was undone
            return False
        pages = max(_PAGES_LEAST, self._bounds.wal_pregrow_bytes // self._page_size() // 8)
        before = self._free_bytes()
        try:
            # Not execute(): it would take one step of the statement and free one page.
            conn.executescript(f"PRAGMA incremental_vacuum({pages:d})")
        except sqlite3.Error as err:
            log.debug("No pages were given back: path=%s reason=%s", self.path, err)
        return self._free_bytes() < before

    def _page_size(self) -> int:
        return self._pragma("page_size")

    def _free_bytes(self) -> int:
        """Return how much of the file holds nothing."""
        return 0 if self._conn is None else self._pragma("freelist_count") * self._page_size()

    def _pragma(self, name: str) -> int:
        assert self._conn is not None
        (value,) = self._conn.execute(f"PRAGMA {name}").fetchone()
        return int(value)

    def _undo(self, conn: sqlite3.Connection, error: StoreError, stream_id: int) -> Outcome:
        if isinstance(error, StoreCorrupt) and stream_id not in self._suspects:
            # It may have been a read that failed. The stream is to blame when it says so again.
            if stream_id:
                self._suspects.add(stream_id)
            error = StoreFailed(*error.args)
        if isinstance(error, StoreFull):
            if self._is_full:  # a removal: there is nothing more to give up for it
                error = StoreFailed(_LAST_WORDS.format(path=self.path))
            self._is_full = True
            self._drop_reserve()
        if isinstance(error, StoreFailed):
            # After a failed write or fsync what this connection believes is worth nothing.
            return Outcome(error=error)
        try:
            if conn.in_transaction:  # SQLITE_FULL has rolled back by itself, mostly
                conn.execute("ROLLBACK")
            if isinstance(error, StoreFull):
                # The file has the first claim on the reserve: the log could eat it up, and then
                # never be brought over.
                self._bring_over_log()
            recovered = load_streams(conn, self._bounds, self._columns_of)
        except sqlite3.Error as again:
            return Outcome(error=StoreFailed(f"{error}, then {again}"))
        if not {found.id for found in recovered if found.damage} <= self._damaged:
            return Outcome(error=StoreFailed(f"{error}, then damage was read"))
        damaged = stream_id if isinstance(error, StoreCorrupt) else 0
        return Outcome(error=error, recovered=recovered, damaged_stream=damaged)

    def _drop_reserve(self) -> None:
        """Give the space back; a directory that refuses even that is told by the next commit."""
        with contextlib.suppress(OSError):
            self._reserve.unlink(missing_ok=True)
