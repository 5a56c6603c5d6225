"""What is known in memory of a sealed segment's subjects, so that its columns stay on disk.

Bits say which subjects it may have, removed rows included; counts how many live rows of each, where
they are few, else of those that have many. Knows subject ids, not names or sequences.
Truth: docs/store.md, "What a question costs".
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from leafnode.limits import LISTS_COUNTED_MAX, SUBJECT_ROWS_COUNTED, SUBJECTS_COUNTED_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Patterns = tuple[bytes, ...]

SUBJECT_BITS: Final = 4096  # of a segment's subjects, by their id
ANY_SUBJECT: Final = -1  # every bit


def subject_bits(sids: Iterable[int]) -> int:
    """Return a bit for each subject id, shared by ids that are `SUBJECT_BITS` apart."""
    bits = bytearray(SUBJECT_BITS // 8)
    for sid in sids:
        bits[sid % SUBJECT_BITS >> 3] |= 1 << (sid & 7)
    return int.from_bytes(bits, "little")


class SubjectCounts:
    """Live rows for each subject id of one segment; where it has many, of those with most rows, and
    of lists of patterns that were asked for last.
    """

    __slots__ = ("_is_whole", "_lists", "_msgs", "_sids", "bits")

    def __init__(self, counts: Mapping[int, int]) -> None:
        self.bits = subject_bits(counts)
        self._is_whole = len(counts) <= SUBJECTS_COUNTED_MAX
        least = 0 if self._is_whole else SUBJECT_ROWS_COUNTED
        counted = sorted(sid for sid, msgs in counts.items() if msgs >= least)
        self._sids = array("I", counted)
        self._msgs = array("H", map(counts.__getitem__, counted))
        # No subject that comes later has rows in a sealed segment: these stay right.
        self._lists: dict[Patterns, tuple[frozenset[int], int]] = {}

    def learn(self, sid: int, msgs: int) -> bool:
        """Count one more from now on, which has so many rows; False: there is no room."""
        if len(self._sids) >= SUBJECTS_COUNTED_MAX:
            return False
        slot = bisect_left(self._sids, sid)
        self._sids.insert(slot, sid)
        self._msgs.insert(slot, msgs)
        return True

    def learn_list(self, patterns: Patterns, sids: frozenset[int], msgs: int) -> None:
        """Count rows of these patterns, which stand for these ids, from now on."""
        if len(self._lists) >= LISTS_COUNTED_MAX:
            del self._lists[next(iter(self._lists))]
        self._lists[patterns] = sids, msgs

    def of_list(self, patterns: Patterns) -> int | None:
        """Return the rows of these patterns; None where they are not counted."""
        known = self._lists.get(patterns)
        return None if known is None else known[1]

    def drop(self, sid: int, rows: int = 1) -> None:
        """Count the removal of so many rows."""
        slot = self._slot(sid)
        if slot >= 0:
            self._msgs[slot] -= rows
        for patterns, (sids, msgs) in self._lists.items():
            if sid in sids:
                self._lists[patterns] = sids, msgs - rows

    def items(self) -> list[tuple[int, int]] | None:
        """Return ids and their rows; None where not all are counted."""
        if not self._is_whole:
            return None
        return [(sid, msgs) for sid, msgs in zip(self._sids, self._msgs, strict=True) if msgs]

    def of(self, wanted: frozenset[int]) -> int | None:
        """Return the rows of these subjects; None where they are not counted."""
        sids = self._sids
        if self._is_whole and len(sids) <= len(wanted):
            return sum(msgs for sid, msgs in zip(sids, self._msgs, strict=True) if sid in wanted)
        total = 0
        for sid in wanted:
            slot = self._slot(sid)
            if slot >= 0:
                total += self._msgs[slot]
            elif not self._is_whole:
                return None
        return total

    def _slot(self, sid: int) -> int:
        slot = bisect_left(self._sids, sid)
        return slot if slot < len(self._sids) and self._sids[slot] == sid else -1
