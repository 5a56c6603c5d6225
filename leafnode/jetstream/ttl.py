"""Messages with a time to live of their own: which are due, and which never age (ADR-43).

Pure: time is a parameter. Holds one entry per stored message with `Nats-TTL`, and not many more for
those that are gone, so it is bounded by the stream. Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.go_time import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEVER: Final = -1
_SECONDS_MAX: Final = 2**63 - 1
_DIGITS_MAX: Final = len(str(_SECONDS_MAX))


def parse_ttl(value: bytes) -> int | None:
    """Return nanoseconds in whole seconds, NEVER, or None for what is no TTL."""
    if value.lower() == b"never":
        return NEVER
    if value.isdigit():
        digits = value.lstrip(b"0") or b"0"
        if len(digits) > _DIGITS_MAX or int(digits) > _SECONDS_MAX:
            return None  # nats-server counts on beyond 64 bits, and takes every other one
        ttl_ns = int(digits) * NS_PER_S
    else:
        ttl_ns = parse_duration(value.decode("latin-1")) or 0
    seconds = ttl_ns // NS_PER_S
    return seconds * NS_PER_S if seconds > 0 else None


class TtlQueue:
    """What of one stream expires by itself. Messages that leave it otherwise are not told of: where
    very many may have, all are looked at once more, some at a time.
    """

    __slots__ = ("_doubtful", "_due", "_never_doubtful", "never")

    def __init__(self) -> None:
        self._due: list[tuple[int, int]] = []  # heap of (time, sequence)
        self._doubtful: list[tuple[int, int]] = []  # another one: those that may be gone
        self.never = array("q")  # sequences that max_age spares, ascending
        self._never_doubtful = 0  # so many of the first of those may be gone

    def add(self, seq: int, ts_ns: int, ttl_ns: int) -> None:
        """Note a stored message with a TTL."""
        if ttl_ns != NEVER:
            heapq.heappush(self._due, (ts_ns + ttl_ns, seq))
        elif not self.is_never(seq):
            insort(self.never, seq)

    def is_never(self, seq: int) -> bool:
        """Say whether max_age spares this message."""
        return self.first_never(seq) == seq

    def first_never(self, from_seq: int) -> int | None:
        """Return the first sequence from that one on which max_age spares, or None."""
        place = bisect_left(self.never, from_seq)
        return self.never[place] if place < len(self.never) else None

    def forget_below(self, seq: int) -> None:
        """Nothing before that one comes back any more."""
        count = bisect_left(self.never, seq)
        del self.never[:count]
        self._never_doubtful = max(0, self._never_doubtful - count)

    def next_ns(self) -> int | None:
        """Return when the first message is due."""
        return min((heap[0][0] for heap in (self._due, self._doubtful) if heap), default=None)

    def take_due(self, now_ns: int, most: int) -> list[int]:
        """Take out sequences that are due, not more; some may have left the stream before."""
        due: list[int] = []
        for heap in (self._due, self._doubtful):
            while len(due) < most and heap and heap[0][0] <= now_ns:
                due.append(heapq.heappop(heap)[1])
        return due

    def let_go(self) -> Iterator[None]:
        """Forget everything, a message in each step."""
        for heap in (self._due, self._doubtful):
            while heap:
                heap.pop()
                yield
        while self.never:
            self.never.pop()
            yield

    def forget_above(self, seq: int) -> None:
        """Forget messages that were never committed."""
        self._due = [one for one in (*self._due, *self._doubtful) if one[1] <= seq]
        self._doubtful = []
        heapq.heapify(self._due)
        del self.never[bisect_right(self.never, seq) :]
        self._never_doubtful = 0

    # --- those that left the stream

    def doubt(self, msgs: int) -> bool:
        """Say whether there are many more than the stream has messages: `sweep` has to look at them
        then, until none is doubtful.
        """
        most = 2 * msgs + limits.TTLS_STALE_MAX
        if not self._doubtful and len(self._due) > most:
            self._doubtful, self._due = self._due, self._doubtful
        if not self._never_doubtful and len(self.never) > most:
            self._never_doubtful = len(self.never)
        return self.is_doubtful

    @property
    def is_doubtful(self) -> bool:
        """Whether there is something to look at."""
        return bool(self._doubtful or self._never_doubtful)

    def sweep(self, lives: Callable[[int], bool | None], most: int) -> list[tuple[int, int]]:
        """Look at so many, newest first, and return which do not live, (time, sequence), forgotten
        now. `lives` says None where it can look at no more for now.
        """
        gone: list[tuple[int, int]] = []
        for _ in range(min(most, len(self._doubtful))):
            lived = lives(self._doubtful[-1][1])
            if lived is None:
                return gone
            one = self._doubtful.pop()  # the last one of a heap
            if lived:
                heapq.heappush(self._due, one)
            else:
                gone.append(one)
        if not self._doubtful:
            gone += self._sweep_never(lives, most)
        return gone

    def _sweep_never(
        self, lives: Callable[[int], bool | None], most: int
    ) -> Iterator[tuple[int, int]]:
        end = self._never_doubtful
        kept: list[int] = []
        while self._never_doubtful and end - self._never_doubtful < most:
            seq = self.never[self._never_doubtful - 1]
            lived = lives(seq)
            if lived is None:
                break
            self._never_doubtful -= 1
            if lived:
                kept.append(seq)
            else:
                yield NEVER, seq
        kept.reverse()
        self.never[self._never_doubtful : end] = array("q", kept)
