"""A purge of some subjects: removes message by message, a slice per turn of the loop.

Knows the stream's store; not who asked. Truth: nats-server 2.15.1 server/stream.go (purgeLocked).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.jetstream.thinning import Thinning

_SUBJECTS_A_QUESTION: Final = 64  # of the stream, in a count, cost as much as one removed message

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import SubjectState


class Purge:
    """Removes what matches `pattern` before `below_seq` (0: all), sparing the newest `keep`."""

    __slots__ = (
        *("_below_seq", "_done", "_high_seq", "_keep", "_low_seq", "_pattern"),
        *("_stream", "_thinning"),
    )

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
        self._thinning = Thinning()
        self._low_seq = self._high_seq = 0  # between them is the first of the newest

    def start(self) -> None:
        """Remove the first slice now, and what is left on later turns."""
        store = self._stream.store
        end = store.last_seq() + 1
        self._below_seq = min(self._below_seq or end, end)
        if self._keep:
            self._low_seq, self._high_seq = store.state().first_seq, end
        self._thinning.begin(store.names(self._pattern))
        self._run()

    def _seek(self) -> bool:
        """Come closer to the sequence from which on no more than `keep` messages match, by as many
        questions as a turn has time for; True when it is found.
        """
        store, end = self._stream.store, self._below_seq
        budget = limits.PURGE_TURN_MSGS
        while self._low_seq < self._high_seq:
            if budget <= 0:
                return False
            middle = (self._low_seq + self._high_seq) // 2
            newest = store.num_pending([self._pattern], middle)
            newest -= store.num_pending([self._pattern], end)  # those came since
            if newest <= self._keep:
                self._high_seq = middle
            else:
                self._low_seq = middle + 1
            budget -= 1 + store.state().num_subjects // _SUBJECTS_A_QUESTION
        self._below_seq, self._keep = self._low_seq, 0
        return True

    def _run(self) -> None:
        try:
            finished = self._remove_slice()
            if finished:
                self._stream.purged_subjects(self._pattern)
        except StoreError as error:
            self._done(error)
            return
        if finished:
            self._done(self._thinning.removed)
        else:
            self._stream.context.clock.call_later(0, self._run)

    def _remove_slice(self) -> bool:
        """Remove some messages; True when there is nothing left to remove."""
        stream = self._stream
        if stream.closed:
            return True
        if self._keep and not self._seek():
            return False
        return bool(self._thinning.take(stream.store, self._is_below, limits.PURGE_TURN_MSGS))

    def _is_below(self, state: SubjectState) -> bool:
        return state.first_seq < self._below_seq
