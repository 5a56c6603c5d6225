"""Subjects of a stream that have no messages any more leave memory and disk, some in each turn.

Not while something is removed that readers still get: it may be of one of them. Knows a stream's
index and its batches; not why messages left. Truth: docs/store.md, "Subjects".
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.slices import in_slices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.store.host import Host
    from leafnode.store.stream import SqliteStream


class Forgetting:
    """Those of one stream, which has this and is not held by it. `is_due`: there may be some."""

    __slots__ = ("_host", "_is_running", "_unseen", "is_due")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._unseen: Iterator[int] | None = None  # that are left to be looked at
        self._is_running = False
        self.is_due = False

    def go_on(self, stream: SqliteStream) -> None:
        """A batch is on disk: look at some of them now and at the others later."""
        if not self._is_running and (self.is_due or self._unseen is not None):
            in_slices(self._host.call_later, self._steps(stream), 1)

    def stop(self) -> None:
        """The stream is as it is on disk: who has no messages there was never forgotten."""
        self.is_due = False
        self._unseen = None

    def _steps(self, stream: SqliteStream) -> Iterator[None]:
        self._is_running = True
        try:
            while self._look_at_some(stream):
                yield
        finally:
            self._is_running = False

    def _look_at_some(self, stream: SqliteStream) -> bool:
        """Look at some; False where there are no more, or not now."""
        committer = self._host.committer
        if committer.failed is not None or stream.is_removing() or not stream.is_readable():
            return False
        if stream.index.going:  # rows of theirs are still there
            return False
        subjects = stream.index.subjects
        if self._unseen is None:
            if not self.is_due:
                return False
            self._unseen, self.is_due = iter(tuple(subjects.by_sid)), False
        some = list(islice(self._unseen, limits.FORGOTTEN_PER_STEP))
        gone = subjects.forget_empty(some)
        if gone:
            committer.batch().change(stream).forget_subjects(gone)
        if len(some) < limits.FORGOTTEN_PER_STEP:
            self._unseen = None
        return True
