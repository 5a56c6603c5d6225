"""Sums and exclusive-or: what a small sensor can afford as a check.

Knows bytes; not where a check stands in a frame. Truth: docs/serial/framing.md, "Checks".
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import Final

_SEVEN_BITS: Final = bytes(byte & 0x7F for byte in range(256))


def xor8(data: bytes) -> int:
    """Every byte XORed: a block check character (BCC)."""
    return reduce(xor, data, 0)


def sum8(data: bytes) -> int:
    return sum(data) & 0xFF


def sum16(data: bytes) -> int:
    return sum(data) & 0xFFFF


def twos8(data: bytes) -> int:
    """What makes the sum of all bytes zero. An LRC by ISO 1155 and of Modbus ASCII is this."""
    return -sum(data) & 0xFF


def ones8(data: bytes) -> int:
    """What makes the sum of all bytes 0xFF."""
    return ~sum(data) & 0xFF


def twos7(data: bytes) -> int:
    """What makes the sum of the seven low bits of all bytes zero: Toledo scales."""
    return -sum(data.translate(_SEVEN_BITS)) & 0x7F
