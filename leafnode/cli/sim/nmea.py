"""A GPS receiver on a boat: GGA, RMC and, of its compass, HDT, once a second at 4800 baud.

Knows NMEA 0183 sentences; not the line. Truth: NMEA 0183 4.x, sentences GGA, RMC, HDT.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

from leafnode.cli.sim.sensor import Walk
from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from random import Random


class Nmea:
    """Implements Sensor."""

    entry = "preset: nmea"
    subject = "sim.{port}"
    baud = 4800
    every_s: float | None = 1.0

    def __init__(self, random: Random) -> None:
        self._latitude, self._longitude = 53.54, 9.98
        self._course = Walk(random, 0, 359.9, 4)
        self._knots = Walk(random, 2, 12, 0.4)
        self._satellites = Walk(random, 5, 12, 0.6)

    def say(self, wall_ns: int) -> bytes:
        course, knots = self._course.next(), self._knots.next()
        step = knots / 3600 / 60  # degrees of latitude in a second
        self._latitude += step * math.cos(math.radians(course))
        self._longitude += step * math.sin(math.radians(course)) / math.cos(math.radians(53.5))
        at = datetime.fromtimestamp(wall_ns / NS_PER_S, UTC)
        clock = at.strftime("%H%M%S.00")
        where = f"{_angle(self._latitude, 2, 'NS')},{_angle(self._longitude, 3, 'EW')}"
        used = round(self._satellites.next())
        return b"".join(
            map(
                sentence,
                (
                    f"GPGGA,{clock},{where},1,{used:02d},0.9,12.0,M,45.0,M,,",
                    f"GPRMC,{clock},A,{where},{knots:.1f},{course:.1f},{at:%d%m%y},,,A",
                    f"HEHDT,{course:.1f},T",
                ),
            )
        )

    def answer(self, _: bytes, __: int) -> bytes:
        return b""


def sentence(body: str) -> bytes:
    """Return the sentence with its check."""
    return f"${body}*{reduce(xor, body.encode()):02X}\r\n".encode()


def _angle(degrees: float, digits: int, sides: str) -> str:
    whole, minutes = divmod(abs(degrees) * 60, 60)
    text = f"{minutes:07.4f}"
    if text.startswith("60"):  # rounded up
        whole, text = whole + 1, "00.0000"
    return f"{int(whole):0{digits}d}{text},{sides[degrees < 0]}"
