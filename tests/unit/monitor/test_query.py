"""Query fields. The texts are copied from nats-server 2.15.1."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.monitor.query import BadQuery, Query


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True"])
def test_what_go_takes_for_true(text: str) -> None:
    assert Query(f"subs={text}").flag("subs")


@pytest.mark.parametrize("query", ["", "subs=", "subs=0", "subs=false", "other=1"])
def test_absent_or_false_is_false(query: str) -> None:
    assert not Query(query).flag("subs")


@pytest.mark.parametrize(
    ("query", "kind", "text"),
    [
        (
            "x=zz",
            "flag",
            "Error decoding boolean for 'x': strconv.ParseBool: parsing \"zz\": invalid syntax",
        ),
        (
            "x=%ff%00%0d%0aX:1",
            "flag",
            "Error decoding boolean for 'x': strconv.ParseBool: parsing "
            r'"\xff\x00\r\nX:1": invalid syntax',
        ),
        (
            "x=x",
            "number",
            "Error decoding int for 'x': strconv.Atoi: parsing \"x\": invalid syntax",
        ),
        (
            "x=99999999999999999999",
            "number",
            "Error decoding int for 'x': strconv.Atoi: parsing \"99999999999999999999\": "
            "value out of range",
        ),
        (
            "x=-1",
            "unsigned",
            "Error decoding uint64 for 'x': strconv.ParseUint: parsing \"-1\": invalid syntax",
        ),
    ],
)
def test_bad_values_are_worded_as_go_does(query: str, kind: str, text: str) -> None:
    with pytest.raises(BadQuery) as caught:
        getattr(Query(query), kind)("x")

    assert str(caught.value) == text


def test_numbers_may_be_negative_and_as_large_as_go_has_them() -> None:
    assert Query("x=-7").number("x") == -7
    assert Query("x=9223372036854775807").number("x") == 2**63 - 1
    assert Query("x=18446744073709551615").unsigned("x") == 2**64 - 1


def test_more_fields_than_any_endpoint_has_are_refused() -> None:
    Query("&".join(["a=1"] * 32))

    with pytest.raises(BadQuery, match="too many query fields"):
        Query("&".join(["a=1"] * 33))


@given(st.text(max_size=200))
def test_no_text_raises_anything_else(text: str) -> None:
    for kind in ("flag", "number", "unsigned", "text"):
        with suppress(BadQuery):
            getattr(Query(text), kind)("x")
