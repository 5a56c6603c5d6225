"""The continuous output of Toledo scales: three status words, six digits of weight, six of tare.

Knows what stands between STX and the check. Truth: Mettler-Toledo 8530 and IND445 manuals,
Rockwell 57C428 appendix D, Rice Lake 680 section 11.3.4; docs/serial/codecs.md, "Scales".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.reading import BadReading

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields

_SEVEN_BITS: Final = bytes(byte & 0x7F for byte in range(256))
_OUTPUT: Final = re.compile(rb"([\x20-\x7f])([\x20-\x7f])([\x20-\x7f])([ 0-9]{6})([ 0-9]{6})\r?")
# Bits 0 to 2 of status word C; 0 leaves it to word B.
_UNITS: Final = {1: "g", 2: "t", 3: "oz", 4: "ozt", 5: "dwt", 6: "ton", 7: "custom"}
_NET, _NEGATIVE, _OUT_OF_RANGE, _MOTION, _KILOGRAMS = 0x01, 0x02, 0x04, 0x08, 0x10


def decode_toledo(payload: bytes) -> Fields:
    """Return weight, tare, unit and state. Raises BadReading for anything else."""
    match = _OUTPUT.fullmatch(payload.translate(_SEVEN_BITS))
    if match is None or not all(word[0] & 0x20 for word in match.groups()[:3]):
        raise BadReading("is no continuous output of a Toledo scale")
    first, second, third = (word[0] for word in match.groups()[:3])
    places = (first & 0x07) - 2
    out_of_range = bool(second & _OUT_OF_RANGE)
    weight = _scaled(match[4], places)
    if weight is not None and second & _NEGATIVE:
        weight = -weight
    return {
        "weight": None if out_of_range else weight,
        "tare": _scaled(match[5], places),
        "unit": _UNITS.get(third & 0x07, "kg" if second & _KILOGRAMS else "lb"),
        "net": bool(second & _NET),
        "stable": not second & _MOTION,
        "out_of_range": out_of_range,
    }


def _scaled(digits: bytes, places: int) -> int | float | None:
    """Return the number with its decimal point; below zero, places are fixed zeros."""
    text = digits.replace(b" ", b"0") if digits.strip() else b""
    if not text:
        return None
    value = int(text)
    if places > 0:
        return round(value / float(f"1e{places}"), places)
    return value * (1, 10, 100)[-places]
