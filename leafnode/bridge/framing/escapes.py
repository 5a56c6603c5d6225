"""Taking escapes out of a frame: a mark, and behind it a byte that stands for another.

In steps: a frame may be a megabyte of escapes. Knows bytes; not where a frame begins and ends.
Truth: docs/serial/framing.md; RFC 1055; RFC 1662, section 4.2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from leafnode.bridge.port_bounds import FRAME_STEP_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.bridge.checks.calculation import Steps


class Escape:
    """`plain` says what stands behind the mark, and what it means; anything else is wrong."""

    def __init__(self, mark: int, plain: Mapping[int, int]) -> None:
        self._mark = bytes((mark,))
        self._pair = re.compile(re.escape(self._mark) + b"(.)", re.DOTALL)
        self._plain = {bytes((one,)): bytes((other,)) for one, other in plain.items()}

    def removed(self, encoded: bytes) -> Steps[bytes | None]:
        """Return the bytes without escapes, or None where one is wrong or has no second byte."""
        if self._mark not in encoded:
            return encoded
        decoded = bytearray()
        at = 0
        while at < len(encoded):
            if at:
                yield
            end = at + FRAME_STEP_BYTES
            piece = encoded[at:end]
            marks = len(piece) - len(piece.rstrip(self._mark))
            if marks % 2:  # the last one begins a pair, which stays in one piece
                if end >= len(encoded):
                    return None
                piece = encoded[at : end + 1]
            if not self._plain.keys() >= {*self._pair.findall(piece)}:
                return None
            decoded += self._pair.sub(lambda pair: self._plain[pair[1]], piece)
            at += len(piece)
        return bytes(decoded)
