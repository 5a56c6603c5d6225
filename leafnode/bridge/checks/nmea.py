"""The check of NMEA 0183: `*hh` behind a sentence, over all between its first mark and the star.

Knows one sentence. Truth: IEC 61162-1; docs/serial/framing.md, "Checks".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.checks.sums import xor8
from leafnode.slices import finish

if TYPE_CHECKING:
    from leafnode.bridge.checks.calculation import Steps

_DIGITS: Final = re.compile(rb"[0-9A-Fa-f]{2}")


class NmeaCheck:
    """Implements Check. Not `required`: a sentence without a star is taken, a wrong one never."""

    size = 3

    def __init__(self, *, required: bool) -> None:
        self._required = required

    def verify(self, frame: bytes, head: int, tail: int) -> int:
        return finish(self.steps(frame, head, tail))

    def steps(self, frame: bytes, head: int, tail: int) -> Steps[int]:
        """Return `verify` in pieces."""
        content = frame[head : len(frame) - tail]
        if not content.startswith((b"$", b"!")):
            return -1
        star = content.find(b"*")
        if star < 0:
            return -1 if self._required else 0
        digits = content[star + 1 : star + 4]
        if star + 3 != len(content) or not _DIGITS.fullmatch(digits):
            return -1
        value = yield from xor8.steps(content[1:star])
        return 3 if value == int(digits, 16) else -1

    def sealed(self, frame: bytes, head: int, tail: int) -> bytes:
        """Return the frame with the right value in its place, whatever stands there."""
        at = len(frame) - tail - self.size
        return frame[:at] + b"*%02X" % xor8(frame[head + 1 : at]) + frame[at + self.size :]
