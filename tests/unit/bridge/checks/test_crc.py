"""Every CRC of the catalogue has its published value of "123456789"."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.checks.crc import crc
from leafnode.config.crc_catalog import CATALOG, CrcOptions


@pytest.mark.parametrize("name", CATALOG)
def test_the_published_check_value(name: str) -> None:
    options, check = CATALOG[name]

    assert crc(options)(b"123456789") == check


def bit_by_bit(options: CrcOptions, data: bytes) -> int:
    """The definition, one bit at a time."""
    value = options.init
    for byte in data:
        bits = [byte >> shift & 1 for shift in range(8)]
        for bit in bits if options.reflect_in else reversed(bits):
            top = value >> (options.width - 1) & 1
            value = value << 1 & (1 << options.width) - 1
            if top ^ bit:
                value ^= options.poly
    if options.reflect_out:
        value = int(f"{value:0{options.width}b}"[::-1], 2)
    return value ^ options.xor_out


@given(
    st.sampled_from([8, 16, 32]),
    st.sampled_from([0x1021, 0x04C11DB7, None]),
    st.booleans(),
    st.booleans(),
    st.binary(max_size=40),
    st.data(),
)
def test_any_parameters_give_what_the_definition_gives(
    width: int,
    poly: int | None,
    reflect_in: bool,
    reflect_out: bool,
    text: bytes,
    data: st.DataObject,
) -> None:
    number = st.integers(0, (1 << width) - 1)
    poly = data.draw(number) if poly is None or poly >> width else poly
    options = CrcOptions(width, poly, data.draw(number), reflect_in, reflect_out, data.draw(number))

    assert crc(options)(text) == bit_by_bit(options, text)
