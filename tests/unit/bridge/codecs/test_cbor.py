"""A CBOR map becomes fields. Vectors: RFC 8949, appendix A."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.codecs.cbor import decode_cbor
from leafnode.bridge.reading import BadReading
from leafnode.config import serial_bounds


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("00", 0),
        ("17", 23),
        ("1818", 24),
        ("1903e8", 1000),
        ("1a000f4240", 1_000_000),
        ("1b000000e8d4a51000", 1_000_000_000_000),
        ("1bffffffffffffffff", 18_446_744_073_709_551_615),
        ("20", -1),
        ("3903e7", -1000),
        ("f90000", 0.0),
        ("f93c00", 1.0),
        ("fb3ff199999999999a", 1.1),
        ("fa47c35000", 100_000.0),
        ("f9c400", -4.0),
        ("f97c00", None),
        ("f97e00", None),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("f7", None),
        ("c11a514b67b0", 1_363_896_240),
        ("4401020304", "01020304"),
        ("6161", "a"),
        ("62c3bc", "ü"),
        ("80", []),
        ("8301820203820405", [1, [2, 3], [4, 5]]),
        ("a201020304", {"1": 2, "3": 4}),
        ("5f42010243030405ff", "0102030405"),
        ("7f657374726561646d696e67ff", "streaming"),
        ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
        ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ],
)
def test_the_examples_of_the_standard(item: str, value: object) -> None:
    fields = decode_cbor(bytes.fromhex("a1616b" + item))

    assert fields == {"k": value}
    assert type(fields["k"]) is type(value)
    assert msgspec.json.decode(msgspec.json.encode(fields)) == fields


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "00",
        "a0ff",
        "a1",
        "a16161",
        "a1616118",
        "a16161f8",
        "a161611c",
        "a16161ff",
        "a161615fff41",
        "a161615f6161ff",
        "a161617f7f6161ffff",
        "a161613bffffffffffffffff",
        "a1616162fffe",
        "a1f401",
        "a1800102",
        "a2616101616102",
        "a161619a00ffffff",
        "a161617affffffff",
        "bbffffffffffffffff",
        "9f",
    ],
)
def test_what_is_not_one_whole_map_is_bad(payload: str) -> None:
    with pytest.raises(BadReading):
        decode_cbor(bytes.fromhex(payload))


def test_values_are_no_deeper_and_no_more_than_the_bounds() -> None:
    deep = b"\xa1\x61a" + b"\x81" * serial_bounds.CBOR_DEPTH_MAX
    many = b"\xa1\x61a\x99" + (serial_bounds.CBOR_VALUES_MAX - 3).to_bytes(2, "big")

    assert decode_cbor(deep[:-1] + b"\x00")
    assert len(decode_cbor(many + b"\x00" * (serial_bounds.CBOR_VALUES_MAX - 3))["a"]) == 509  # type: ignore[arg-type]
    for wrong in (deep + b"\x00", b"\xa1\x61a\x99\x02\x00" + b"\x00" * 512, b"\xc1" * 100_000):
        with pytest.raises(BadReading):
            decode_cbor(wrong)


@given(st.binary(max_size=40))
def test_garbage_is_a_map_that_json_has_or_bad(payload: bytes) -> None:
    for data in (payload, b"\xa1\x61a" + payload):
        try:
            fields = decode_cbor(data)
        except BadReading:
            continue
        assert msgspec.json.encode(fields)
