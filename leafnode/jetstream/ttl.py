"""Messages with a time to live of their own: which are due, and which never age (ADR-43).

Pure: time is a parameter. Holds one entry per stored message with `Nats-TTL`, so it is bounded by
the stream. Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S
from leafnode.go_time import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """What of one stream expires by itself."""

    __slots__ = ("_due", "never")

    def __init__(self) -> None:
        self._due: list[tuple[int, int]] = []  # heap of (time, sequence)
        self.never = array("q")  # sequences that max_age spares, ascending

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
        del self.never[: bisect_left(self.never, seq)]

    def next_ns(self) -> int | None:
        """Return when the first message is due."""
        return self._due[0][0] if self._due else None

    def take_due(self, now_ns: int, most: int) -> list[int]:
        """Take out sequences that are due, not more; some may have left the stream before."""
        due: list[int] = []
        while len(due) < most and self._due and self._due[0][0] <= now_ns:
            due.append(heapq.heappop(self._due)[1])
        return due

    def let_go(self) -> Iterator[None]:
        """Forget everything, a message in each step."""
        while self._due:
            self._due.pop()
            yield
        while self.never:
            self.never.pop()
            yield

    def forget_above(self, seq: int) -> None:
        """Forget messages that were never committed."""
        self._due = [one for one in self._due if one[1] <= seq]
        heapq.heapify(self._due)
        del self.never[bisect_right(self.never, seq) :]
