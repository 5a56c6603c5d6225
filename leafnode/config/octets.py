"""Bytes and bit patterns as a configuration writes them: text, `"hex:AA C0"`, `0x8005`.

Knows one value; not which option it is for. Truth: docs/serial/framing.md, "Bytes in the
configuration".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.place import Place

_PREFIX: Final = "hex:"
_HEX_NUMBER: Final = re.compile(r"0[xX]([0-9a-fA-F]{1,16})")


def octets(most: int) -> Callable[[Place], bytes]:
    """Return a converter of byte strings. A text stands for itself in UTF-8, its escapes taken."""

    def convert(place: Place) -> bytes:
        value = place.node.value
        if not isinstance(value, str):
            raise place.expected('bytes, as text or as "hex:AA C0"')
        if value.startswith(_PREFIX):
            data = _from_hex(place, value.removeprefix(_PREFIX))
        else:
            data = value.encode()
        if not 1 <= len(data) <= most:
            raise place.error(f"expected 1 to {most} bytes, got {len(data)}")
        return data

    return convert


def pattern_of(bits: int) -> Callable[[Place], int]:
    """Return a converter of numbers of so many bits, decimal or `0x…`."""

    def convert(place: Place) -> int:
        value = place.node.value
        if isinstance(value, str) and (match := _HEX_NUMBER.fullmatch(value)):
            value = int(match[1], 16)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << bits:
            raise place.expected(f"a number of {bits} bits, like 0x07")
        return value

    return convert


def _from_hex(place: Place, digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise place.expected('pairs of hexadecimal digits behind "hex:"') from None
