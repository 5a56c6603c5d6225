"""Whether the next batch waits a moment for those who were just answered.

Publishers that wait for each PubAck publish again at once. A batch that leaves with the first of
them has the others wait for the commit behind it: they would be in two halves for ever, and two
flushes do what one can. Pure: knows rows and times, not batches or timers.
Truth: tests/unit/store/test_herd.py; docs/measurements.md has what it gains.
"""

from __future__ import annotations

from leafnode.limits import HERD_REST_COMMITS, HERD_ROWS_MAX, HERD_WAIT_MAX_NS


class Herd:
    """What is expected between two commits."""

    __slots__ = ("_rest", "_wanted")

    def __init__(self) -> None:
        self._rest = 0  # commits until it is tried again
        self._wanted = 0  # rows that are to be staged before the next batch leaves; 0: none

    def answered(self, rows: int, staged: int, commit_ns: int) -> int:
        """A commit of so many rows is over, so many are staged: return how long to wait, in ns.

        A wait costs half of what it may save at most, and one in vain is the last for a while.
        """
        self._wanted = 0
        if self._rest:
            self._rest -= 1
            return 0
        wanted = min(staged + rows, HERD_ROWS_MAX)
        if wanted <= max(staged, 1):
            return 0
        wait_ns = min(commit_ns // 2, HERD_WAIT_MAX_NS)
        self._wanted = wanted if wait_ns else 0
        return wait_ns

    def waits(self, staged: int) -> bool:
        """Say whether more than what is staged is waited for."""
        return staged < self._wanted

    def end(self, *, in_vain: bool) -> None:
        """The next batch leaves, with what was waited for or without."""
        self._wanted = 0
        if in_vain:
            self._rest = HERD_REST_COMMITS
