"""Continuous output of Toledo scales. Status words by the tables of the Rice Lake 680 manual."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.toledo import decode_toledo
from leafnode.bridge.reading import BadReading


def test_a_net_weight_in_kilograms_with_two_places() -> None:
    # Word A 0x2C: 0.01, increment 1. Word B 0x31: net, kg. Word C 0x20: nothing.
    assert decode_toledo(b"\x2c\x31\x20  1234   200\r") == {
        "weight": 12.34,
        "tare": 2.0,
        "unit": "kg",
        "net": True,
        "stable": True,
        "out_of_range": False,
    }


@pytest.mark.parametrize(
    ("places", "weight"),
    [
        (0, 123_400),
        (1, 12_340),
        (2, 1234),
        (3, 123.4),
        (4, 12.34),
        (5, 1.234),
        (6, 0.1234),
        (7, 0.01234),
    ],
)
def test_the_decimal_point_stands_where_word_a_says(places: int, weight: float) -> None:
    assert decode_toledo(bytes((0x28 | places,)) + b"\x30\x20  1234     0")["weight"] == weight


def test_sign_motion_and_range_are_in_word_b() -> None:
    assert decode_toledo(b"\x2a\x32\x20000012000000\r")["weight"] == -12
    assert decode_toledo(b"\x2a\x38\x20000012000000\r")["stable"] is False
    over = decode_toledo(b"\x2a\x34\x20000012000000\r")
    assert (over["weight"], over["out_of_range"]) == (None, True)


@pytest.mark.parametrize(
    ("second", "third", "unit"),
    [
        (0x20, 0x20, "lb"),
        (0x30, 0x20, "kg"),
        (0x20, 0x21, "g"),
        (0x30, 0x22, "t"),
        (0x20, 0x23, "oz"),
    ],
)
def test_the_unit_is_in_words_b_and_c(second: int, third: int, unit: str) -> None:
    assert decode_toledo(bytes((0x2A, second, third)) + b"000000000000\r")["unit"] == unit


def test_a_parity_bit_does_not_count() -> None:
    plain = b"\x2c\x31\x20  1234   200\r"

    assert decode_toledo(bytes(byte | 0x80 for byte in plain)) == decode_toledo(plain)


def test_a_blank_weight_is_none() -> None:
    assert decode_toledo(b"\x2a\x30\x20            \r")["weight"] is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x2c\x31\x20  1234   200\rx",
        b"\x0c\x31\x20  1234   200\r",
        b"\x2c\x31\x20 12.34   200\r",
    ],
)
def test_anything_else_is_bad(payload: bytes) -> None:
    with pytest.raises(BadReading):
        decode_toledo(payload)


@given(st.binary(min_size=15, max_size=16))
def test_garbage_is_bad_or_has_all_fields(payload: bytes) -> None:
    try:
        fields = decode_toledo(payload)
    except BadReading:
        return
    assert len(fields) == 6
