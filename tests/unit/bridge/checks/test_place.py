"""A value is found where the options say, in their form, over their bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.checks import new_check
from leafnode.config.crc_catalog import CATALOG
from leafnode.config.serial_check import size_of
from leafnode.config.serial_stage_options import CheckOptions

MODBUS = CATALOG["crc16_modbus"][0]


def verify(frame: bytes, head: int = 0, tail: int = 0, **options: object) -> int:
    check = new_check(CheckOptions(**options))  # type: ignore[arg-type]
    assert check is not None
    return check.verify(frame, head, tail)


def test_no_check_is_none() -> None:
    assert new_check(CheckOptions()) is None


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("big", b"\x4b\x37"),
        ("little", b"\x37\x4b"),
        ("hex", b"4B37"),
        ("hex", b"4b37"),
        ("decimal", b"19255"),
    ],
)
def test_a_value_may_stand_in_any_form(form: str, value: bytes) -> None:
    assert verify(b"123456789" + value, type="crc16_modbus", crc=MODBUS, form=form) == len(value)
    assert verify(b"123456780" + value, type="crc16_modbus", crc=MODBUS, form=form) == -1


@pytest.mark.parametrize("value", [b"0x37", b"4B3 ", b"+B37", b"4_37", "\uff14B".encode()])
def test_what_is_no_number_is_wrong(value: bytes) -> None:
    assert verify(b"123456789" + value, type="crc16_modbus", crc=MODBUS, form="hex") == -1


def test_the_start_mark_is_not_covered_and_the_end_mark_stands_behind_the_value() -> None:
    assert (
        verify(b"\x02ab" + bytes((ord("a") + ord("b") & 0xFF,)) + b"\x03", 1, 1, type="sum8") == 1
    )


def test_a_value_behind_the_end_mark_covers_it_and_is_not_of_the_content() -> None:
    frame = b"\x02AB\x03" + bytes((0x41 ^ 0x42 ^ 0x03,))

    assert verify(frame, 1, 2, type="xor8", at=-1) == 0


def test_a_value_and_its_range_may_stand_anywhere() -> None:
    frame = bytes((3, 1, 2, 9, 9))

    assert verify(frame, type="sum8", at=0, over_from=1, over_to=3) == 0
    assert verify(frame, type="sum8", at=0, over_from=-4, over_to=-2) == 0
    assert verify(frame, type="sum8", at=0, over_from=1, over_to=5) == -1


def test_hexadecimal_content_is_calculated_over_what_it_stands_for() -> None:
    # Modbus ASCII: the LRC of 01 03 00 00 00 01 is FB ("Modbus over Serial Line" V1.02, 2.5.2.2).
    options = {"type": "lrc", "form": "hex", "over_hex": True}

    assert verify(b":010300000001FB\r\n", 1, 2, **options) == 2
    assert verify(b":010300000002FB\r\n", 1, 2, **options) == -1
    assert verify(b":01030000000zFB\r\n", 1, 2, **options) == -1


@pytest.mark.parametrize("frame", [b"", b"a", b"ab"])
def test_a_frame_that_is_too_short_for_its_check_is_wrong(frame: bytes) -> None:
    assert verify(frame, 1, 1, type="crc16_modbus", crc=MODBUS) == -1


@given(
    st.binary(max_size=12),
    st.integers(0, 4),
    st.integers(0, 4),
    st.one_of(st.none(), st.integers(-20, 20)),
    st.one_of(st.none(), st.integers(-20, 20)),
    st.one_of(st.none(), st.integers(-20, 20)),
    st.sampled_from(["big", "little", "hex", "decimal"]),
    st.booleans(),
)
def test_whatever_stands_where_nothing_is_raised(
    frame: bytes,
    head: int,
    tail: int,
    at: int | None,
    over_from: int | None,
    over_to: int | None,
    form: str,
    over_hex: bool,
) -> None:
    options = CheckOptions("sum16", None, form, at, over_from, over_to, over_hex)
    check = new_check(options)
    assert check is not None

    assert check.verify(frame, head, tail) in {-1, 0, size_of(options)}
