"""Requests and answers as bytes. Vectors: "MODBUS Application Protocol Specification" V1.1b3."""

from __future__ import annotations

import pytest
from pymodbus.framer import FramerRTU

from leafnode.bridge.modbus.wire import CANDIDATES_MAX, Wire


def framed(pdu: str, slave: int = 17) -> bytes:
    content = bytes((slave,)) + bytes.fromhex(pdu)
    return content + FramerRTU.compute_CRC(content).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("table", "address", "count", "request_pdu", "answer_pdu", "values"),
    [
        # Sections 6.1 to 6.4.
        ("coil", 0x13, 19, "0100130013", "0103CD6B05", "1011001111010110101"),
        ("discrete", 0xC4, 22, "0200C40016", "0203ACDB35", "0011010111011011101011"),
        ("holding", 0x6B, 3, "03006B0003", "0306022B00000064", [555, 0, 100]),
        ("input", 8, 1, "0400080001", "0402000A", [10]),
    ],
)
def test_reads_as_the_specification_has_them(
    table: str,
    address: int,
    count: int,
    request_pdu: str,
    answer_pdu: str,
    values: str | list[int],
) -> None:
    wire = Wire()

    request = wire.read(17, table, address, count)
    answer = wire.find(request, framed(answer_pdu))

    assert request.frame == framed(request_pdu)
    assert answer is not None
    assert answer.values == [int(value) for value in values]
    assert (answer.exception, answer.at, answer.size) == (0, 0, request.answer_bytes)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("another slave's", framed("0302000A", 18)),
        ("of another function", framed("0402000A")),
        ("of another size", framed("0304000A000B")),
        ("cut short", framed("0302000A")[:-1]),
        ("with a wrong CRC", framed("0302000A")[:-1] + b"\0"),
        ("an exception of another function", framed("8402")),
        ("nothing", b""),
    ],
)
def test_what_is_no_answer_to_this_request(what: str, data: bytes) -> None:
    wire = Wire()

    assert wire.find(wire.read(17, "holding", 0, 1), data) is None, what


def test_an_exception_has_its_code() -> None:
    wire = Wire()

    answer = wire.find(wire.read(17, "holding", 0, 1), b"\xff" + framed("8302"))

    assert answer is not None
    assert (answer.exception, answer.values, answer.at, answer.size) == (2, [], 1, 5)


def test_no_flip_of_one_or_two_bits_is_taken() -> None:
    wire = Wire()
    request = wire.read(17, "holding", 0, 2)
    right = framed("0304000A000B")

    for one in range(8 * len(right)):
        for other in range(one, 8 * len(right)):
            bits = int.from_bytes(right, "big") ^ 1 << one
            bits ^= 1 << other if other != one else 0
            assert wire.find(request, bits.to_bytes(len(right), "big")) is None


@pytest.mark.parametrize(
    ("table", "address", "values", "multiple", "request_pdu", "answer_pdu"),
    [
        # Sections 6.5, 6.6, 6.11 and 6.12.
        ("coil", 0xAC, [1], False, "0500ACFF00", "0500ACFF00"),
        ("coil", 0xAC, [0], False, "0500AC0000", "0500AC0000"),
        ("holding", 1, [3], False, "0600010003", "0600010003"),
        (
            "coil", 0x13, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0], False,
            "0F0013000A02CD01", "0F0013000A",
        ),
        ("holding", 1, [10, 258], False, "100001000204000A0102", "1000010002"),
        ("holding", 1, [10], True, "100001000102000A", "1000010001"),
        ("coil", 1, [1], True, "0F000100010101", "0F00010001"),
    ],
)  # fmt: skip
def test_writes_as_the_specification_has_them(
    table: str, address: int, values: list[int], multiple: bool, request_pdu: str, answer_pdu: str
) -> None:
    wire = Wire()

    request = wire.write(17, table, address, values, multiple=multiple)

    assert request.frame == framed(request_pdu)
    answer = wire.find(request, b"\xff" + framed(answer_pdu))
    assert answer is not None
    assert (answer.values, answer.at) == ([], 1)
    other = bytearray(bytes.fromhex(answer_pdu))
    other[-1] ^= 1
    assert wire.find(request, framed(other.hex())) is None, "another value was written"


def test_of_very_many_beginnings_of_an_answer_a_bounded_number_is_looked_at() -> None:
    wire = Wire()
    request = wire.read(3, "holding", 0, 1)
    answer = framed("03020007", slave=3)

    found = wire.find(request, request.head * (CANDIDATES_MAX - 1) + answer)
    assert found is not None
    assert (found.values, found.at) == ([7], 3 * (CANDIDATES_MAX - 1))
    assert wire.find(request, request.head * CANDIDATES_MAX + answer) is None
