"""Columns of sealed segments in memory: the most recently used of all streams, bounded in bytes.

Knows segments and how to have one read; not SQL. Without it, questions about old messages read one
blob (some 60 KiB) for each segment they touch. Truth: docs/store.md, "What a question costs".
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from leafnode.store.segments import BYTES_PER_SLOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.store.segments import Columns, Segment


class ColumnsCache:
    """Least recently used goes first. A segment whose index is not on disk yet is not in here."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._segments: OrderedDict[Segment, int] = OrderedDict()
        self.bytes = 0
        self.reads = 0

    def columns(self, segment: Segment, load: Callable[[Segment], Columns]) -> Columns:
        """Return the segment's columns, loaded if need be."""
        if segment in self._segments:
            self._segments.move_to_end(segment)
        if segment.columns is None:
            self.reads += 1
            segment.columns = load(segment)
            self.keep(segment)
        return segment.columns

    def keep(self, segment: Segment) -> None:
        """Take over a segment whose index is on disk: from now on its columns may be let go."""
        columns = segment.columns
        assert columns is not None
        self.bytes -= self._segments.pop(segment, 0)
        self._segments[segment] = size = len(columns) * BYTES_PER_SLOT
        self.bytes += size
        while self.bytes > self._max_bytes and len(self._segments) > 1:
            oldest, size = self._segments.popitem(last=False)
            self.bytes -= size
            if oldest.stored:  # else they were rewritten since, and the disk has old ones
                oldest.columns = None

    def forget(self, segment: Segment) -> None:
        self.bytes -= self._segments.pop(segment, 0)

    def clear(self) -> None:
        self._segments.clear()
        self.bytes = 0
