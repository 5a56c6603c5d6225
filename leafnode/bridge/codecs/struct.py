"""Binary fields in a row, as Python's struct has them: `<Hf`.

Knows one payload, a format and the names of its values. Truth: Python's struct;
docs/serial/codecs.md, "Binary fields".
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from leafnode.bridge.codecs.text import decode_text
from leafnode.bridge.reading import BadReading

if TYPE_CHECKING:
    from leafnode.bridge.codecs import Fields


class StructCodec:
    """Decodes payloads of just the size of the format. Text ends before its first NUL."""

    def __init__(self, layout: str, fields: tuple[str, ...]) -> None:
        self._struct = struct.Struct(layout)
        self._fields = fields

    def __call__(self, payload: bytes) -> Fields:
        if len(payload) != self._struct.size:
            raise BadReading(f"has {len(payload)} bytes instead of {self._struct.size}")
        values = self._struct.unpack(payload)
        return {
            name: value if isinstance(value, int) else _plain(value)
            for name, value in zip(self._fields, values, strict=True)
        }


def _plain(value: float | bytes) -> float | str | None:
    """JSON has no NaN and no infinity: they are no value."""
    if isinstance(value, bytes):
        return decode_text(value.partition(b"\0")[0])
    return value if math.isfinite(value) else None
