"""Small sums, against the sums that a datasheet would write by hand."""

from __future__ import annotations

import pytest

from leafnode.bridge.checks import SUMS, sums
from leafnode.config.serial_check import SUM_BITS

TEXT = b"123456789"  # its bytes add up to 477


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("xor8", 0x31),
        ("sum8", 477 % 256),
        ("sum16", 477),
        ("twos8", 256 - 477 % 256),
        ("ones8", 255 - 477 % 256),
        ("twos7", -477 % 128),
        ("lrc", 256 - 477 % 256),
    ],
)
def test_the_sum_of_nine_digits(name: str, value: int) -> None:
    assert SUMS[name][0](TEXT) == value


def test_the_configuration_knows_each_of_them_and_its_width() -> None:
    assert {name: bits for name, (_, bits) in SUMS.items()} == SUM_BITS


def test_the_eighth_bit_does_not_count_for_a_scale() -> None:
    assert sums.twos7(b"\x81\x82") == sums.twos7(b"\x01\x02") == 125


def test_a_sum_wraps() -> None:
    assert sums.sum8(b"\xff" * 3) == 0xFD
    assert sums.sum16(b"\xff" * 1000) == 255_000 % 65_536


def test_nothing_adds_up_to_nothing() -> None:
    assert {name: calculate(b"") for name, (calculate, _) in SUMS.items()} == {
        **dict.fromkeys(SUMS, 0),
        "ones8": 255,
    }
