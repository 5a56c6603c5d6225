"""Sentences of NMEA 0183: talker, type and named fields; of an unknown type its fields in a row.

Knows one sentence whose check was held already. Truth: IEC 61162-1; gpsd's "NMEA Revealed";
docs/serial/codecs.md, "NMEA 0183".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs.nmea_sentences import SENTENCES, Kind
from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.codecs.typed import number, typed
from leafnode.bridge.reading import BadReading
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields

_ADDRESS: Final = re.compile(r"[$!]([A-Z0-9]{3,12})")
_CHECK: Final = re.compile(r"\*[0-9A-Fa-f]{2}\Z")
_TIME: Final = re.compile(r"([01][0-9]|2[0-4])([0-5][0-9])([0-5][0-9]|60)(\.[0-9]{1,9})?")
_DATE: Final = re.compile(r"([0-3][0-9])([01][0-9])([0-9]{2})")
_ANGLE: Final = re.compile(r"([0-9]{1,3})([0-5][0-9](?:\.[0-9]{0,9})?)")
_SIGNS: Final = {"N": 1, "E": 1, "S": -1, "W": -1}
_CENTURY: Final = 80  # two digits of a year from here on are of the last century


def decode_nmea(payload: bytes) -> Fields:
    """Return the fields of a sentence. Raises BadReading where they are not what its type has."""
    sentence = _CHECK.sub("", decode_text(payload))
    address, *fields = sentence.split(",")
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise BadReading("does not begin like a sentence of NMEA 0183")
    if len(fields) > serial_bounds.READING_FIELDS_MAX:
        raise BadReading(f"has more than {serial_bounds.READING_FIELDS_MAX} fields")
    name = match[1]
    # P is of a manufacturer, who has no type of three letters behind two.
    talker, kind = ("P", name[1:]) if name[0] == "P" else (name[:-3], name[-3:])
    if not talker:
        raise BadReading("has no talker")
    values: Fields = {"talker": talker, "type": kind}
    layout = SENTENCES.get(kind) if talker != "P" else None
    if layout is None:
        values["fields"] = [typed(field) for field in fields]
    else:
        _fill(values, layout, fields)
    return values


def _fill(values: Fields, layout: tuple[tuple[str, Kind], ...], fields: list[str]) -> None:
    at = 0
    for key, kind in layout:
        if kind is Kind.REPEATED:
            values[key] = [typed(field) for field in fields[at:]]
            return
        if kind is Kind.NUMBERS:
            values[key] = [_number_or_text(field.strip()) for field in fields[at:]]
            return
        size = 2 if kind in {Kind.ANGLE, Kind.SIGNED} else 1
        taken = fields[at : at + size]
        at += size
        if not taken:
            return  # older sentences have fewer fields
        if kind is not Kind.UNIT:
            values[key] = _value(kind, taken)


def _value(kind: Kind, taken: list[str]) -> object:
    text = taken[0].strip()
    if not text:
        return None
    if kind is Kind.NUMBER:
        return _number(text)
    if kind is Kind.TIME:
        return _time(text)
    if kind is Kind.DATE:
        return _date(text)
    if kind is Kind.TEXT:
        return text
    sign = _SIGNS.get(taken[1].strip()) if len(taken) > 1 else None
    if sign is None:
        raise BadReading("has an angle without N, E, S or W")
    if kind is Kind.SIGNED:
        return sign * _number(text)
    return sign * _angle(text)


def _number(text: str) -> int | float:
    value = number(text)
    if value is None:
        raise BadReading("has a field that is no number")
    return value


def _number_or_text(text: str) -> int | float | str | None:
    """A signal's id is a digit in hex: `B` among numbers."""
    value = number(text)
    return (text or None) if value is None else value


def _angle(text: str) -> float:
    """Return degrees of `dddmm.mmmm`, to a centimetre."""
    match = _ANGLE.fullmatch(text)
    if match is None or (degrees := int(match[1]) + float(match[2]) / 60) > 180:
        raise BadReading("has a field that is no angle")
    return round(degrees, 7)


def _time(text: str) -> str:
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadReading("has a field that is no time")
    fraction = (match[4] or "").rstrip("0").rstrip(".")
    return f"{match[1]}:{match[2]}:{match[3]}{fraction}"


def _date(text: str) -> str:
    match = _DATE.fullmatch(text)
    if match is None:
        raise BadReading("has a field that is no date")
    year = int(match[3])
    return f"{year + (1900 if year >= _CENTURY else 2000)}-{match[2]}-{match[1]}"
