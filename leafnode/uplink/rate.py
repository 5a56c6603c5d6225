"""How many bytes a second may leave: a token bucket.

Pure: time is a parameter, nothing waits here. Truth: docs/uplink.md, "What may be sent now".
"""

from __future__ import annotations

from leafnode.clock import NS_PER_S


class Rate:
    """At most `bytes_per_s` on average, and what one second allows at once.

    A message larger than that second goes when the bucket is full, and is paid for afterwards.
    """

    __slots__ = ("_at_ns", "_bytes_per_s", "_left")

    def __init__(self, bytes_per_s: int) -> None:
        assert bytes_per_s > 0, "no bound is no Rate"
        self._bytes_per_s = bytes_per_s
        self._left = bytes_per_s * NS_PER_S  # in bytes times nanoseconds: exact
        self._at_ns: int | None = None

    def wait_ns(self, now_ns: int, size: int) -> int:
        """Return how long a message of this size has to wait; 0: it may go."""
        self._refill(now_ns)
        missing = min(size, self._bytes_per_s) * NS_PER_S - self._left
        return max(0, -(-missing // self._bytes_per_s))

    def spend(self, now_ns: int, size: int) -> None:
        self._refill(now_ns)
        self._left -= size * NS_PER_S

    def _refill(self, now_ns: int) -> None:
        if self._at_ns is not None:
            self._left += max(0, now_ns - self._at_ns) * self._bytes_per_s
            self._left = min(self._left, self._bytes_per_s * NS_PER_S)
        self._at_ns = now_ns
