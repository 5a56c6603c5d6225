"""A text is a number where it is plainly one."""

from __future__ import annotations

import pytest

from leafnode.bridge.codecs.typed import number, typed


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("999999999999999999", 999_999_999_999_999_999),
        ("9999999999999999999", "9999999999999999999"),
        ("00123", "00123"),
        ("21.50", 21.5),
        ("0012.5", 12.5),
        ("+.5", 0.5),
        ("-1e3", -1000.0),
        ("0.00030170167213655163", 0.00030170167213655163),
        ("." + 24 * "3", 1 / 3),
        ("." + 25 * "3", "." + 25 * "3"),
        ("1e999", "1e999"),
        ("", None),
        ("  ", None),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("٣", "٣"),
        ("21,5", "21,5"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_a_column_is_a_number_only_where_it_is_plainly_one(column: str, value: object) -> None:
    assert typed(column) == value
    assert type(typed(column)) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("007", 7),
        ("-01.50", -1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("+3", 3),
        ("1e3", None),
        ("0.00030170167213655163", 0.00030170167213655163),
        ("", None),
    ],
)
def test_where_a_number_must_stand_it_may_have_leading_zeros(text: str, value: object) -> None:
    assert number(text) == value
