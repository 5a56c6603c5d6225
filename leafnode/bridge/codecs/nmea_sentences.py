"""Which fields the common sentences of NMEA 0183 have, in their order.

Knows names and kinds; no sentence. Truth: IEC 61162-1; gpsd's "NMEA Revealed".
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Kind(Enum):
    """What a field is. A unit that never changes is passed over: it is in the name."""

    NUMBER = auto()
    TEXT = auto()
    TIME = auto()
    DATE = auto()
    ANGLE = auto()  # dddmm.mmmm and N, S, E or W
    SIGNED = auto()  # a number and E or W
    UNIT = auto()
    REPEATED = auto()  # all that follow
    NUMBERS = auto()  # all that follow, numbers with zeros in front, too


_N, _T, _U = Kind.NUMBER, Kind.TEXT, Kind.UNIT
_POSITION: Final = (("latitude", Kind.ANGLE), ("longitude", Kind.ANGLE))
_TIME: Final = ("time", Kind.TIME)

SENTENCES: Final[dict[str, tuple[tuple[str, Kind], ...]]] = {
    "RMC": (
        _TIME,
        ("status", _T),
        *_POSITION,
        ("speed_knots", _N),
        ("course", _N),
        ("date", Kind.DATE),
        ("variation", Kind.SIGNED),
        ("mode", _T),
        ("navigation", _T),
    ),
    "GGA": (
        _TIME,
        *_POSITION,
        ("quality", _N),
        ("satellites", _N),
        ("hdop", _N),
        ("altitude_m", _N),
        ("m", _U),
        ("geoid_m", _N),
        ("m", _U),
        ("dgps_age_s", _N),
        ("dgps_station", _T),
    ),
    "GLL": (*_POSITION, _TIME, ("status", _T), ("mode", _T)),
    "VTG": (
        ("course", _N),
        ("t", _U),
        ("course_magnetic", _N),
        ("m", _U),
        ("speed_knots", _N),
        ("n", _U),
        ("speed_kmh", _N),
        ("k", _U),
        ("mode", _T),
    ),
    "GSA": (
        ("selection", _T),
        ("fix", _N),
        *((f"satellite_{number}", _N) for number in range(1, 13)),
        ("pdop", _N),
        ("hdop", _N),
        ("vdop", _N),
        ("system", _T),
    ),
    "GSV": (("messages", _N), ("message", _N), ("in_view", _N), ("satellites", Kind.NUMBERS)),
    "ZDA": (_TIME, ("day", _N), ("month", _N), ("year", _N), ("zone_h", _N), ("zone_min", _N)),
    "HDT": (("heading", _N), ("t", _U)),
    "HDM": (("heading_magnetic", _N), ("m", _U)),
    "HDG": (
        ("heading_magnetic", _N),
        ("deviation", Kind.SIGNED),
        ("variation", Kind.SIGNED),
    ),
    "ROT": (("rate_of_turn", _N), ("status", _T)),
    "DBT": (
        ("depth_ft", _N),
        ("f", _U),
        ("depth_m", _N),
        ("m", _U),
        ("depth_fathoms", _N),
        ("f", _U),
    ),
    "DPT": (("depth_m", _N), ("offset_m", _N), ("range_m", _N)),
    "MWV": (
        ("wind_angle", _N),
        ("reference", _T),
        ("wind_speed", _N),
        ("wind_unit", _T),
        ("status", _T),
    ),
    "MWD": (
        ("wind_direction", _N),
        ("t", _U),
        ("wind_direction_magnetic", _N),
        ("m", _U),
        ("wind_knots", _N),
        ("n", _U),
        ("wind_ms", _N),
        ("m", _U),
    ),
    "MTW": (("water_c", _N), ("c", _U)),
    "VHW": (
        ("heading", _N),
        ("t", _U),
        ("heading_magnetic", _N),
        ("m", _U),
        ("speed_knots", _N),
        ("n", _U),
        ("speed_kmh", _N),
        ("k", _U),
    ),
    "XDR": (("transducers", Kind.REPEATED),),
}
