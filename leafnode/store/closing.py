"""The end of a store: each step in the thread that it belongs to, so that the loop goes on.

Knows the committer, the workers and the order in which connections close; not streams. The last
COMMIT and the checkpoint take as long as the disk wants. Truth: docs/store.md, "Open and close".
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.errors import StoreError
    from leafnode.store.commit import Committer
    from leafnode.store.reader import Reader
    from leafnode.store.worker import Worker
    from leafnode.store.writer import Writer

log = logging.getLogger(__name__)


class Closing:
    """Closes one store, once."""

    def __init__(
        self,
        clock: Clock,
        committer: Committer,
        *,
        reads: tuple[Worker, Reader],
        writes: tuple[Worker, Writer],
        close_columns: Callable[[], None],
        lock_fd: int,
    ) -> None:
        self._committer = committer
        self._read_worker, self._reader = reads
        self._write_worker, self._writer = writes
        self._close_columns = close_columns
        self._lock_fd = lock_fd
        self._timer = clock.call_later(limits.STORE_CLOSE_NS, self._overdue)
        self._done: Callable[[], None] | None = None

    def begin(self, done: Callable[[], None]) -> None:
        """Call `done` once all is closed, or the disk did not answer in STORE_CLOSE_NS."""
        self._done = done
        self._commit_rest(None)

    def _commit_rest(self, _: StoreError | None) -> None:
        committer = self._committer
        if not committer.is_idle():  # what is called back after a commit may stage more
            committer.hurry()
            committer.after_commit(self._commit_rest)
            return
        committer.failed = StoreFailed(f"{self._writer.path}: is closed")
        self._read_worker.submit(self._reader.close, self._reader_closed)

    def _reader_closed(self, _: None) -> None:
        # The writer closes last: that empties the WAL and removes it. One that is left behind
        # counts at the next start, and a damaged byte in it would bring back older pages.
        self._close_columns()
        self._write_worker.submit(self._writer.close, self._writer_closed)

    def _writer_closed(self, _: None) -> None:
        self._timer.cancel()
        self._write_worker.close()
        self._read_worker.close()
        os.close(self._lock_fd)
        self._end()

    def _overdue(self) -> None:
        # The disk hangs. The lock goes when it answers, or with the process.
        log.error("The last commit did not end in time: path=%s", self._writer.path)
        self._committer.failed = StoreFailed(f"{self._writer.path}: is closed")
        self._end()

    def _end(self) -> None:
        done, self._done = self._done, None
        if done is not None:  # else the disk hung, and answers now
            done()
