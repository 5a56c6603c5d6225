"""Any CRC of 8, 16 or 32 bits by its parameters.

Knows bytes and parameters; not where a check stands in a frame. Truth: Ross Williams, "A Painless
Guide to CRC Error Detection Algorithms", 1993; config/crc_catalog.py for the values.

The standard library has two of the polynomials in C: crc_hqx (0x1021, highest bit first) and crc32
(0x04C11DB7, lowest bit first). The other order of bits is the same calculation with every byte
turned round, so `translate` makes all CRCs of these polynomials fast. The rest takes a table.
"""

from __future__ import annotations

import binascii
from functools import cache
from typing import TYPE_CHECKING, Final

from leafnode.bridge.checks.calculation import Calculation

if TYPE_CHECKING:
    from leafnode.config.crc_catalog import CrcOptions

_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_POLY_HQX: Final = 0x1021
_POLY_CRC32: Final = 0x04C11DB7
_ONES32: Final = 0xFFFFFFFF


def crc(options: CrcOptions) -> Calculation:
    """Return the calculation of this CRC."""
    if options.width == 16 and options.poly == _POLY_HQX:
        plain = _by_crc_hqx(options)
    elif options.width == 32 and options.poly == _POLY_CRC32:
        plain = _by_crc32(options)
    else:
        plain = _by_table(options)
    finish, width, xor_out = plain.finish, options.width, options.xor_out
    if options.reflect_in == options.reflect_out:
        return plain._replace(finish=lambda value: finish(value) ^ xor_out)
    return plain._replace(finish=lambda value: _reflected(finish(value), width) ^ xor_out)


def _reflected(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


def _by_crc_hqx(options: CrcOptions) -> Calculation:
    if not options.reflect_in:
        return Calculation(options.init, lambda value, data: binascii.crc_hqx(data, value))
    return Calculation(
        options.init,
        lambda value, data: binascii.crc_hqx(data.translate(_REVERSED), value),
        lambda value: _reflected(value, 16),
    )


def _by_crc32(options: CrcOptions) -> Calculation:
    # crc32 turns its start and its result over; both are turned back.
    start = _reflected(options.init, 32) ^ _ONES32
    if options.reflect_in:
        return Calculation(
            start, lambda value, data: binascii.crc32(data, value), lambda value: value ^ _ONES32
        )
    return Calculation(
        start,
        lambda value, data: binascii.crc32(data.translate(_REVERSED), value),
        lambda value: _reflected(value ^ _ONES32, 32),
    )


def _by_table(options: CrcOptions) -> Calculation:
    width, init = options.width, options.init
    table = _table(width, options.poly, reflect=options.reflect_in)
    if options.reflect_in:

        def lowest_first(value: int, data: bytes) -> int:
            for byte in data:
                value = value >> 8 ^ table[(value ^ byte) & 0xFF]
            return value

        return Calculation(_reflected(init, width), lowest_first)
    shift, mask = width - 8, (1 << width) - 1

    def highest_first(value: int, data: bytes) -> int:
        for byte in data:
            value = value << 8 & mask ^ table[value >> shift ^ byte]
        return value

    return Calculation(init, highest_first)


@cache
def _table(width: int, poly: int, *, reflect: bool) -> tuple[int, ...]:
    top, mask = 1 << (width - 1), (1 << width) - 1
    table = []
    for byte in range(256):
        value = (_REVERSED[byte] if reflect else byte) << (width - 8)
        for _ in range(8):
            value = (value << 1 ^ poly if value & top else value << 1) & mask
        table.append(_reflected(value, width) if reflect else value)
    return tuple(table)
