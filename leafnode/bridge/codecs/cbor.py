"""CBOR of a sensor: a map with text keys, decoded to fields.

Knows one payload. Only what can stand in JSON: integers, floats, text, arrays, maps, true, false,
null; byte strings become hexadecimal text, and a tag is passed over. Depth and number of values
are bounded before anything is made. Truth: RFC 8949; docs/adr on CBOR.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Final

from leafnode.bridge.reading import BadReading
from leafnode.config import serial_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.bridge.codecs import Fields

_FLOATS: Final = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_SIMPLE: Final = {20: False, 21: True, 22: None, 23: None}
_INDEFINITE: Final = 31
_INT64: Final = 1 << 63
_BREAK: Final = 0xFF


def decode_cbor(payload: bytes) -> Fields:
    """Return the map. Raises BadReading for anything that is not one whole map."""
    reader = _Reader(payload)
    value = reader.value(0)
    if reader.at != len(payload):
        raise BadReading("has bytes behind its CBOR")
    if not isinstance(value, dict):
        raise BadReading("is not a CBOR map")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self._left = serial_bounds.CBOR_VALUES_MAX

    def value(self, depth: int) -> object:
        self._left -= 1
        if depth > serial_bounds.CBOR_DEPTH_MAX or self._left < 0:
            raise BadReading("has too many values, or too deep ones")
        initial = self._bytes(1)[0]
        major, info = initial >> 5, initial & 0x1F
        if major == 7:
            return self._special(info)
        if major == 0:
            return self._count(info)
        if major == 1:
            if (count := self._count(info)) >= _INT64:
                raise BadReading("has an integer of more than 64 bits")
            return -1 - count
        if major == 2:
            return self._string(info, major).hex()
        if major == 3:
            return _text(self._string(info, major))
        if major == 4:
            return [self.value(depth + 1) for _ in self._items(info)]
        if major == 5:
            return self._map(info, depth)
        self._count(info)
        return self.value(depth + 1)

    def _special(self, info: int) -> object:
        if info in _SIMPLE:
            return _SIMPLE[info]
        if info not in _FLOATS:
            raise BadReading("has a CBOR value of an unknown kind")
        layout, size = _FLOATS[info]
        number: float = struct.unpack(layout, self._bytes(size))[0]
        return number if math.isfinite(number) else None

    def _map(self, info: int, depth: int) -> Fields:
        fields: Fields = {}
        for _ in self._items(info):
            key = self.value(depth + 1)
            if isinstance(key, int) and not isinstance(key, bool):
                key = str(key)
            if not isinstance(key, str):
                raise BadReading("has a CBOR key that is no text and no integer")
            if key in fields:
                raise BadReading("has a CBOR key twice")
            fields[key] = self.value(depth + 1)
        return fields

    def _items(self, info: int) -> Iterator[None]:
        """Yield once for each item that follows."""
        if info != _INDEFINITE:
            for _ in range(min(self._count(info), self._left + 1)):
                yield None
            return
        while self._peek() != _BREAK:
            yield None
        self.at += 1

    def _string(self, info: int, major: int) -> bytes:
        if info != _INDEFINITE:
            return self._bytes(self._count(info))
        chunks = []
        while (initial := self._peek()) != _BREAK:
            self._left -= 1
            if initial >> 5 != major or initial & 0x1F == _INDEFINITE or self._left < 0:
                raise BadReading("has a CBOR string in wrong pieces")
            self.at += 1
            chunks.append(self._bytes(self._count(initial & 0x1F)))
        self.at += 1
        return b"".join(chunks)

    def _count(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise BadReading("has a CBOR length of an unknown kind")
        return int.from_bytes(self._bytes(1 << (info - 24)), "big")

    def _peek(self) -> int:
        return self.data[self.at] if self.at < len(self.data) else self._bytes(1)[0]

    def _bytes(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise BadReading("ends within its CBOR")
        self.at += size
        return self.data[self.at - size : self.at]


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as err:
        raise BadReading("has CBOR text that is not UTF-8") from err
