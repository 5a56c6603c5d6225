"""`check` of a serial port: names and parameters, and what must hold together.

Knows checks by their options; not how they are calculated. Truth: docs/serial/framing.md, "Checks".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from leafnode import limits
from leafnode.config import convert
from leafnode.config.crc_catalog import ALIASES, CATALOG, CrcOptions
from leafnode.config.octets import pattern_of
from leafnode.config.place import Row
from leafnode.config.serial_stage_options import CheckOptions
from leafnode.config.variant import TYPE, variant

if TYPE_CHECKING:
    from leafnode.config.place import Given, Place
    from leafnode.config.serial_stage_options import FramingOptions

SUM_BITS: Final = {
    "xor8": 8,
    "sum8": 8,
    "sum16": 16,
    "twos8": 8,
    "ones8": 8,
    "twos7": 7,
    "lrc": 8,
}
_WIDTHS: Final = {"crc8": 8, "crc16": 16, "crc32": 32}
_OFFSET: Final = convert.number(-limits.MIB, limits.MIB, "an offset")


def check(place: Place) -> CheckOptions:
    given = variant(place, TABLES)
    values = given.values
    crc = _crc(given)
    if crc is not None:
        values["crc"] = crc
    if values[TYPE] not in {"none", "nmea"}:
        values.setdefault("form", "little" if crc is not None and crc.reflect_out else "big")
    return CheckOptions(**values)


def with_framing(options: CheckOptions, framing: FramingOptions, place: Place) -> CheckOptions:
    """Return the check with its place in this framing's frames. Raises where it has none."""
    if options.type in {"none", "nmea"}:
        return options
    if options.at is None and framing.after_end:
        options = replace(options, at=-framing.after_end)
    size = size_of(options)
    if options.at is not None and -size < options.at < 0:
        raise place.error(f"expected room for the {size} bytes of the value: at {-size} or before")
    return options


def size_of(options: CheckOptions) -> int:
    """Return how many bytes of a frame the value takes."""
    bits = options.crc.width if options.crc is not None else SUM_BITS[options.type]
    if options.form == "hex":
        return (bits + 7) // 8 * 2
    if options.form == "decimal":
        return len(str((1 << bits) - 1))
    return (bits + 7) // 8


def _crc(given: Given) -> CrcOptions | None:
    """Return the CRC that is meant: by its name, or by its parameters."""
    values, name = given.values, given.values[TYPE]
    told: dict[str, Any] = {key: values.pop(key) for key in _PARAMETERS if key in values}
    if not told and name in ALIASES:
        name = ALIASES[name]
    if name in CATALOG:
        return CATALOG[name][0]
    if name not in _WIDTHS:
        return None
    if "poly" not in told:
        where = next((given.places[key] for key in told), given.place)
        raise where.error(f"expected poly, the polynomial of this {name}, or the name of a CRC")
    reflect = told.pop("reflect", False)
    return CrcOptions(_WIDTHS[name], **{"reflect_in": reflect, "reflect_out": reflect, **told})


_PARAMETERS: Final = ("poly", "init", "reflect", "reflect_in", "reflect_out", "xor_out")
_PLACE: Final = (
    Row(("form",), "form", convert.one_of("big", "little", "hex", "decimal")),
    Row(("at",), "at", _OFFSET),
    Row(("from",), "over_from", _OFFSET),
    Row(("to",), "over_to", _OFFSET),
    Row(("over_hex",), "over_hex", convert.boolean),
)


def _parameters(bits: int) -> tuple[Row, ...]:
    return (
        *_PLACE,
        Row(("poly",), "poly", pattern_of(bits)),
        Row(("init",), "init", pattern_of(bits)),
        Row(("reflect",), "reflect", convert.boolean),
        Row(("reflect_in",), "reflect_in", convert.boolean),
        Row(("reflect_out",), "reflect_out", convert.boolean),
        Row(("xor_out",), "xor_out", pattern_of(bits)),
    )


TABLES: Final[dict[str, tuple[Row, ...]]] = {
    "none": (),
    **dict.fromkeys(SUM_BITS, _PLACE),
    **dict.fromkeys(CATALOG, _PLACE),
    **dict.fromkeys(ALIASES, _PLACE),
    **{name: _parameters(bits) for name, bits in _WIDTHS.items()},
    "nmea": (Row(("required",), "required", convert.boolean),),
}
