"""A set of sequences as a few ranges: what the hub has of a stream that is sent newest first.

Pure. Truth: docs/uplink.md, "Newest first".
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DIGITS_MAX = 20  # 2^64


class Ranges:
    """Disjoint, ascending, never touching each other; both ends are in it."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self.update(ranges)

    def __len__(self) -> int:
        """How many ranges."""
        return len(self._firsts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._firsts, self._lasts, strict=True))

    def __contains__(self, seq: int) -> bool:
        return self.covers(seq, seq)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def add(self, first: int, last: int) -> None:
        """Add all from `first` to `last`; nothing when that is before it."""
        if last < first:
            return
        first, last = self.take(first, last)
        at = bisect_right(self._firsts, first)
        self._firsts.insert(at, first)
        self._lasts.insert(at, last)

    def take(self, first: int, last: int) -> tuple[int, int]:
        """Take out what overlaps or touches these; return from where to where all of it goes."""
        near = self._near(first, last)
        if near.start < near.stop:
            first = min(first, self._firsts[near.start])
            last = max(last, self._lasts[near.stop - 1])
            del self._firsts[near], self._lasts[near]
        return first, last

    def touches(self, first: int, last: int) -> bool:
        """Say whether anything in it overlaps these, or is next to them."""
        near = self._near(first, last)
        return near.start < near.stop

    def covers(self, first: int, last: int) -> bool:
        """Say whether all of these are in it."""
        at = bisect_right(self._firsts, first) - 1
        return at >= 0 and last <= self._lasts[at]

    def _near(self, first: int, last: int) -> slice[int, int, None]:
        return slice(bisect_right(self._lasts, first - 2), bisect_right(self._firsts, last + 1))

    def update(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Add all of these."""
        for first, last in ranges:
            self.add(first, last)

    def floor(self) -> int:
        """Return up to where everything from 1 on is in it."""
        return self._lasts[0] if self._firsts and self._firsts[0] <= 1 else 0

    def top(self) -> int:
        """Return the highest; 0: there is none."""
        return self._lasts[-1] if self._lasts else 0

    def count(self, first: int, last: int) -> int:
        """Return how many from `first` to `last` are in it."""
        return sum(max(0, min(last, end) - max(first, start) + 1) for start, end in self)

    def gap_below(self, seq: int) -> tuple[int, int] | None:
        """Return the highest gap that has nothing above `seq`, from 1 on; None: there is none."""
        at = bisect_right(self._firsts, seq) - 1
        top = seq
        if at >= 0 and seq <= self._lasts[at]:
            top = self._firsts[at] - 1
            at -= 1
        bottom = self._lasts[at] + 1 if at >= 0 else 1
        return (bottom, top) if bottom <= top else None

    def text(self, end: int) -> bytes:
        """Write what of it is up to `end`: the first range and the highest, as many as are read."""
        words = [b"%d-%d" % (one, min(last, end)) for one, last in self if one <= end]
        del words[1 : 1 - limits.UPLINK_RANGES_READ_MAX]
        return b",".join(words)


def parse(text: bytes, most: int = limits.UPLINK_RANGES_READ_MAX) -> Ranges | None:
    """Read what `text` wrote; None: it is something else, or more than `most` ranges."""
    words = text.split(b",")
    if len(words) > most:
        return None
    found = Ranges()
    for word in words:
        first, dash, last = word.partition(b"-")
        numbers = (first, last)
        if not dash or not all(one.isdigit() and len(one) <= _DIGITS_MAX for one in numbers):
            return None
        if not 0 < int(first) <= int(last):
            return None
        found.add(int(first), int(last))
    return found
