"""Requests about a stream wait, in order, while one of them is at work for several turns.

nats-server does one request of a connection after the other. Knows names of streams and whom to
call; not what is asked. Truth: nats-server 2.15.1 server/jetstream_api.go (apiDispatch).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock


class Lineup:
    """Those of one account."""

    __slots__ = ("_at_work", "_bytes", "_clock", "_lines", "_size")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_work: set[str] = set()
        self._lines: dict[str, deque[tuple[int, Callable[[], None]]]] = {}
        self._size = self._bytes = 0  # of all lines

    def waits(self, stream: str) -> bool:
        """Say whether a request about this stream has to get in line."""
        return stream in self._lines

    def hold(self, stream: str) -> None:
        """One is at work: let those that come wait until `go_on`."""
        self._at_work.add(stream)
        self._lines.setdefault(stream, deque())

    def add(self, stream: str, size: int, go: Callable[[], None]) -> None:
        """Call `go` in its turn; `size` bytes wait with it. Raises StoreBusy."""
        if self._size >= limits.REQUESTS_WAITING_MAX or (
            self._bytes and self._bytes + size > limits.REQUESTS_WAITING_BYTES
        ):
            raise StoreBusy("too many requests wait for one that takes several turns")
        self._lines[stream].append((size, go))
        self._size += 1
        self._bytes += size

    def go_on(self, stream: str) -> None:
        """It is done: the next one has its turn."""
        self._at_work.discard(stream)
        self._next(stream)

    def close(self) -> None:
        """Nobody has a turn any more."""
        self._at_work.clear()
        self._lines.clear()
        self._size = self._bytes = 0

    def _next(self, stream: str) -> None:
        line = self._lines.get(stream)
        if line is None or stream in self._at_work:
            return
        if not line:
            del self._lines[stream]
            return
        size, go = line.popleft()
        self._size -= 1
        self._bytes -= size
        self._clock.call_later(0, partial(self._next, stream))
        go()
