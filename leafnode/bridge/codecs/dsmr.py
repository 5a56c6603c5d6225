"""Telegrams of Dutch and Belgian smart meters (DSMR, ESMR, P1): one object for each.

Knows what stands between `/` and `!`. A code that is not in the table keeps its code as its name.
Truth: "P1 Companion Standard" 5.0.2, section 6.12; IEC 62056-21; docs/serial/codecs.md, "Smart
meters".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.codecs.typed import number
from leafnode.bridge.reading import BadReading
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields

_LINE: Final = re.compile(r"([0-9]{1,3}-[0-9]{1,3}:[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})([^\r\n]*)")
_GROUP: Final = re.compile(r"\(([^()]*)\)")
_TIME: Final = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([WS]?)")
_MBUS: Final = re.compile(r"0-([1-9]):(24\.2\.[13]|24\.3\.0|24\.1\.0|96\.1\.[01]|24\.4\.0)")
_MBUS_NAMES: Final = {"24.1.0": "type", "96.1.0": "id", "96.1.1": "id", "24.4.0": "valve"}
_OFFSETS: Final = {"W": "+01:00", "S": "+02:00", "": ""}
_NAMES: Final = {
    "1-3:0.2.8": "version",
    "0-0:96.1.1": "meter",
    "0-0:96.14.0": "tariff",
    "1-0:1.7.0": "power_import",
    "1-0:2.7.0": "power_export",
    "1-0:1.8.0": "energy_import",
    "1-0:2.8.0": "energy_export",
    "1-0:1.8.1": "energy_import_1",
    "1-0:1.8.2": "energy_import_2",
    "1-0:2.8.1": "energy_export_1",
    "1-0:2.8.2": "energy_export_2",
    "0-0:96.7.21": "failures",
    "0-0:96.7.9": "long_failures",
    "0-0:96.13.0": "message",
    "0-0:96.13.1": "message_code",
    **{f"1-0:{32 + 20 * phase}.7.0": f"voltage_l{phase + 1}" for phase in range(3)},
    **{f"1-0:{31 + 20 * phase}.7.0": f"current_l{phase + 1}" for phase in range(3)},
    **{f"1-0:{21 + 20 * phase}.7.0": f"power_import_l{phase + 1}" for phase in range(3)},
    **{f"1-0:{22 + 20 * phase}.7.0": f"power_export_l{phase + 1}" for phase in range(3)},
    **{f"1-0:{32 + 20 * phase}.32.0": f"sags_l{phase + 1}" for phase in range(3)},
    **{f"1-0:{32 + 20 * phase}.36.0": f"swells_l{phase + 1}" for phase in range(3)},
}
_TEXTS: Final = frozenset({"version", "meter", "tariff", "message", "message_code"})


def decode_dsmr(payload: bytes) -> Fields:
    """Return the telegram's values. Units are part of their names: `power_import_kw`."""
    text = decode_text(payload)
    # Before DSMR 4 the value of a gas meter has a line of its own.
    lines = text.replace("\r\n(", "(").split("\r\n")
    fields: Fields = {"identification": lines[0].strip()[: serial_bounds.FIELD_NAME_CHARS_MAX]}
    for line in lines[1:]:
        match = _LINE.fullmatch(line)
        if match is None:
            if line.strip():
                raise BadReading("has a line that is no object of a telegram")
            continue
        if len(fields) >= serial_bounds.READING_FIELDS_MAX:
            raise BadReading(f"has more than {serial_bounds.READING_FIELDS_MAX} objects")
        _take(fields, match[1], _GROUP.findall(match[2]))
    if len(fields) == 1:
        raise BadReading("has no object of a telegram")
    return fields


def _take(fields: Fields, code: str, groups: list[str]) -> None:
    if not groups:
        raise BadReading("has an object without a value")
    if code == "0-0:1.0.0":
        fields["time"] = _time(groups[0])
    elif (match := _MBUS.fullmatch(code)) is not None:
        _mbus(fields, match, groups)
    elif code == "1-0:99.97.0":
        fields["failure_log"] = groups  # its entries are pairs of time and duration
    else:
        _value(fields, _NAMES.get(code, code), groups[-1])


def _mbus(fields: Fields, match: re.Match[str], groups: list[str]) -> None:
    """Take an object of a further meter: of gas, water or heat."""
    meter, kind = f"mbus{match[1]}", match[2]
    if kind in _MBUS_NAMES:
        fields[f"{meter}_{_MBUS_NAMES[kind]}"] = groups[0]
        return
    fields[f"{meter}_time"] = _time(groups[0])
    value = groups[-1]
    if len(groups) > 2 and "*" not in value:
        value += "*" + groups[-2]  # before DSMR 4 the unit stands before the value
    _value(fields, meter, value)


def _value(fields: Fields, name: str, text: str) -> None:
    """Take one value, with its unit in its name. Watts become kilowatts: meters have either."""
    if name in _TEXTS:
        fields[name] = text
        return
    digits, star, unit = text.partition("*")
    value = number(digits)
    if value is None or not star:
        fields[name] = text if value is None else value
        return
    if unit in {"W", "Wh", "var", "varh"}:
        value, unit = value / 1000, "k" + unit
    fields[f"{name}_{unit.lower()}"] = value


def _time(text: str) -> str:
    """Return the time of a telegram; W is winter time, S summer time of Amsterdam."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadReading("has an object whose time is none")
    year, month, day, hour, minute, second, season = match.groups()
    return f"20{year}-{month}-{day}T{hour}:{minute}:{second}{_OFFSETS[season]}"
