"""Reads of one store on their way to the reader's thread and back, until they succeed.

Those of one message, of which a client may send many at once, travel together: while some are at
the reader the others gather, because the way there and back costs as much as the reading.
Knows the worker, the reader and how many may wait; not streams. Truth: docs/store.md, "Reads".
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy, StoreFailed
from leafnode.store.reader import ReadResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock, Timer
    from leafnode.errors import StoreError
    from leafnode.store.api import StoreStats
    from leafnode.store.reader import Reader, ReadRequest
    from leafnode.store.worker import Worker

    Done = Callable[[ReadResult], None]
    _Read = tuple[ReadRequest, Done]

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
        self._gathered: deque[_Read] = deque()  # those of one message
        self._some_are_out = False
        self._again: deque[_Read] = deque()
        self._retry_ns = limits.STORE_RETRY_NS
        self._timer: Timer | None = None
        self._out = 0  # at the reader, or answered and not handed over yet
        self._due: deque[tuple[ReadRequest, Done, ReadResult]] = deque()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many are at the reader, or will be."""
        return self._out + len(self._gathered)

    def is_crowded(self) -> bool:
        """Say whether the room that is left should be kept for what is needed now."""
        return self.waiting + len(self._again) >= limits.READS_AHEAD_MAX

    def ask(self, request: ReadRequest, done: Done) -> None:
        """Read, now or when it can be. Raises StoreBusy, and StoreFailed once it is closed."""
        if self._closed:  # the reader may be closed already, and must not open the file again
            raise StoreFailed("the store is closed")
        waiting = self.waiting + len(self._again)
        if waiting >= self._waiting_max:
            self._stats.reads_refused += 1
            raise StoreBusy(f"{waiting} reads wait for the disk")
        self.ask_further(request, done)

    def ask_further(self, request: ReadRequest, done: Done) -> None:
        """Go on with a read that was let in; dropped once it is closed, as all that wait then."""
        if self._closed:
            return
        if request.max_msgs > 1:
            self._submit([(request, done)], self._answered)
            return
        self._gathered.append((request, done))
        if not self._some_are_out:
            self._send()

    def look(self, job: Callable[[Reader], ReadResult], done: Done) -> None:
        """Do a job of the scrub, once."""
        self._worker.submit(partial(job, self._reader), done)

    def close(self) -> None:
        """Ask for nothing more."""
        self._closed = True
        self._gathered.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _send(self) -> None:
        """Let the reader do some of what was gathered, or nothing."""
        gathered = self._gathered
        some = [gathered.popleft() for _ in range(min(len(gathered), limits.READS_AT_ONCE))]
        self._some_are_out = bool(some)
        if some:
            self._submit(some, self._some_answered)

    def _submit(
        self, reads: list[_Read], answered: Callable[[list[_Read], list[ReadResult]], None]
    ) -> None:
        self._out += len(reads)
        job = partial(_read_all, self._reader, [request for request, _ in reads])
        self._worker.submit(job, partial(answered, reads))

    def _some_answered(self, reads: list[_Read], results: list[ReadResult]) -> None:
        self._send()  # the reader goes on while these are handed over
        self._answered(reads, results)

    def _answered(self, reads: list[_Read], results: list[ReadResult]) -> None:
        self._due += [(*read, result) for read, result in zip(reads, results, strict=True)]
        self._hand_over()

    def _hand_over(self) -> None:
        """Call all in order; one that raises does not keep the others from being called."""
        due = self._due
        try:
            while due:
                request, done, result = due.popleft()
                self._out -= 1
                if result.error is None:
                    self._retry_ns = limits.STORE_RETRY_NS
                    done(result)
                else:
                    self._later(result.error, request, done)
        finally:
            if due:
                self._clock.call_later(0, self._hand_over)

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


def _read_all(reader: Reader, requests: list[ReadRequest]) -> list[ReadResult]:
    """Read those of one segment together: for each statement the thread may wait for the loop's."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for place, one in enumerate(requests):
        if one.first_seq == one.last_seq and one.sids is None and not one.removed_below:
            groups.setdefault((one.stream_id, one.no, id(one.names)), []).append(place)
    known: dict[int, ReadResult] = {}
    for places in groups.values():
        if len(places) > 1:
            some = [requests[place] for place in places]
            known.update(zip(places, _read_together(reader, some), strict=False))
    return [known.get(place) or reader.read(one) for place, one in enumerate(requests)]


def _read_together(reader: Reader, requests: list[ReadRequest]) -> list[ReadResult]:
    """Return what each of them gets; nothing where that is not sure: then each is read alone."""
    seqs = sorted({one.first_seq for one in requests})
    first, last, most = seqs[0], seqs[-1], len(seqs)
    joined = replace(requests[0], first_seq=first, last_seq=last, max_msgs=most, seqs=tuple(seqs))
    result = reader.read(replace(joined, max_bytes=sys.maxsize))
    if result.error is not None or result.damage is not None:
        return []
    found = {msg.seq: msg for msg in result.messages}
    messages = [found.get(one.first_seq) for one in requests]
    return [ReadResult() if msg is None else ReadResult([msg], len(msg.body)) for msg in messages]
