"""Barcodes with GS1 application identifiers: `]C1010950600013435217…`; plain EAN and UPC, too.

Knows one scan. A scan that has no identifiers is a code all the same: only `code` and what its
digits say. Truth: GS1 General Specifications 24, section 3 and 7.9; ISO/IEC 15424 for the prefix;
docs/serial/codecs.md, "Barcodes".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.codecs.gs1_identifiers import Identifier, find
from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.reading import BadReading

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields

_THIS_YEAR: Final = 2026  # a codec has no clock; a year later it errs by a year, 50 years ahead
_SEPARATOR: Final = "\x1d"  # FNC1 as a scanner sends it
_AIM: Final = re.compile(r"\]([A-Za-z][0-9A-Za-z])")
# Carriers whose content begins with an identifier: GS1-128, DataBar, DataMatrix, QR, Dot Code.
_GS1_CARRIERS: Final = frozenset({"C1", "e0", "e1", "e2", "d2", "Q3", "J1"})
_GTIN_SIZES: Final = frozenset({8, 12, 13, 14})
_DIGITS: Final = re.compile(r"[0-9]+")
_ELEMENTS_MAX: Final = 32


def decode_gs1(payload: bytes) -> Fields:
    """Return the fields of a scan. Raises BadReading for wrong identifiers or check digits."""
    text = decode_text(payload)
    carrier = ""
    if match := _AIM.match(text):
        carrier, text = match[1], text[match.end() :]
    if not text.strip(_SEPARATOR):
        raise BadReading("is an empty scan")
    fields: Fields = {"code": text, "symbology": carrier or None}
    if carrier in _GS1_CARRIERS or text.startswith(_SEPARATOR):
        _elements(fields, text.lstrip(_SEPARATOR))
    elif _DIGITS.fullmatch(text) and len(text) in _GTIN_SIZES and has_check_digit(text):
        fields["gtin"] = text.zfill(14)
    return fields


def _elements(fields: Fields, text: str) -> None:
    for _ in range(_ELEMENTS_MAX):
        if not text:
            return
        identifier = find(text)
        if identifier is None:
            raise BadReading("has a GS1 application identifier that is unknown")
        text = _element(fields, identifier, text[len(identifier.code) :])
    raise BadReading("has too many GS1 elements")


def _element(fields: Fields, identifier: Identifier, text: str) -> str:
    """Take one element; return what is behind it."""
    if identifier.size:
        value, rest = text[: identifier.size], text[identifier.size :]
        rest = rest.removeprefix(_SEPARATOR)
        if len(value) != identifier.size or not _DIGITS.fullmatch(value):
            raise BadReading("has a GS1 element that is cut short")
    else:
        value, _, rest = text.partition(_SEPARATOR)
        if not 0 < len(value) <= identifier.size_max:
            raise BadReading("has a GS1 element of a wrong length")
    if identifier.has_check_digit and not has_check_digit(value):
        raise BadReading("has a GS1 check digit that is wrong")
    if identifier.name in fields:
        raise BadReading("has a GS1 element twice")
    fields[identifier.name] = _value(identifier, value)
    return rest


def _value(identifier: Identifier, value: str) -> object:
    if identifier.is_date:
        return _date(value)
    if identifier.places is not None:
        if not _DIGITS.fullmatch(value):
            raise BadReading("has a GS1 amount that is no number")
        amount = int(value)
        places = identifier.places
        return round(amount / 10**places, places) if places else amount
    return value


def _date(value: str) -> str:
    """Return a date; day 00 is a month alone. The century is the near one, as GS1 7.12 has it:
    49 years back and 50 ahead.
    """
    year, month, day = int(value[:2]), int(value[2:4]), int(value[4:6])
    if not 1 <= month <= 12 or day > 31:
        raise BadReading("has a GS1 date that is none")
    century = 1900 if year - _THIS_YEAR % 100 > 50 else 2000
    text = f"{century + year}-{month:02d}"
    return f"{text}-{day:02d}" if day else text


def has_check_digit(digits: str) -> bool:
    """Say whether the last digit is the right one (GS1 7.9: weights 3 and 1 from the right)."""
    weighted = (
        int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(reversed(digits))
    )
    return sum(weighted) % 10 == 0
