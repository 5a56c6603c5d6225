"""Columns become a JSON object; what is plainly a number becomes one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.csv import CsvCodec, typed
from leafnode.bridge.reading import BadReading


def test_columns_get_their_names() -> None:
    codec = CsvCodec(("temp", "hum", "unit"))

    assert codec(b"21.5, 40,C") == b'{"temp":21.5,"hum":40,"unit":"C"}'


def test_a_quoted_column_may_hold_a_comma() -> None:
    assert CsvCodec(("a", "b"))(b'"x, y",2') == b'{"a":"x, y","b":2}'


@pytest.mark.parametrize("payload", [b"1", b"1,2,3", b"", b'"1,2'])
def test_another_number_of_columns_is_bad(payload: bytes) -> None:
    with pytest.raises(BadReading):
        CsvCodec(("a", "b"))(payload)


def test_the_reason_says_how_many_columns_came() -> None:
    with pytest.raises(BadReading) as caught:
        CsvCodec(("a", "b"))(b"1,2,3")

    assert caught.value.reason == "has 3 columns instead of 2"


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


@given(st.binary(max_size=64))
def test_garbage_is_json_with_these_fields_or_bad(payload: bytes) -> None:
    try:
        encoded = CsvCodec(("a", "b"))(payload)
    except BadReading:
        return
    assert list(json.loads(encoded)) == ["a", "b"]
