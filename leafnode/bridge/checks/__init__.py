"""Checks: whether a frame came as it was sent.

A check is asked with the whole frame and the sizes of the marks at its ends. To add one that is a
number: a calculation, a row in SUMS, a word in config/serial_check.py, a test, a row in
docs/serial/framing.md. Knows nothing of ports and framings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from leafnode.bridge.checks import sums
from leafnode.bridge.checks.crc import crc
from leafnode.bridge.checks.nmea import NmeaCheck
from leafnode.bridge.checks.place import PlacedCheck

if TYPE_CHECKING:
    from leafnode.bridge.checks.calculation import Calculation, Steps
    from leafnode.config.serial_stage_options import CheckOptions


class Check(Protocol):
    """Judges one frame."""

    def verify(self, frame: bytes, head: int, tail: int) -> int:
        """Return how many bytes at the end of the content are the check's, or -1 where it is wrong.

        `head` and `tail` are the sizes of what stands before and behind the content.
        """
        ...

    def steps(self, frame: bytes, head: int, tail: int) -> Steps[int]:
        """Return the same as work that gives way after each FRAME_STEP_BYTES."""
        ...

    @property
    def size(self) -> int:
        """Return how many bytes of a frame the value takes."""
        ...

    def sealed(self, frame: bytes, head: int, tail: int) -> bytes:
        """Return the frame with the right value in its place, whatever stands there."""
        ...


SUMS: Final[dict[str, tuple[Calculation, int]]] = {
    "xor8": (sums.xor8, 8),
    "sum8": (sums.sum8, 8),
    "sum16": (sums.sum16, 16),
    "twos8": (sums.twos8, 8),
    "ones8": (sums.ones8, 8),
    "twos7": (sums.twos7, 7),
    "lrc": (sums.twos8, 8),
}


def new_check(options: CheckOptions) -> Check | None:
    """Return the check of a port, or None where it has none."""
    if options.type == "none":
        return None
    if options.type == "nmea":
        return NmeaCheck(required=options.required)
    if options.crc is not None:
        return PlacedCheck(crc(options.crc), options.crc.width, options)
    calculate, width = SUMS[options.type]
    return PlacedCheck(calculate, width, options)
