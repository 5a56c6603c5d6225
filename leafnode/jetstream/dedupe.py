"""The duplicate window: which `Nats-Msg-Id` a stream stored lately, and under which sequence.

Pure: time is a parameter. Bounded in ids; at the bound the oldest id is forgotten and counted.
Truth: nats-server 2.15.1 server/stream.go (checkMsgId, purgeMsgIds).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from leafnode.limits import DEDUPE_EXPIRED_TURN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Known = tuple[int, bytes, int]  # when it was stored, the id, its sequence


class DedupeWindow:
    """Ids of one stream. They outlive the messages they came with."""

    __slots__ = ("_by_id", "_order", "evicted", "ids_max", "window_ns")

    def __init__(self, window_ns: int, ids_max: int) -> None:
        assert ids_max > 0, "a window holds at least one id"
        self.window_ns = window_ns
        self.ids_max = ids_max
        self.evicted = 0  # ids forgotten before their time, for monitoring
        self._by_id: dict[bytes, Known] = {}
        self._order: deque[Known] = deque()  # oldest first

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, msg_id: bytes, now_ns: int) -> int | None:
        """Return the sequence that the id was stored under within the window, or None."""
        self.expire(now_ns)
        known = self._by_id.get(msg_id)
        return None if known is None or self._is_old(known, now_ns) else known[2]

    def _is_old(self, known: Known, now_ns: int) -> bool:
        return known[0] + self.window_ns <= now_ns

    def add(self, msg_id: bytes, seq: int, now_ns: int) -> None:
        """Remember an id that was just stored. Times must not go backward."""
        if len(self._by_id) >= self.ids_max:
            self.evicted += not self._is_old(self._order[0], now_ns)
            self._forget_oldest()
        known = now_ns, msg_id, seq
        self._by_id[msg_id] = known
        self._order.append(known)

    def let_go(self) -> Iterator[None]:
        """Forget everything, an id in each step."""
        while self._order:
            self._forget_oldest()
            yield

    def expire(self, now_ns: int) -> None:
        """Forget what is older than the window: some of it, since very much may be at once."""
        order = self._order
        for _ in range(DEDUPE_EXPIRED_TURN):
            if not order or not self._is_old(order[0], now_ns):
                return
            self._drop(order.popleft())

    def forget_above(self, seq: int) -> tuple[int, bytes] | None:
        """Forget the ids of messages that were never committed; return (sequence, id) of the
        newest that is left.
        """
        while self._order and self._order[-1][2] > seq:
            self._drop(self._order.pop())
        return (self._order[-1][2], self._order[-1][1]) if self._order else None

    def oldest_seq(self) -> int:
        """Return the sequence of the oldest id, 0 where there is none."""
        return self._order[0][2] if self._order else 0

    def among(self, runs: list[Sequence[int]], most: int) -> list[Known]:
        """Return the ids of these sequences, oldest first; of too many the newest. `runs` ascend
        and do not overlap.
        """
        runs = _joined(runs)
        if len(runs) == 1 and isinstance(runs[0], range):  # a purge
            return self._within(runs[0], most)
        starts = [run[0] if run else 0 for run in runs]
        end = max((run[-1] for run in runs if run), default=-1)
        found: list[Known] = []
        for known in reversed(self._order):
            seq = known[2]
            if len(found) == most or (starts and seq < starts[0]):
                break
            if seq <= end and self._by_id.get(known[1]) is known:
                at = bisect_right(starts, seq) - 1
                if at >= 0 and _holds(runs[at], seq):
                    found.append(known)
        found.reverse()
        return found

    def _within(self, run: range, most: int) -> list[Known]:
        """Do what `among` does for sequences in a row, at a tenth of the time."""
        by_id = self._by_id
        near = takewhile(lambda known: known[2] >= run.start, reversed(self._order))
        found = (one for one in near if one[2] < run.stop and by_id.get(one[1]) is one)
        return list(islice(found, most))[::-1]

    def _forget_oldest(self) -> None:
        while self._order and not self._drop(self._order.popleft()):
            pass  # its id came again

    def _drop(self, known: Known) -> bool:
        """Forget one that is not in order any more; False: its id came again since."""
        if self._by_id.get(known[1]) is not known:
            return False
        del self._by_id[known[1]]
        return True


def _joined(runs: list[Sequence[int]]) -> list[Sequence[int]]:
    """Return the runs with ranges that follow each other as one."""
    joined: list[Sequence[int]] = []
    for run in runs:
        last = joined[-1] if joined else None
        if isinstance(run, range) and isinstance(last, range) and last.stop == run.start:
            joined[-1] = range(last.start, run.stop)
        elif run:
            joined.append(run)
    return joined


def _holds(run: Sequence[int], seq: int) -> bool:
    """Say whether an ascending run has a sequence; a list is not gone through for it."""
    at = bisect_left(run, seq)
    return at < len(run) and run[at] == seq
