"""The newest message of each pattern that is asked for again and again.

What came since the last question is looked at, not every subject. Of messages as staged: who goes
back to what is on disk begins anew. Knows sequences, not messages. Truth: `StreamStore.newest_of`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Callable


class Newest:
    """Those of one stream."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # By pattern, the most recently asked for last: its newest message, and the stream's end.
        self._known: dict[bytes, tuple[int, int]] = {}

    def of(
        self,
        pattern: bytes,
        last_seq: int,
        *,
        since: Callable[[int], int],
        lives: Callable[[int], bool],
        search: Callable[[], int],
    ) -> int:
        """Return the newest sequence, 0 without any. `since` returns that from some sequence on,
        `search` that of all, which may take long: first it is looked for near the end.
        """
        newest, end = self._known.pop(pattern, (0, -1))
        if end < 0 or last_seq - end > limits.NEWEST_LOOKED_AT:
            newest = since(max(1, last_seq + 1 - limits.NEWEST_NEAR)) or search()
        elif found := since(end + 1):
            newest = found
        elif newest and not lives(newest):
            newest = search()
        self._known[pattern] = newest, last_seq
        while len(self._known) > limits.SUBJECT_FILTERS_MAX:
            del self._known[next(iter(self._known))]
        return newest
