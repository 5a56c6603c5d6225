"""Bytes and bit patterns in a configuration."""

from __future__ import annotations

import pytest

from leafnode.config.octets import octets, pattern_of
from leafnode.config.parser import parse
from leafnode.config.place import Place
from leafnode.errors import ConfigError


def place(text: str) -> Place:
    return Place(parse(f"x: {text}", "x.conf").root.value["x"], "x")  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('"hex:AA C0"', b"\xaa\xc0"),
        ('"hex:00ff"', b"\x00\xff"),
        (r'"\x02"', b"\x02"),
        (r'"\r\n"', b"\r\n"),
        ('"/"', b"/"),
        ('"µ"', "µ".encode()),
    ],
)
def test_text_stands_for_itself_and_hex_for_what_it_says(text: str, data: bytes) -> None:
    assert octets(4)(place(text)) == data


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"hex:A"', "expected pairs of hexadecimal digits"),
        ('"hex:zz"', "expected pairs of hexadecimal digits"),
        ('"hex:"', "expected 1 to 4 bytes, got 0"),
        ('""', "expected 1 to 4 bytes, got 0"),
        ('"12345"', "expected 1 to 4 bytes, got 5"),
        ("7", "expected bytes, as text or as"),
        ("true", "expected bytes, as text or as"),
    ],
)
def test_what_are_no_bytes_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        octets(4)(place(text))

    assert str(caught.value).startswith("x.conf:1:1: x: " + problem)


@pytest.mark.parametrize(("text", "number"), [("0x8005", 0x8005), ("7", 7), ("0xffff", 0xFFFF)])
def test_a_bit_pattern_is_decimal_or_hexadecimal(text: str, number: int) -> None:
    assert pattern_of(16)(place(text)) == number


@pytest.mark.parametrize("text", ["0x10000", "65536", "-1", "0x", "true", "x", "0xg", "1.5"])
def test_a_bit_pattern_has_no_more_than_its_bits(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a number of 16 bits"):
        pattern_of(16)(place(text))
