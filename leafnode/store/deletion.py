"""Streams on their way out: seen by nobody from one commit on, and taken apart in those behind it.

One transaction that drops the tables of ten million messages keeps all other streams waiting for
seconds. So a large stream gets a name that nobody else can have, and then a few tables go at a
time. What a crash or a failure leaves of it goes on when the store is read again. Knows the
committer and statements; not who deletes. Truth: docs/store.md, "Deleting a stream".
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreCorrupt, StoreError
from leafnode.store import writes
from leafnode.store.api import deleted_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leafnode.clock import Clock, Timer
    from leafnode.store.commit import Committer
    from leafnode.store.stream import SqliteStream

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Going:
    """What is left of one stream."""

    stream: SqliteStream
    segments: list[int] = field(default_factory=list)
    subjects: int = 0


class Deletions:
    """The deletions of one store. `soon` gets a job to the loop, from any thread: the store is
    opened in one that has no timers.
    """

    def __init__(
        self, clock: Clock, soon: Callable[[Callable[[], None]], object], committer: Committer
    ) -> None:
        self._clock = clock
        self._soon = soon
        self._committer = committer
        self._waiting: list[_Going] = []
        self._others: Sequence[SqliteStream] = ()
        self._timer: Timer | None = None
        self._closed = False
        self._given_up: set[int] = set()  # damaged; the next start tries again

    def begin(self, stream: SqliteStream, created_ns: int, config: bytes) -> None:
        """Stage that a stream is gone. Raises StoreFailed with nothing changed."""
        batch = self._committer.batch()
        going = _going(stream)
        few_segments = len(going.segments) <= limits.DELETE_SEGMENTS
        if few_segments and going.subjects <= limits.DELETE_SUBJECTS:
            self._step(_Going(stream))  # all of it
            return
        stream.name = deleted_name(stream.name, stream.id)
        batch.rename(stream, created_ns, config)
        batch.execute(stream.id, writes.DELETE_CONSUMERS, (stream.id,))
        self._after_commit(going)

    def resume(self, deleted: Sequence[SqliteStream], others: Sequence[SqliteStream]) -> None:
        """Go on with what was begun, in a while: these were found on disk, and nothing else is
        under way. Of the others some tables are nobody's any more.
        """
        self._waiting = [_going(one) for one in deleted]
        self._others = others
        if self._waiting or others:
            self._soon(self._wait)

    def _wait(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = self._clock.call_later(limits.STORE_RETRY_NS, self._resume)

    def close(self) -> None:
        """Stage nothing more; the next start goes on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _resume(self) -> None:
        self._timer = None
        if self._committer.failed is not None:
            return  # the store is read again, which resumes
        waiting, self._waiting = self._waiting, []
        for going in waiting:
            if going.stream.id not in self._given_up:  # which was found out since
                self._step(going)
        for stream in self._others:
            stream.drop_some()
        self._others = ()

    def _after_commit(self, going: _Going) -> None:
        self._committer.after_commit(partial(self._committed, going))

    def _committed(self, going: _Going, error: StoreError | None) -> None:
        if isinstance(error, StoreCorrupt):
            self._given_up.add(going.stream.id)
            log.error(
                "What is left of a deleted stream cannot be deleted: account=%s stream=%s",
                *(going.stream.account, going.stream.name),
            )
        elif error is None and not self._closed and self._committer.failed is None:
            self._step(going)

    def _step(self, going: _Going) -> None:
        batch, stream = self._committer.batch(), going.stream
        if going.segments:
            part = going.segments[: limits.DELETE_SEGMENTS]
            del going.segments[: limits.DELETE_SEGMENTS]
            batch.add(stream.id, partial(writes.drop_segments, stream_id=stream.id, nos=part))
            self._after_commit(going)
        elif going.subjects > 0:
            going.subjects -= limits.DELETE_SUBJECTS
            row = (stream.id, limits.DELETE_SUBJECTS)
            batch.execute(stream.id, writes.DELETE_SOME_SUBJECTS, row)
            self._after_commit(going)
        else:
            batch.deleted.append(stream)
            batch.add(stream.id, partial(writes.delete_stream, stream_id=stream.id))


def _going(stream: SqliteStream) -> _Going:
    """Return what there is of a stream; of a damaged one it is not known, so all goes at once."""
    if stream.damage() is not None:
        return _Going(stream)
    index = stream.index
    nos, index.going = [*index.going, *(one.no for one in index.segments)], []
    return _Going(stream, nos, len(index.subjects.by_sid))
