"""Binary fields with names."""

from __future__ import annotations

import struct

import pytest

from leafnode.bridge.codecs.struct import StructCodec
from leafnode.bridge.reading import BadReading


def test_values_get_their_names() -> None:
    codec = StructCodec("<Hf?2xb", ("count", "temp", "on", "n"))

    assert codec(struct.pack("<Hf?2xb", 7, 21.5, True, -1)) == {
        "count": 7,
        "temp": 21.5,
        "on": True,
        "n": -1,
    }


def test_text_ends_before_its_first_nul() -> None:
    assert StructCodec(">4sH", ("id", "n"))(b"ab\0x\x00\x01") == {"id": "ab", "n": 1}


@pytest.mark.parametrize("payload", [b"", b"1", b"123"])
def test_another_size_is_bad(payload: bytes) -> None:
    with pytest.raises(BadReading, match="instead of 2"):
        StructCodec("<H", ("n",))(payload)


def test_text_that_is_not_utf8_is_bad() -> None:
    with pytest.raises(BadReading):
        StructCodec("<2s", ("id",))(b"\xff\xfe")


def test_what_is_no_number_in_json_is_none() -> None:
    codec = StructCodec("<fff", ("a", "b", "c"))

    assert codec(struct.pack("<fff", float("nan"), float("inf"), 1)) == {
        "a": None,
        "b": None,
        "c": 1.0,
    }
