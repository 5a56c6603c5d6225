"""Pairs of keys and values, parted in the ways that sensors part them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.keyvalue import KeyValueCodec
from leafnode.bridge.reading import BadReading
from leafnode.config import serial_bounds


@pytest.mark.parametrize(
    "payload",
    [b"t=21.5 h=40", b"t:21.5,h:40", b"t=21.5;h:40;", b"t: 21.5, h: 40", b"  t=21.5\r\nh=40  "],
)
def test_the_usual_ways(payload: bytes) -> None:
    assert KeyValueCodec("", "")(payload) == {"t": 21.5, "h": 40}


def test_a_value_may_hold_what_ends_a_key() -> None:
    assert KeyValueCodec("", "")(b"at=12:30 x=a=b") == {"at": "12:30", "x": "a=b"}


def test_an_empty_value_is_none() -> None:
    assert KeyValueCodec("", "")(b"a= b=1") == {"a": None, "b": 1}


def test_given_separators_stand_alone() -> None:
    codec = KeyValueCodec("\r\n", "\t")

    assert codec(b"\r\nPID\t0xA053\r\nSER#\tHQ 1=2\r\n") == {"PID": "0xA053", "SER#": "HQ 1=2"}


@pytest.mark.parametrize(
    "payload", [b"", b"   ", b"word", b"a=1 word", b"=1", b"a=1 a=2", b"x" * 65 + b"=1", b"\xff=1"]
)
def test_what_are_no_pairs_is_bad(payload: bytes) -> None:
    with pytest.raises(BadReading):
        KeyValueCodec("", "")(payload)


def test_there_are_no_more_keys_than_the_bound() -> None:
    pairs = [b"k%d=1" % number for number in range(serial_bounds.READING_FIELDS_MAX + 1)]

    assert len(KeyValueCodec("", "")(b" ".join(pairs[:-1]))) == serial_bounds.READING_FIELDS_MAX
    with pytest.raises(BadReading):
        KeyValueCodec("", "")(b" ".join(pairs))


@given(st.text(alphabet="ab=: ,;\n\0é", max_size=30), st.sampled_from(["", ","]))
def test_garbage_is_fields_or_bad(text: str, separator: str) -> None:
    try:
        fields = KeyValueCodec(separator, "")(text.encode())
    except BadReading:
        return
    assert fields
    assert all(fields)
