"""The check of NMEA 0183: `*hh` behind a sentence, over all between its first mark and the star.

Knows one sentence. Truth: IEC 61162-1; docs/serial/framing.md, "Checks".
"""

from __future__ import annotations

import re
from typing import Final

from leafnode.bridge.checks.sums import xor8

_SENTENCE: Final = re.compile(rb"[$!]([^*]*)\*([0-9A-Fa-f]{2})")
_UNCHECKED: Final = re.compile(rb"[$!][^*]*")


class NmeaCheck:
    """Implements Check. Not `required`: a sentence without a star is taken, a wrong one never."""

    size = 3

    def __init__(self, *, required: bool) -> None:
        self._required = required

    def verify(self, frame: bytes, head: int, tail: int) -> int:
        content = frame[head : len(frame) - tail]
        match = _SENTENCE.fullmatch(content)
        if match is None:
            return -1 if self._required or not _UNCHECKED.fullmatch(content) else 0
        return 3 if xor8(match[1]) == int(match[2], 16) else -1

    def sealed(self, frame: bytes, head: int, tail: int) -> bytes:
        """Return the frame with the right value in its place, whatever stands there."""
        at = len(frame) - tail - self.size
        return frame[:at] + b"*%02X" % xor8(frame[head + 1 : at]) + frame[at + self.size :]
