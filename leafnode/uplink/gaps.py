"""What is missing of a stretch of sequences, as it is cut away piece by piece.

Pure. A search of the hub's stream cuts some ten thousand times, so no question goes through all
that is left; a window has what others were given in its place.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heapify, heappop, heappush
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_START: Final = itemgetter(0)
_END: Final = itemgetter(1)


class Gap(NamedTuple):
    """Both are in it."""

    start: int
    end: int


class Gaps:
    """Ascending, apart from each other."""

    __slots__ = ("_after", "_gaps", "_widest")

    def __init__(self, start: int, end: int) -> None:
        self._gaps = [Gap(start, end)] if start <= end else []
        self._after = 0
        self._widest: list[tuple[int, Gap]] = []  # a heap; what was cut since may be in it
        self._fill()

    def __bool__(self) -> bool:
        return bool(self._gaps)

    def __len__(self) -> int:
        return len(self._gaps)

    def __contains__(self, seq: int) -> bool:
        at = bisect_left(self._gaps, seq, key=_END)
        return at < len(self._gaps) and self._gaps[at].start <= seq

    def __iter__(self) -> Iterator[Gap]:
        return iter(self._gaps)

    @property
    def first(self) -> Gap:
        return self._gaps[0]

    @property
    def last(self) -> Gap:
        return self._gaps[-1]

    def add(self, start: int, end: int) -> None:
        """One more, behind all others."""
        assert not self._gaps or self.last.end < start, "they ascend"
        if start <= end:
            self._gaps.append(Gap(start, end))
            self._push(self.last)

    def cut(self, first: int, last: int) -> None:
        """Nothing more is to be asked of this stretch."""
        low = bisect_left(self._gaps, first, key=_END)
        high = bisect_right(self._gaps, last, key=_START)
        if low >= high or first > last:
            return
        before = Gap(self._gaps[low].start, first - 1)
        behind = Gap(last + 1, self._gaps[high - 1].end)
        left = [gap for gap in (before, behind) if gap.start <= gap.end]
        self._gaps[low:high] = left
        for gap in left:
            self._push(gap)

    def has_some(self, after: int) -> bool:
        """Say whether one is left that begins behind it."""
        return bool(self._gaps) and self._gaps[-1].start > after

    def widest(self, after: int) -> Gap:
        """Return the widest that begins behind `after`; there is one."""
        if after < self._after:
            self._after = after
            self._fill()
        self._after = after
        while True:
            _, gap = self._widest[0]
            at = bisect_left(self._gaps, gap)
            if gap.start > after and self._gaps[at : at + 1] == [gap]:
                return gap
            heappop(self._widest)

    def _fill(self) -> None:
        self._widest = [(gap.start - gap.end, gap) for gap in self._gaps]
        heapify(self._widest)

    def _push(self, gap: Gap) -> None:
        if gap.start > self._after:
            heappush(self._widest, (gap.start - gap.end, gap))
