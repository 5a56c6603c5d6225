"""Sums and exclusive-or: what a small sensor can afford as a check.

Knows bytes; not where a check stands in a frame. Truth: docs/serial/framing.md, "Checks".
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import Final

from leafnode.bridge.checks.calculation import Calculation

_SEVEN_BITS: Final = bytes(byte & 0x7F for byte in range(256))


def _xored(value: int, data: bytes) -> int:
    return reduce(xor, data, value)


def _summed(value: int, data: bytes) -> int:
    return value + sum(data)


def _summed7(value: int, data: bytes) -> int:
    return value + sum(data.translate(_SEVEN_BITS))


# Every byte XORed: a block check character (BCC).
xor8: Final = Calculation(0, _xored)
sum8: Final = Calculation(0, _summed, lambda total: total & 0xFF)
sum16: Final = Calculation(0, _summed, lambda total: total & 0xFFFF)
# What makes the sum of all bytes zero. An LRC by ISO 1155 and of Modbus ASCII is this.
twos8: Final = Calculation(0, _summed, lambda total: -total & 0xFF)
# What makes the sum of all bytes 0xFF.
ones8: Final = Calculation(0, _summed, lambda total: ~total & 0xFF)
# What makes the sum of the seven low bits of all bytes zero: Toledo scales.
twos7: Final = Calculation(0, _summed7, lambda total: -total & 0x7F)
