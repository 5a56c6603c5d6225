"""The loop's own connection: it reads the columns of one sealed segment at a time, nothing else.

Opened with the store, so that descriptors that run out later do no harm. Knows SQL and what an
error means; not streams. Truth: docs/store.md, "Threads" and "When the disk says no".
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

from leafnode.errors import StoreBusy, StoreCorrupt
from leafnode.store import schema
from leafnode.store.recover import load_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leafnode.store.segments import Columns, Segment

    Blame = Callable[[int, StoreCorrupt], None]

log = logging.getLogger(__name__)


class ColumnsReader:
    """`damaged` is told of what is; `suspected` of what SQLite calls so where a read may have
    failed.
    """

    def __init__(
        self, path: Path, connect: schema.Connect, *, damaged: Blame, suspected: Blame
    ) -> None:
        self._path = path
        self._connect = connect
        self._damaged = damaged
        self._suspected = suspected
        self._conn: sqlite3.Connection | None = None

    def open(self) -> sqlite3.Connection:
        """Open the connection unless it is. Raises sqlite3.Error."""
        if self._conn is None:
            self._conn = schema.open_reader(self._path, self._connect)
        return self._conn

    def close(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def load(self, stream_id: int, segment: Segment) -> Columns:
        """Read a segment's columns; a second time on a new connection when that fails.

        Raises StoreCorrupt, or StoreBusy when they cannot be read just now.
        """
        try:
            try:
                return load_columns(self.open(), stream_id, segment.no)
            except sqlite3.Error:
                self.close()
                return load_columns(self.open(), stream_id, segment.no)
        except StoreCorrupt as err:
            problem = StoreCorrupt(f"{self._path}: segment {segment.no}: {err}")
            self._damaged(stream_id, problem)
            raise problem from err
        except sqlite3.Error as err:
            problem = StoreCorrupt(f"{self._path}: segment {segment.no}: {err}")
            self.close()
            log.warning("An index could not be read: %s", problem)
            if schema.is_damage(err):
                self._suspected(stream_id, problem)
            raise StoreBusy(*problem.args) from err
