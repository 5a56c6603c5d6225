"""The text dialect's grammar. Specification: docs/device-link.md, "The text dialect"."""

from __future__ import annotations

import json
import re
from functools import reduce
from operator import xor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.framing.text_lines import (
    Line,
    checksum,
    has_control,
    is_torn,
    parse,
    point,
    sealed,
)
from leafnode.bridge.framing.text_wrong import Wrong


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"pt temp 21.5", Line(b"pt", [b"temp"], b"21.5", 0, is_checked=False)),
        (b"pt temp 21.5*10", Line(b"pt", [b"temp"], b"21.5", 0, is_checked=True)),
        (b"#12 pub a.b some words ", Line(b"pub", [b"a.b"], b"some words ", 12, is_checked=False)),
        (b"pub a.b", Line(b"pub", [b"a.b"], b"", 0, is_checked=False)),
        (b"hello uno", Line(b"hello", [b"uno"], b"", 0, is_checked=False)),
        (b"hello uno 77", Line(b"hello", [b"uno"], b"77", 0, is_checked=False)),
        (b"log warning hot", Line(b"log", [], b"warning hot", 0, is_checked=False)),
        (b"log", Line(b"log", [], b"", 0, is_checked=False)),
        (b"req 1 500 z x y", Line(b"req", [b"1", b"500", b"z"], b"x y", 0, is_checked=False)),
        (b"rep 3 done", Line(b"rep", [b"3"], b"done", 0, is_checked=False)),
    ],
)
def test_a_line_is_taken_apart(text: bytes, line: Line) -> None:
    assert parse(text) == line


@pytest.mark.parametrize(
    "text",
    [
        b"ets Jun  8 2016 00:22:57",
        b">>> import machine",
        b"MicroPython v1.29.0 on 2026-01-01; Raspberry Pi Pico with RP2040",
        b"Hello World!",
        b"rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
        b"\x00\xff\xfe",
        b"pt\x07 temp 1",
        b"21.5",
        b"#12",
        b"#x pt temp 1",
        b"ok 12",
        b"hello?",
        b"msg led on",
        b"",
    ],
)
def test_banners_a_repl_and_ones_own_echo_are_noise(text: bytes) -> None:
    assert parse(text) is Wrong.NOISE


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (b"pt temp 21.5*00", Wrong.CHECKSUM),
        (b"pt temp\x07 21.5*00", Wrong.CHECKSUM),
        (b"pub t \x07", Wrong.CONTROL),
        (b"#0 pt temp 1", Wrong.NUMBER),
        (b"#1073741824 pt temp 1", Wrong.NUMBER),
        (b"#1 log x", Wrong.NUMBER),
        (b"hello", Wrong.WORDS),
        (b"pt", Wrong.WORDS),
        (b"pt  temp 1", Wrong.WORDS),
        (b"req 1 500", Wrong.WORDS),
        (b"sub ", Wrong.WORDS),
    ],
)
def test_a_line_of_the_dialect_that_cannot_be_has_a_cause(text: bytes, wrong: Wrong) -> None:
    assert parse(text) is wrong


def test_the_checksum_is_the_xor_of_all_before_the_star() -> None:
    assert sealed(b"pt temp 21.5") == b"pt temp 21.5*%02X" % checksum(b"pt temp 21.5")
    assert checksum(b"\x01\x02\x04") == 7


@given(st.binary(max_size=600))
def test_the_checksum_is_as_one_byte_after_the_other_makes_it(line: bytes) -> None:
    assert checksum(line) == reduce(xor, line, 0)


@given(st.binary(max_size=60))
def test_any_line_is_something(text: bytes) -> None:
    assert isinstance(parse(text), Line | Wrong)


@given(st.integers(0, 8 * 20 - 1))
def test_no_flipped_bit_of_a_checked_line_is_believed(bit: int) -> None:
    line = bytearray(sealed(b"#7 pt temp 21.50")[:20])
    line[bit // 8 % len(line)] ^= 1 << bit % 8
    read = parse(bytes(line))

    assert not (isinstance(read, Line) and read.is_checked and read.rest != b"21.50")


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        (b"21.5", b'{"v":21.5}'),
        (b"+007", b'{"v":7}'),
        (b"-0", b'{"v":-0}'),
        (b"00.50", b'{"v":0.50}'),
        (b"1e-3", b'{"v":1e-3}'),
        (b"0e5", b'{"v":0e5}'),
        (b"1e-999", b'{"v":1e-999}'),
        (b"-1.7976931348623157e308", b'{"v":-1.7976931348623157e308}'),
        (b"0.00030170167213655163", b'{"v":0.00030170167213655163}'),
        (b"21.5 C", b'{"v":21.5,"unit":"C"}'),
        (b"21.5 m/s", b'{"v":21.5,"unit":"m/s"}'),
    ],
)
def test_a_point_is_a_json_object(text: bytes, payload: bytes) -> None:
    assert point(text) == payload
    json.loads(payload)


@pytest.mark.parametrize("text", [b"", b"hot", b"nan", b"inf", b".5", b"5.", b"1,5", b"0x1F"])
def test_what_is_no_number_is_no_point(text: bytes) -> None:
    assert point(text) is Wrong.VALUE


@pytest.mark.parametrize("text", [b"1e999", b"-1e309 C", b"2e308"])
def test_a_number_beyond_a_float_is_no_point(text: bytes) -> None:
    """Go's encoding/json refuses the whole message, Python reads infinity."""
    assert point(text) is Wrong.VALUE


@pytest.mark.parametrize("text", [b'1 "', b"1 a b", b"1 \\", b"1 \xc2\xb0C", b"1 " + b"x" * 17])
def test_what_is_no_unit_is_no_point(text: bytes) -> None:
    assert point(text) is Wrong.UNIT


@given(st.from_regex(rb"[+-]?[0-9]{1,18}(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_every_number_of_the_dialect_is_one_of_json(value: bytes) -> None:
    payload = point(value)

    assert isinstance(payload, bytes)
    assert json.loads(payload)["v"] == pytest.approx(float(value))


@pytest.mark.parametrize("size", [4095, 4096, 4097, 8192, 10_001])
def test_the_checksum_of_a_long_line_is_made_of_pieces(size: int) -> None:
    line = Random(size).randbytes(size)

    assert checksum(line) == reduce(xor, line, 0)


@pytest.mark.parametrize("byte", range(256))
def test_a_control_character_is_found_wherever_it_stands(byte: int) -> None:
    is_control = byte == 0x7F or (byte < 0x20 and byte != 0x09)

    for line in (b"%c", b"x%c", b"%cx"):
        assert has_control(line % byte) is is_control


_ANOTHER = re.compile(rb"(#[0-9]{1,10} +)?(hello|pt|pub|log|sub|serve|unsub|req|rep|err) ")


@given(
    st.lists(
        st.sampled_from(rb"#1 |#12  |#| |pt |pub |sub |un|err |x|hello |a |@|1|`|\"|2".split(b"|")),
        max_size=9,
    )
)
def test_another_line_begins_where_the_sum_of_what_is_before_it_is_zero(parts: list[bytes]) -> None:
    number = b"#12 "  # whose own sum is zero
    line = sealed(number + b"p" + b"".join(parts))

    places = [at for at in range(len(number) + 1, len(line)) if checksum(line[:at]) == 0]

    assert is_torn(line, is_checked=True) is any(_ANOTHER.match(line, at) for at in places)
