"""A clock that moves only when told to: timers run in order, nothing sleeps."""

from __future__ import annotations

import heapq
from contextlib import contextmanager
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S, SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.clock import Timer

# Monotonic and wall time start far apart, so that mixing them up fails at once.
MONOTONIC_START_NS = 7_000 * NS_PER_S
WALL_START_NS = 1_800_000_000 * NS_PER_S


class FakeTimer:
    """A pending call of a FakeClock."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock:
    """Implements leafnode.clock.Clock. `advance` runs what becomes due, at its own time."""

    def __init__(self) -> None:
        self._elapsed_ns = 0
        self._wall_offset_ns = 0
        self._order = 0
        self._timers: list[tuple[int, int, FakeTimer]] = []  # a heap, by when and in which order
        self._refuses = False

    def monotonic_ns(self) -> int:
        return MONOTONIC_START_NS + self._elapsed_ns

    def wall_ns(self) -> int:
        return WALL_START_NS + self._elapsed_ns + self._wall_offset_ns

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> FakeTimer:
        assert not self._refuses, "no running event loop"
        self._order += 1
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (self._elapsed_ns + max(0, delay_ns), self._order, timer))
        return timer

    @contextmanager
    def no_timers(self) -> Iterator[None]:
        """Refuse timers, as the clock of a server does in a thread that is not the loop's."""
        self._refuses = True
        try:
            yield
        finally:
            self._refuses = False

    def jump_wall(self, by_ns: int) -> None:
        """Change wall time alone, as NTP does."""
        self._wall_offset_ns += by_ns

    def advance(self, by_ns: int) -> None:
        """Let `by_ns` pass; a timer set by a timer runs too when it is due within."""
        end_ns = self._elapsed_ns + by_ns
        while self._timers and self._timers[0][0] <= end_ns:
            due_ns, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                self._elapsed_ns = max(self._elapsed_ns, due_ns)
                callback, timer.callback = timer.callback, None
                callback()
        self._elapsed_ns = max(self._elapsed_ns, end_ns)  # a callback may let time pass, too

    def turn(self) -> None:
        """Run what is due now, and not what that sets: one turn of a loop."""
        due = sorted(one for one in self._timers if one[0] <= self._elapsed_ns)
        for _, _, timer in due:
            if timer.callback is not None:
                callback, timer.callback = timer.callback, None
                callback()

    def due_in_ns(self) -> int | None:
        """How long it is to the next timer, or None."""
        due = [due_ns for due_ns, _, timer in self._timers if timer.callback is not None]
        return max(0, min(due) - self._elapsed_ns) if due else None

    def pending(self) -> int:
        """How many timers wait; a leak check."""
        return sum(timer.callback is not None for _, _, timer in self._timers)


class SlowClock(FakeClock):
    """For a real loop: what is due at once runs in its next round; deadlines come when the test
    says so.
    """

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:  # type: ignore[override]
        if delay_ns <= 0:
            return SystemClock().call_later(0, callback)
        return super().call_later(delay_ns, callback)
