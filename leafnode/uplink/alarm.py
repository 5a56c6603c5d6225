"""A timer that is set, moved and cancelled many times.

Knows a clock; not what it wakes. Truth: leafnode/clock.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock, Timer


class Alarm:
    """At most one pending call. Setting it again moves it."""

    __slots__ = ("_callback", "_clock", "_due_ns", "_timer")

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._callback = callback
        self._timer: Timer | None = None
        self._due_ns = 0

    def set(self, delay_ns: int) -> None:
        self.cancel()
        self._due_ns = self._clock.monotonic_ns() + delay_ns
        self._timer = self._clock.call_later(delay_ns, self._ring)

    def hasten(self, delay_ns: int) -> None:
        """Let it ring so soon, if it would ring later."""
        if self.is_set and self._clock.monotonic_ns() + delay_ns < self._due_ns:
            self.set(delay_ns)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def is_set(self) -> bool:
        return self._timer is not None

    def _ring(self) -> None:
        self._timer = None
        self._callback()
