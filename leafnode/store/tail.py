"""The newest committed messages of all streams in memory: most readers are at the end.

Knows rows; not subjects' names or SQL. One budget for the whole store, the oldest commit goes
first, so what a stream keeps is always an unbroken run up to its newest. Truth: docs/store.md,
"Reads".
"""

from __future__ import annotations

from collections import deque
from operator import itemgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leafnode.store.rows import Row

ROW_OVERHEAD_BYTES: Final = 256  # tuple, integers and dict entry of one row, rounded up
RUN_ROWS: Final = 64  # what is let go at once
_SEQ: Final = itemgetter(0)  # of a row
_BODY: Final = itemgetter(5)


class Tail:
    """The committed rows of one stream from `first_seq` on, those removed since excepted."""

    __slots__ = ("first_seq", "rows")

    def __init__(self, first_seq: int) -> None:
        self.first_seq = first_seq
        self.rows: dict[int, Row] = {}  # ascending

    def discard(self, seqs: Iterable[int]) -> None:
        for seq in seqs:
            self.rows.pop(seq, None)

    def discard_below(self, seq: int) -> None:
        """Let go of rows below `seq`: one step for each row, however far the sequences moved."""
        gone = []
        for held in self.rows:
            if held >= seq:
                break
            gone.append(held)
        self.discard(gone)

    def forward(
        self, seqs: range, sids: frozenset[int] | None, max_msgs: int, max_bytes: int
    ) -> list[Row]:
        """Return rows of these subjects, ascending, until a bound is reached."""
        rows = self.rows
        wanted: Iterable[Row | None] = (
            map(rows.get, seqs)
            if len(seqs) <= 2 * len(rows)
            else [row for row in rows.values() if row[0] in seqs]
        )
        found: list[Row] = []
        size = 0
        for row in wanted:
            if row is None or (sids is not None and row[1] not in sids):
                continue
            found.append(row)
            size += len(row[5])
            if len(found) >= max_msgs or size >= max_bytes:
                break
        return found

    def last(self, upto_seq: int, from_seq: int, sids: frozenset[int] | None) -> Row | None:
        """Return the newest row of these subjects within both sequences."""
        for seq, row in reversed(self.rows.items()):
            if seq < from_seq:
                return None
            if seq <= upto_seq and (sids is None or row[1] in sids):
                return row
        return None


class TailBudget:
    """The bound over all tails."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._runs: deque[tuple[Tail, int, int, int]] = deque()  # tail, first, last, bytes
        self.bytes = 0

    def add(self, tail: Tail, rows: Sequence[Row]) -> None:
        """Take rows that were committed just now; let the oldest of any stream go for them."""
        tail.rows.update(zip(map(_SEQ, rows), rows, strict=True))
        for start in range(0, len(rows), RUN_ROWS):
            run = rows[start : start + RUN_ROWS]
            size = sum(map(len, map(_BODY, run))) + ROW_OVERHEAD_BYTES * len(run)
            self._runs.append((tail, run[0][0], run[-1][0], size))
            self.bytes += size
        while self.bytes > self._max_bytes:
            self._let_go()

    def _let_go(self) -> None:
        tail, first, last, size = self._runs.popleft()
        self.bytes -= size
        tail.first_seq = max(tail.first_seq, last + 1)
        tail.discard(range(first, last + 1))
