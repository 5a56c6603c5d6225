"""What a simulated sensor is, and the values that they measure.

Knows no line and no time: both are parameters. Truth: docs/serial/sim.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from random import Random


class Sensor(Protocol):
    """Something at the other end of a line."""

    entry: str  # what a port's entry says beside its name, device and subject
    subject: str  # a template of subjects that fits it
    baud: int
    every_s: float | None  # it speaks by itself this often; None: it answers only

    def say(self, wall_ns: int, /) -> bytes:
        """Return what it says by itself now."""
        ...

    def answer(self, data: bytes, now_ns: int, /) -> bytes:
        """Take what came and return what it says to that."""
        ...


class Walk:
    """A value that goes up and down by small steps between two bounds."""

    def __init__(self, random: Random, low: float, high: float, step: float) -> None:
        self._random = random
        self._low, self._high, self._step = low, high, step
        self.value = random.uniform(low, high)

    def next(self) -> float:
        moved = self.value + self._random.uniform(-self._step, self._step)
        self.value = min(max(moved, self._low), self._high)
        return self.value
