"""Columns become a JSON object; what is plainly a number becomes one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.csv import CsvCodec
from leafnode.bridge.reading import BadReading


def test_columns_get_their_names() -> None:
    codec = CsvCodec(("temp", "hum", "unit"))

    assert codec(b"21.5, 40,C") == {"temp": 21.5, "hum": 40, "unit": "C"}


def test_a_quoted_column_may_hold_a_comma() -> None:
    assert CsvCodec(("a", "b"))(b'"x, y",2') == {"a": "x, y", "b": 2}


def test_columns_may_be_parted_by_another_character() -> None:
    assert CsvCodec(("a", "b"), ";")(b"1,5;2") == {"a": "1,5", "b": 2}


@pytest.mark.parametrize("payload", [b"1", b"1,2,3", b"", b'"1,2'])
def test_another_number_of_columns_is_bad(payload: bytes) -> None:
    with pytest.raises(BadReading):
        CsvCodec(("a", "b"))(payload)


def test_the_reason_says_how_many_columns_came() -> None:
    with pytest.raises(BadReading) as caught:
        CsvCodec(("a", "b"))(b"1,2,3")

    assert caught.value.reason == "has 3 columns instead of 2"


@given(st.binary(max_size=64))
def test_garbage_has_these_fields_or_is_bad(payload: bytes) -> None:
    try:
        fields = CsvCodec(("a", "b"))(payload)
    except BadReading:
        return
    assert list(fields) == ["a", "b"]
