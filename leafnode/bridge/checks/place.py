"""Where the value of a check stands in a frame, in which form, and over which bytes it goes.

Knows positions and forms; not what is calculated. Truth: docs/serial/framing.md, "Checks".
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final

from leafnode.slices import finish

if TYPE_CHECKING:
    from leafnode.bridge.checks.calculation import Calculation, Steps
    from leafnode.config.serial_stage_options import CheckOptions

_HEX: Final = re.compile(rb"[0-9A-Fa-f]+")
_DECIMAL: Final = re.compile(rb"[0-9]+")


def size_of(form: str, width: int) -> int:
    """Return how many bytes of a frame a value of so many bits takes in this form."""
    if form == "hex":
        return (width + 7) // 8 * 2
    if form == "decimal":
        return len(str((1 << width) - 1))
    return (width + 7) // 8


class PlacedCheck:
    """Implements Check for a number that is calculated over a range of bytes."""

    def __init__(self, calculate: Calculation, width: int, options: CheckOptions) -> None:
        self._calculate = calculate
        self._form = options.form
        self._size = size_of(options.form, width)
        self._at = options.at
        self._from = options.over_from
        self._to = options.over_to
        self._hex = options.over_hex

    def verify(self, frame: bytes, head: int, tail: int) -> int:
        return finish(self.steps(frame, head, tail))

    def steps(self, frame: bytes, head: int, tail: int) -> Steps[int]:
        """Return `verify` in pieces."""
        size = len(frame)
        content_end = size - tail
        at = content_end - self._size if self._at is None else _index(self._at, size)
        begin = head if self._from is None else _index(self._from, size)
        end = at if self._to is None else _index(self._to, size)
        if at < 0 or at + self._size > size or not 0 <= begin <= end <= size:
            return -1
        covered: bytes | None = frame[begin:end]
        if self._hex:
            covered = _unhexed(frame[begin:end])
        if covered is None:
            return -1
        value = yield from self._calculate.steps(covered)
        if self._value(frame[at : at + self._size]) != value:
            return -1
        return self._size if at + self._size == content_end else 0

    @property
    def size(self) -> int:
        """Return how many bytes of a frame the value takes."""
        return self._size

    def sealed(self, frame: bytes, head: int, tail: int) -> bytes:
        """Return the frame with the right value in its place, whatever stands there."""
        size = len(frame)
        at = size - tail - self._size if self._at is None else _index(self._at, size)
        begin = head if self._from is None else _index(self._from, size)
        end = at if self._to is None else _index(self._to, size)
        covered: bytes | None = frame[begin:end]
        if self._hex:
            covered = _unhexed(frame[begin:end])
        if covered is None:
            return frame  # nothing that has a check: whoever gets it says so
        value = self._written(self._calculate(covered))
        return frame[:at] + value + frame[at + self._size :]

    def _written(self, value: int) -> bytes:
        if self._form == "hex":
            return b"%0*X" % (self._size, value)
        if self._form == "decimal":
            return b"%0*d" % (self._size, value)
        return value.to_bytes(self._size, "big" if self._form == "big" else "little")

    def _value(self, digits: bytes) -> int:
        """Return the number that stands there, or -1 where none does."""
        if self._form == "hex":
            return int(digits, 16) if _HEX.fullmatch(digits) else -1
        if self._form == "decimal":
            return int(digits) if _DECIMAL.fullmatch(digits) else -1
        return int.from_bytes(digits, "big" if self._form == "big" else "little")


def _index(offset: int, size: int) -> int:
    return offset + size if offset < 0 else offset


def _unhexed(digits: bytes) -> bytes | None:
    try:
        return binascii.unhexlify(digits)
    except binascii.Error:
        return None
