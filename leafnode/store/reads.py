"""Reads of one store on their way to the reader's thread and back, until they succeed.

Knows the worker, the reader and how many may wait; not streams. Truth: docs/store.md, "Reads".
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock, Timer
    from leafnode.errors import StoreError
    from leafnode.store.api import StoreStats
    from leafnode.store.reader import Reader, ReadRequest, ReadResult
    from leafnode.store.worker import Worker

    Done = Callable[[ReadResult], None]

log = logging.getLogger(__name__)


class Reads:
    """The way to one reader."""

    def __init__(
        self, clock: Clock, worker: Worker, reader: Reader, stats: StoreStats, waiting_max: int
    ) -> None:
        self._clock = clock
        self._worker = worker
        self._reader = reader
        self._stats = stats
        self._waiting_max = waiting_max
        self._again: deque[tuple[ReadRequest, Done]] = deque()
        self._retry_ns = limits.STORE_RETRY_NS
        self._timer: Timer | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many are at the reader."""
        return self._worker.waiting

    def ask(self, request: ReadRequest, done: Done) -> None:
        """Read, now or when it can be. Raises StoreBusy, and StoreFailed once it is closed."""
        if self._closed:  # the reader may be closed already, and must not open the file again
            raise StoreFailed("the store is closed")
        waiting = self._worker.waiting + len(self._again)
        if waiting >= self._waiting_max:
            self._stats.reads_refused += 1
            raise StoreBusy(f"{waiting} reads wait for the disk")
        self.ask_further(request, done)

    def ask_further(self, request: ReadRequest, done: Done) -> None:
        """Go on with a read that was let in; dropped once it is closed, as all that wait then."""
        if self._closed:
            return

        def answered(result: ReadResult) -> None:
            if result.error is None:
                self._retry_ns = limits.STORE_RETRY_NS
                done(result)
            else:
                self._later(result.error, request, done)

        self._worker.submit(partial(self._reader.read, request), answered)

    def look(self, job: Callable[[Reader], ReadResult], done: Done) -> None:
        """Do a job of the scrub, once."""
        self._worker.submit(partial(job, self._reader), done)

    def close(self) -> None:
        """Ask for nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _later(self, error: StoreError, request: ReadRequest, done: Done) -> None:
        """What could not be read is not gone: ask again, ever more rarely."""
        if self._closed:
            return
        self._again.append((request, done))
        if self._timer is None:
            log.warning("A read failed and is tried again: %s", error)
            self._timer = self._clock.call_later(self._retry_ns, self._on_timer)
            self._retry_ns = min(2 * self._retry_ns, limits.STORE_RETRY_MAX_NS)

    def _on_timer(self) -> None:
        self._timer = None
        again, self._again = self._again, deque()
        for request, done in again:
            self.ask_further(request, done)
