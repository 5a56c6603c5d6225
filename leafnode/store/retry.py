"""After the disk said no: when it is asked again, and what is taken then.

A full disk is asked for room. A failed one loses every connection, then the file is opened and read
anew. Knows the committer, the workers and the writer; not streams.
Truth: docs/store.md, "When the disk says no".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock, Timer
    from leafnode.errors import StoreError
    from leafnode.store.commit import Committer, Outcome
    from leafnode.store.reader import Reader
    from leafnode.store.recover import Recovered
    from leafnode.store.worker import Schedule, Worker
    from leafnode.store.writer import Writer

log = logging.getLogger(__name__)


class Retry:
    """Of one store: sets what the committer refuses, and takes it back."""

    def __init__(
        self,
        clock: Clock,
        committer: Committer,
        *,
        reads: tuple[Worker, Reader],
        writes: tuple[Worker, Writer],
        close_columns: Callable[[], None],
        adopt: Callable[[list[Recovered]], None],
        tell: Callable[[], None],
    ) -> None:
        """`adopt` takes the state on disk for the truth, `tell` lets everybody know that it did."""
        self._clock = clock
        self._committer = committer
        self._read_worker, self._reader = reads
        self._write_worker, self._writer = writes
        self._close_columns = close_columns
        self._adopt = adopt
        self._tell = tell
        self._timer: Timer | None = None
        self._delay_ns = limits.STORE_RETRY_NS  # of the next reopening
        self._closed = False
        self._told = ""  # to the log, of the failures since the last commit
        self._repeats = False  # the last failure is the one before

    def opened(self, outcome: Outcome, soon: Schedule) -> None:
        """At the start, in a thread without a loop: `soon` calls in the loop's."""
        if outcome.error is not None:
            self._committer.no_room = outcome.error
            soon(self._probe_later)

    def full(self, error: StoreError) -> None:
        """Refuse appends until there is room for the reserve."""
        self._committer.no_room = error
        self._probe_later()

    def failed(self, error: StoreError) -> None:
        """Refuse everything until the file was read anew; up to a commit ever more rarely."""
        self._committer.failed = error
        if self._timer is not None:  # a probe for room: opening anew comes first
            self._timer.cancel()
            self._timer = None
        if not self._closed:
            self._timer = self._clock.call_later(self._delay_ns, self._reopen)
            self._delay_ns = min(2 * self._delay_ns, limits.STORE_RETRY_MAX_NS)

    def committed(self) -> None:
        """The disk does what it should."""
        if self._repeats:
            log.warning("The store takes changes again: path=%s", self._writer.path)
        self._delay_ns = limits.STORE_RETRY_NS
        self._told, self._repeats = "", False

    def is_news(self, error: StoreError) -> bool:
        """Say whether the log was not told yet: what goes on failing is told once."""
        self._repeats = repr(error) == self._told
        self._told = repr(error)
        return not self._repeats

    def close(self) -> None:
        """Ask for nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _probe_later(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = self._clock.call_later(limits.STORE_RETRY_NS, self._probe)

    def _probe(self) -> None:
        self._timer = None
        self._write_worker.submit(self._writer.probe, self._probed)

    def _probed(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self._committer.no_room = None
            log.warning("The disk has room again, appends go on: path=%s", self._writer.path)
        elif self._committer.failed is None:
            self._probe_later()

    def _reopen(self) -> None:
        self._timer = None
        self._close_columns()
        self._read_worker.submit(self._reader.close, self._reopen_writer)

    def _reopen_writer(self, _: None) -> None:
        if not self._closed:
            self._write_worker.submit(self._writer.reopen, self._reopened)

    def _reopened(self, outcome: Outcome) -> None:
        if self._closed:
            return
        if outcome.recovered is None:
            assert outcome.error is not None
            self.failed(outcome.error)
            return
        self._adopt(outcome.recovered)
        if not self._repeats:
            log.warning("The store was reopened and read again: path=%s", self._writer.path)
        try:
            self._tell()
        finally:
            self._committer.failed, self._committer.no_room = None, outcome.error
            if outcome.error is not None:
                self._probe_later()
