"""A number over bytes, such as a CRC, that can be calculated piece by piece.

A frame may be a megabyte, and most of these numbers are calculated in Python: no turn of the loop
has the time for that. Knows bytes; not where a check stands in a frame, nor which turn it is.
Truth: docs/serial/framing.md, "Checks".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafnode.bridge.port_bounds import FRAME_STEP_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeVar

    T = TypeVar("T")
    # Work that gives way after each FRAME_STEP_BYTES or so, and returns its result.
    Steps = Generator[None, None, T]


def same(value: int) -> int:
    return value


class Calculation(NamedTuple):
    """What it begins with, what one more piece makes of it, and what the number is at the end."""

    start: int
    add: Callable[[int, bytes], int]
    finish: Callable[[int], int] = same

    def __call__(self, data: bytes) -> int:
        """Return the number over all of it."""
        return self.finish(self.add(self.start, data))

    def steps(self, data: bytes) -> Steps[int]:
        """Return the same in pieces."""
        value = self.add(self.start, data[:FRAME_STEP_BYTES])
        for at in range(FRAME_STEP_BYTES, len(data), FRAME_STEP_BYTES):
            yield
            value = self.add(value, data[at : at + FRAME_STEP_BYTES])
        return self.finish(value)
