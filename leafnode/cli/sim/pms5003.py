"""A particle sensor PMS5003 in active mode: 32 bytes a second at 9600 baud.

Knows its frame; not the line. Truth: Plantower PMS5003 manual V2.5, appendix I.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from leafnode.cli.sim.sensor import Walk

if TYPE_CHECKING:
    from random import Random

_FRAME: Final = struct.Struct(">2sH12HBB")
_VERSION: Final = 0x97


class Pms5003:
    """Implements Sensor."""

    entry = "preset: pms5003"
    subject = "sim.{port}"
    baud = 9600
    every_s: float | None = 1.0

    def __init__(self, random: Random) -> None:
        self._fine = Walk(random, 1, 60, 1.5)

    def say(self, _: int) -> bytes:
        fine = self._fine.next()
        mass = [round(fine * part) for part in (0.7, 1.0, 1.2)]
        counts = [round(fine * part) for part in (150, 45, 8, 2, 0.8, 0.4)]
        frame = _FRAME.pack(b"BM", 28, *mass, *mass, *counts, _VERSION, 0)
        return frame + sum(frame).to_bytes(2, "big")

    def answer(self, _: bytes, __: int) -> bytes:
        return b""
