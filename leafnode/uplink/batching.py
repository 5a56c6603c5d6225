"""Coalescing: little is kept back until it is worth waking a radio, then all of it goes.

Pure: time is a parameter. Truth: docs/uplink.md, "What may be sent now".
"""

from __future__ import annotations


class Batching:
    """Closed until something has waited `delay_ns` or `size` bytes wait; open until nothing does.

    Delay 0: nothing is waited for, only the size opens.
    """

    __slots__ = ("_delay_ns", "_is_open", "_since_ns", "_size")

    def __init__(self, delay_ns: int, size: int) -> None:
        self._delay_ns = delay_ns
        self._size = size
        self._since_ns: int | None = None  # since when something waits
        self._is_open = False

    def wait_ns(self, now_ns: int, waiting_bytes: int) -> int | None:
        """Return 0: it goes now; else how long it waits, None: until more is there."""
        if self._since_ns is None:
            self._since_ns = now_ns
        waited_ns = now_ns - self._since_ns
        if waiting_bytes >= self._size or (self._delay_ns and waited_ns >= self._delay_ns):
            self._is_open = True
        if self._is_open:
            return 0
        return self._delay_ns - waited_ns if self._delay_ns else None

    def drained(self) -> None:
        """Nothing waits any more."""
        self._is_open = False
        self._since_ns = None
