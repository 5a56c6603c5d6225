"""What is known in memory of a sealed segment's subjects, so that its columns stay on disk.

Bits say which subjects it may have, removed rows included; counts how many live rows of each, where
they are few. Knows subject ids, not names or sequences.
Truth: docs/store.md, "What a question costs".
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from leafnode.limits import SUBJECTS_COUNTED_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SUBJECT_BITS: Final = 4096  # of a segment's subjects, by their id
ANY_SUBJECT: Final = -1  # every bit


def subject_bits(sids: Iterable[int]) -> int:
    """Return a bit for each subject id, shared by ids that are `SUBJECT_BITS` apart."""
    bits = bytearray(SUBJECT_BITS // 8)
    for sid in sids:
        bits[sid % SUBJECT_BITS >> 3] |= 1 << (sid & 7)
    return int.from_bytes(bits, "little")


class SubjectCounts:
    """Live rows for each subject id of one segment."""

    __slots__ = ("_msgs", "_sids", "bits")

    def __init__(self, counts: Mapping[int, int]) -> None:
        self.bits = subject_bits(counts)
        # Of many subjects nothing is counted.
        few = sorted(counts) if len(counts) <= SUBJECTS_COUNTED_MAX else None
        self._sids = None if few is None else array("I", few)
        self._msgs = array("H", map(counts.__getitem__, few or ()))

    def drop(self, sid: int) -> None:
        """Count the removal of one row."""
        if self._sids is not None:
            self._msgs[bisect_left(self._sids, sid)] -= 1

    def items(self) -> list[tuple[int, int]] | None:
        """Return ids and their rows; None where they are not counted."""
        if self._sids is None:
            return None
        return [(sid, msgs) for sid, msgs in zip(self._sids, self._msgs, strict=True) if msgs]

    def of(self, wanted: frozenset[int]) -> int | None:
        """Return the rows of these subjects; None where they are not counted."""
        sids = self._sids
        if sids is None:
            return None
        if len(sids) <= len(wanted):
            return sum(msgs for sid, msgs in zip(sids, self._msgs, strict=True) if sid in wanted)
        total = 0
        for sid in wanted:
            slot = bisect_left(sids, sid)
            if slot < len(sids) and sids[slot] == sid:
                total += self._msgs[slot]
        return total
