"""Comma-separated columns, published as a JSON object with the configured names.

Knows one payload and the names of its columns. Truth: docs/serial.md, "Codecs".
"""

from __future__ import annotations

import csv
import math
import re
from typing import Final

import msgspec

from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.reading import BadReading

# A leading zero makes a code of it, not a number: 00123 must stay as printed on the box.
# 18 digits fit a signed 64-bit integer with room to spare, and bound what int() is given.
_INTEGER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL: Final = re.compile(
    r"[+-]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,3})?"
    r"|[+-]?[0-9]{1,18}[eE][+-]?[0-9]{1,3}",
    re.ASCII,
)


class CsvCodec:
    """Encodes one line. A line with another number of columns is bad."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        assert fields, "csv needs the names of its columns"
        assert len(set(fields)) == len(fields), "a column name stands twice"
        self._fields = fields

    def __call__(self, payload: bytes) -> bytes:
        text = decode_text(payload)
        try:
            columns = next(csv.reader([text], strict=True, skipinitialspace=True))
        except (csv.Error, StopIteration) as err:
            raise BadReading("is not a CSV line") from err
        if len(columns) != len(self._fields):
            raise BadReading(f"has {len(columns)} columns instead of {len(self._fields)}")
        values = map(typed, columns)
        return msgspec.json.encode(dict(zip(self._fields, values, strict=True)))


def typed(column: str) -> int | float | str | None:
    """Return a number where the column is plainly one, None where it is empty, else the text."""
    text = column.strip()
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
