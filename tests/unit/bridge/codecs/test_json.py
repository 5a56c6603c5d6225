"""A JSON object is published as it came; everything else is bad. RFC 8259."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.json import decode_json, encode_json
from leafnode.bridge.reading import BadReading


@pytest.mark.parametrize(
    "payload", [b"{}", b'{"t": 21.50, "u":"\xc2\xb0C"}', b' {"a":[1,{"b":null}]} ']
)
def test_an_object_passes_byte_for_byte(payload: bytes) -> None:
    assert encode_json(payload) == payload


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"21.5",
        b"[1]",
        b"null",
        b'{"a":1',
        b'{"a":1} x',
        b"{'a':1}",
        b'{"a":NaN}',
        b'{"a":01}',
        b'{"a":"\xff"}',
        b'{"a":1}\x00',
        b'{"a":' + b"[" * 100_000,
    ],
)
def test_anything_else_is_bad(payload: bytes) -> None:
    with pytest.raises(BadReading):
        encode_json(payload)


def test_where_fields_are_wanted_it_is_decoded() -> None:
    assert decode_json(b' {"a":[1,{"b":null}]} ') == {"a": [1, {"b": None}]}
    with pytest.raises(BadReading):
        decode_json(b"[1]")


def test_the_reason_does_not_quote_the_payload() -> None:
    with pytest.raises(BadReading) as caught:
        encode_json(b'{"password": hunter2}')

    assert "hunter2" not in str(caught.value)


@given(st.binary(max_size=64))
def test_garbage_is_an_object_or_bad(payload: bytes) -> None:
    try:
        encode_json(payload)
    except BadReading:
        return
    assert isinstance(json.loads(payload), dict)
