"""Comma-separated columns, each with its configured name.

Knows one payload and the names of its columns. Truth: docs/serial.md, "Codecs".
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.codecs.typed import typed
from leafnode.bridge.reading import BadReading

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields


class CsvCodec:
    """Decodes one line. A line with another number of columns is bad."""

    def __init__(self, fields: tuple[str, ...], separator: str = "") -> None:
        assert fields, "csv needs the names of its columns"
        assert len(set(fields)) == len(fields), "a column name stands twice"
        self._fields = fields
        self._separator = separator or ","

    def __call__(self, payload: bytes) -> Fields:
        text = decode_text(payload)
        try:
            columns = next(
                csv.reader([text], strict=True, skipinitialspace=True, delimiter=self._separator)
            )
        except (csv.Error, StopIteration) as err:
            raise BadReading("is not a CSV line") from err
        if len(columns) != len(self._fields):
            raise BadReading(f"has {len(columns)} columns instead of {len(self._fields)}")
        return dict(zip(self._fields, map(typed, columns), strict=True))
