"""How long to wait before the next attempt: doubling, bounded, with jitter.

Knows numbers and an injected random source; waits for nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Backoff:
    """Delays for one thing that is tried again and again."""

    __slots__ = ("_first_ns", "_max_ns", "_next_ns", "_random", "attempts")

    def __init__(self, random: Random, *, first_ns: int, max_ns: int) -> None:
        assert 0 < first_ns <= max_ns, "a delay grows from the first to the longest"
        self._random = random
        self._first_ns = first_ns
        self._max_ns = max_ns
        self._next_ns = first_ns
        self.attempts = 0  # since the last reset

    def delay_ns(self) -> int:
        """Return the next delay: between half of it and all of it, so that a fleet spreads out."""
        delay = self._next_ns
        self._next_ns = min(delay * 2, self._max_ns)
        self.attempts += 1
        return self._random.randint(delay // 2, delay)

    def reset(self) -> None:
        """Start over: the attempt succeeded."""
        self._next_ns = self._first_ns
        self.attempts = 0
