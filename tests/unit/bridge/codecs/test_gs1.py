"""Barcodes. The first ones are the examples of the GS1 General Specifications, section 7.8."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.gs1 import decode_gs1, has_check_digit
from leafnode.bridge.reading import BadReading

GS = b"\x1d"


def test_a_case_with_expiry_lot_and_count() -> None:
    fields = decode_gs1(b"]C10195012345678903" + b"17261231" + b"10ABC123" + GS + b"3724")

    assert fields["gtin"] == "95012345678903"
    assert fields["expires"] == "2026-12-31"
    assert fields["lot"] == "ABC123"
    assert fields["units"] == 24
    assert fields["symbology"] == "C1"


def test_a_weight_has_its_decimal_point() -> None:
    fields = decode_gs1(b"]e00195012345678903" + b"3103001750")

    assert fields["net_weight_kg"] == 1.75


def test_a_date_without_a_day_is_a_month() -> None:
    assert decode_gs1(b"]d20109501101530003" + b"17270600")["expires"] == "2027-06"


def test_an_element_of_a_fixed_size_may_have_a_separator_behind_it() -> None:
    fields = decode_gs1(b"]d20109501101530003" + GS + b"21x" + GS)

    assert (fields["gtin"], fields["serial"]) == ("09501101530003", "x")


def test_a_leading_separator_says_gs1_too() -> None:
    assert decode_gs1(GS + b"0109501101530003")["gtin"] == "09501101530003"


@pytest.mark.parametrize(
    ("scan", "gtin"),
    [
        (b"4006381333931", "04006381333931"),
        (b"]E04006381333931", "04006381333931"),
        (b"036000291452", "00036000291452"),
        (b"96385074", "00000096385074"),
    ],
)
def test_a_plain_article_number_is_a_gtin(scan: bytes, gtin: str) -> None:
    assert decode_gs1(scan)["gtin"] == gtin


@pytest.mark.parametrize("scan", [b"4006381333932", b"hello", b"12345", b"]A0ABC-1234"])
def test_any_other_scan_is_a_code(scan: bytes) -> None:
    fields = decode_gs1(scan)

    assert set(fields) == {"code", "symbology"}


@pytest.mark.parametrize(
    "scan",
    [
        b"",
        b"]C1",
        GS,
        b"]C1019501234567890",
        b"]C10195012345678904",
        b"]C10199",
        b"]C1" + b"10" + b"x" * 21,
        b"]C110" + GS,
        b"]C1" + b"17261331",
        b"]C1" + b"17269931",
        b"]C1" + b"10a" + GS + b"10b",
        b"]C1" + b"310300175x",
        b"]C1" + b"37x",
        b"]C1" + b"88",
        b"\xff",
    ],
)
def test_wrong_elements_are_bad(scan: bytes) -> None:
    with pytest.raises(BadReading):
        decode_gs1(scan)


def test_check_digits() -> None:
    assert has_check_digit("6291041500213")  # the example of GS1's calculator
    assert not has_check_digit("6291041500214")


@given(
    st.lists(
        st.sampled_from(["01", "10", "37", "17", "310", "3", "4", "9501101530003", "\x1d", "x"])
    )
)
def test_garbage_is_fields_or_bad(parts: list[str]) -> None:
    try:
        fields = decode_gs1(b"]C1" + "".join(parts).encode())
    except BadReading:
        return
    assert fields["code"]


@pytest.mark.parametrize(
    ("digits", "date"),
    [("760131", "2076-01-31"), ("770131", "1977-01-31"), ("260131", "2026-01-31")],
)
def test_a_date_is_at_most_fifty_years_ahead(digits: str, date: str) -> None:
    assert date in decode_gs1(b"]C1" + b"17" + digits.encode()).values()
