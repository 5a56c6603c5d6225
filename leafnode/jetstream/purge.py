"""A purge of some subjects: removes message by message, a slice per turn of the loop.

Knows the stream's store; not who asked. Truth: nats-server 2.15.1 server/stream.go (purgeLocked).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.jetstream.stream import Stream


class Purge:
    """Removes what matches `pattern` before `below_seq` (0: all), sparing the newest `keep`."""

    __slots__ = ("_below_seq", "_done", "_keep", "_pattern", "_removed", "_stream", "_subjects")

    def __init__(
        self,
        stream: Stream,
        pattern: bytes,
        below_seq: int,
        keep: int,
        done: Callable[[int | StoreError], None],
    ) -> None:
        self._stream = stream
        self._pattern = pattern
        self._below_seq = below_seq
        self._keep = keep
        self._done = done
        self._removed = 0
        self._subjects: deque[bytes] = deque()  # still to be looked at

    def start(self) -> None:
        """Remove the first slice now, and what is left on later turns."""
        last_seq = self._stream.store.last_seq()
        below_seq = min(self._below_seq or last_seq + 1, last_seq + 1)
        if self._keep:
            below_seq = self._first_of_newest(self._keep)
        self._below_seq = below_seq
        self._subjects += [subject for subject, _ in self._stream.store.subjects(self._pattern)]
        self._run()

    def _first_of_newest(self, keep: int) -> int:
        """Return the lowest sequence from which on no more than `keep` messages match."""
        store = self._stream.store
        low, high = store.state().first_seq, store.last_seq() + 1
        while low < high:
            middle = (low + high) // 2
            if store.num_pending([self._pattern], middle) <= keep:
                high = middle
            else:
                low = middle + 1
        return low

    def _run(self) -> None:
        try:
            finished = self._remove_slice()
            if finished:
                self._stream.purged_subjects(self._pattern)
        except StoreError as error:
            self._done(error)
            return
        if finished:
            self._done(self._removed)
        else:
            self._stream.context.clock.call_later(0, self._run)

    def _remove_slice(self) -> bool:
        """Remove some messages; True when there is nothing left to remove."""
        stream = self._stream
        if stream.closed:
            return True
        store = stream.store
        budget = limits.PURGE_TURN_MSGS
        places: set[int] = set()  # parts of the stream that were read in
        while self._subjects:
            subject, before = self._subjects[0], budget
            while budget and (state := store.subject_state(subject)):
                if state.first_seq >= self._below_seq:
                    break
                places.add(state.first_seq // limits.SEGMENT_ROWS_MAX)
                if len(places) > limits.PURGE_TURN_PLACES:
                    return False
                self._removed += store.remove([state.first_seq])
                budget -= 1
            if not budget:
                return False
            self._subjects.popleft()
            budget = min(budget, before - 1)  # to look costs, too
            if not budget:
                return False
        return True
