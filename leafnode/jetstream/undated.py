"""The age of messages that are stamped far beyond the time.

A clock that was ahead for a while leaves such a stamp, and what a stream stores after it has the
same one, since its stamps never go back: all of it would stay until that time. So it is noted how
far the stream had come at which time, and what had come by then is so old at least. Truth: ours;
docs/ARCHITECTURE.md, "Time".
"""

from __future__ import annotations

from collections import deque
from typing import Final

from leafnode import limits

_NOTES: Final = 16  # in one max_age: what is removed may be older by that part of it


def is_undated(ts_ns: int, now_ns: int) -> bool:
    """Say whether a stamp says nothing about when it was made."""
    return ts_ns - now_ns > limits.CLOCK_JUMP_NS


class Undated:
    """How far one stream had come, and when. A restart begins anew: nothing is removed early."""

    __slots__ = ("_notes", "_old_seq")

    def __init__(self) -> None:
        self._old_seq = 0  # what comes before and with it is too old
        self._notes: deque[tuple[int, int]] = deque(maxlen=_NOTES + 2)  # time, sequence

    def __len__(self) -> int:
        return len(self._notes)

    def note(self, now_ns: int, last_seq: int, max_age_ns: int) -> int:
        """Note that the stream has come so far by now; return up to where it is too old."""
        notes = self._notes
        while notes and notes[-1][0] > now_ns:  # by a clock that was wrong
            notes.pop()
        if not notes or now_ns - notes[-1][0] >= self.pause_ns(max_age_ns):
            notes.append((now_ns, last_seq))
        while notes and notes[0][0] <= now_ns - max_age_ns:
            self._old_seq = notes.popleft()[1]
        return self._old_seq

    def clear(self) -> None:
        """What came last has a date."""
        self._notes.clear()
        self._old_seq = 0

    @staticmethod
    def pause_ns(max_age_ns: int) -> int:
        """Return how long it is until the next note."""
        return max(max_age_ns // _NOTES, limits.EXPIRY_GRANULARITY_NS)
