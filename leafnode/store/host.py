"""What a stream on disk needs of the store that it is in.

Knows types only. Truth: leafnode/store/sqlite.py, which is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.errors import StoreCorrupt
    from leafnode.store.commit import Committer
    from leafnode.store.hot import HotBudget
    from leafnode.store.reader import ReadRequest, ReadResult
    from leafnode.store.segments import Segment
    from leafnode.store.stream import SqliteStream
    from leafnode.store.tail import TailBudget


class Host(Protocol):
    """What a stream needs of its store."""

    committer: Committer
    tails: TailBudget
    hot: HotBudget
    call_later: Callable[[int, Callable[[], None]], object]

    def ask(self, request: ReadRequest, done: Callable[[ReadResult], None]) -> None:
        """Have the reader's thread do it, until it succeeds. Raises StoreBusy, and StoreFailed once
        the store closes.
        """
        ...

    def ask_further(self, request: ReadRequest, done: Callable[[ReadResult], None]) -> None:
        """Ask for the rest of a read that was let in already; dropped once the store closes."""
        ...

    def damaged(self, stream: SqliteStream, problem: StoreCorrupt) -> None: ...

    def forget(self, segment: Segment) -> None:
        """Its columns are of no more use to the cache, or not on disk."""
        ...
