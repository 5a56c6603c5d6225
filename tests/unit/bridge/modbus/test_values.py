"""What registers mean: types, orders, scaling. The orders' names are those of most manuals."""

from __future__ import annotations

import struct

import pytest

from leafnode.bridge.modbus.values import BadValue, fields_of, registers_of, written
from leafnode.config.modbus_options import Register, Write


def value(values: list[int], **options: object) -> object:
    register = Register("v", str(options.pop("table", "input")), 0, **options)  # type: ignore[arg-type]
    return fields_of(register, values)["v"]


@pytest.mark.parametrize(
    ("kind", "words", "wanted"),
    [
        ("u16", [0xFFFE], 65534),
        ("i16", [0xFFFE], -2),
        ("u32", [0x0001, 0x0002], 65538),
        ("i32", [0xFFFF, 0xFFFE], -2),
        ("u64", [0x8000, 0, 0, 1], (1 << 63) + 1),
        ("i64", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], -2),
        ("f32", [0x4366, 0x199A], 230.1),
        ("f64", [0x406C, 0xC333, 0x3333, 0x3333], 230.1),
        ("f32", [0x7FC0, 0], None),
        ("f32", [0x7F80, 0], None),
        ("f32", [0x7F7F, 0xFFFF], struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]),
        ("f32", [0, 0], 0.0),
    ],
)
def test_numbers(kind: str, words: list[int], wanted: float | None) -> None:
    assert value(words, type=kind, size=len(words)) == wanted


@pytest.mark.parametrize(
    ("big_words", "big_bytes", "words"),
    [
        (True, True, [0x1234, 0x5678]),  # ABCD
        (False, True, [0x5678, 0x1234]),  # CDAB
        (True, False, [0x3412, 0x7856]),  # BADC
        (False, False, [0x7856, 0x3412]),  # DCBA
    ],
)
def test_the_four_orders_of_a_number_of_two_registers(
    big_words: bool, big_bytes: bool, words: list[int]
) -> None:
    got = value(words, type="u32", size=2, big_words=big_words, big_bytes=big_bytes)

    assert got == 0x12345678


def test_scale_offset_and_digits_without_the_noise_of_binary_fractions() -> None:
    assert value([3], scale=0.1) == 0.3
    assert value([2301], scale=0.1, offset=-40) == 190.1
    assert value([1], scale=1 / 3, digits=2) == 0.33


def test_a_number_that_says_that_there_is_none() -> None:
    assert value([0x8000], type="i16", absent=0x8000) is None
    assert value([0x7FFF], type="i16", absent=0x8000) == 0x7FFF
    assert value([0xFFFF, 0xFFFF], type="u32", size=2, absent=0xFFFFFFFF) is None


def test_a_text_ends_at_its_nul_or_its_last_word() -> None:
    words = [0x4142, 0x4320, 0x2000, 0x5858]
    assert value(words, type="string", size=4) == "ABC"
    assert value([0x4142, 0x43FF], type="string", size=2) == "ABC\ufffd"
    # The bytes of a word may be swapped; words are never in another order.
    assert value([0x4241, 0x4443], type="string", size=2, big_bytes=False) == "ABCD"
    assert value([0x4142, 0x4344], type="string", size=2, big_words=False) == "ABCD"


def test_bits_have_names() -> None:
    register = Register("", "holding", 0, "bits", bits=("run", "", "fault"))

    assert fields_of(register, [0b101]) == {"run": True, "fault": True}
    assert fields_of(register, [0b010]) == {"run": False, "fault": False}


def test_a_coil_is_a_boolean() -> None:
    assert value([1], table="coil", type="bit") is True
    assert value([0], table="discrete", type="bit") is False


@pytest.mark.parametrize("big_words", [True, False])
@pytest.mark.parametrize("big_bytes", [True, False])
@pytest.mark.parametrize(
    ("kind", "size", "given"),
    [
        ("u16", 1, 65535),
        ("i16", 1, -2),
        ("u32", 2, 1 << 31),
        ("i32", 2, -70000),
        ("u64", 4, 1 << 63),
        ("i64", 4, -1),
        ("f32", 2, 230.1),
        ("f64", 4, 0.1),
        ("string", 3, "LEAF"),
    ],
)
def test_what_is_written_is_what_is_read(
    kind: str, size: int, given: object, big_words: bool, big_bytes: bool
) -> None:
    register = Register("v", "holding", 0, kind, size, big_words=big_words, big_bytes=big_bytes)

    words = registers_of(Write(register), given)

    assert len(words) == size
    assert fields_of(register, words) == {"v": given}


@pytest.mark.parametrize(
    ("kind", "scale", "given", "is_there"),
    [
        ("u16", 1, 1.5, 2),
        ("u16", 1, 2.5, 2),
        ("u16", 1, 1e-9, 0),
        ("i16", 0.1, 12.34, 12.3),
        ("i32", 0.5, -3.3, -3.5),
        ("f32", 1, 0.1, 0.1),
        ("f32", 1, 1.23456789, 1.2345679),
        ("f64", 1, 1.23456789, 1.23456789),
    ],
)
def test_what_was_written_is_told_as_the_register_has_it(
    kind: str, scale: float, given: float, is_there: float
) -> None:
    size = {"16": 1, "32": 2, "64": 4}[kind[1:]]
    write = Write(Register("v", "holding", 0, kind, size, scale=scale))
    words = registers_of(write, given)

    assert written(write, given, words) == is_there
    assert fields_of(write.register, words) == {"v": is_there}


def test_several_numbers_a_text_and_bits_are_told_as_they_were_written() -> None:
    several = Write(Register("v", "holding", 0, "u16"), count=2)
    assert written(several, [1.4, 2], registers_of(several, [1.4, 2])) == [1, 2]
    text = Write(Register("v", "holding", 0, "string", 2))
    assert written(text, "ab ", registers_of(text, "ab ")) == "ab "
    coils = Write(Register("v", "coil", 0, "bit"), count=2)
    assert written(coils, [True, False], [1, 0]) == [True, False]


def test_a_scaled_value_is_written_as_the_slave_has_it() -> None:
    register = Register("v", "holding", 0, "i16", scale=0.1, offset=-40)

    assert registers_of(Write(register), 21.5) == [615]
    assert fields_of(register, [615]) == {"v": 21.5}


def test_several_values() -> None:
    coils = Write(Register("v", "coil", 0, "bit"), count=3)

    assert registers_of(coils, [True, False, 1]) == [1, 0, 1]
    assert registers_of(Write(Register("v", "holding", 0, "u32", 2), count=2), [1, 65536]) == [
        *(0, 1, 1, 0),
    ]


@pytest.mark.parametrize(
    ("write", "given", "problem"),
    [
        (Write(Register("v", "holding", 0)), -1, "fits u16"),
        (Write(Register("v", "holding", 0)), 65536, "fits u16"),
        (Write(Register("v", "holding", 0)), 10**400, "fits u16"),
        (Write(Register("v", "holding", 0, "f32", 2)), 1e39, "fits f32"),
        (Write(Register("v", "holding", 0, "f64", 4)), 10**400, "fits f64"),
        (Write(Register("v", "holding", 0, "f64", 4, scale=0.1)), 1e308, "fits f64"),
        (Write(Register("v", "holding", 0)), True, "expected a number"),
        (Write(Register("v", "holding", 0)), "1", "expected a number"),
        (Write(Register("v", "holding", 0)), None, "expected a number"),
        (Write(Register("v", "holding", 0), least=1, most=2.5), 3, "at least 1 and at most 2.5"),
        (Write(Register("v", "holding", 0), least=1), 0, "at least 1"),
        (Write(Register("v", "coil", 0, "bit")), 2, "true or false"),
        (Write(Register("v", "coil", 0, "bit")), 1.0, "true or false"),
        (Write(Register("v", "coil", 0, "bit")), [True], "true or false"),
        (Write(Register("v", "coil", 0, "bit"), count=2), [True], "an array of 2"),
        (Write(Register("v", "holding", 0, "string", 2)), "LEAFS", "at most 4 bytes"),
        (Write(Register("v", "holding", 0, "string", 2)), 5, "expected a string"),
    ],
)
def test_a_value_that_cannot_be_written(write: Write, given: object, problem: str) -> None:
    with pytest.raises(BadValue) as caught:
        registers_of(write, given)

    assert problem in caught.value.text
