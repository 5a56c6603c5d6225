"""The simulated slave does what the Modbus specification says.

Truth: Modbus Application Protocol V1.1b3, section 6, whose examples name the frames.
"""

from __future__ import annotations

import json
import struct
from random import Random

import pytest

from leafnode.bridge.checks.crc import crc
from leafnode.bridge.modbus.master import ModbusFraming
from leafnode.bridge.reading import Reading
from leafnode.cli.sim.modbus import Modbus
from leafnode.clock import NS_PER_MS
from leafnode.config.crc_catalog import CATALOG
from tests.unit.config.test_serial_framing import port

CRC = crc(CATALOG["crc16_modbus"][0])


def framed(text: str) -> bytes:
    frame = bytes.fromhex(text)
    return frame + CRC(frame).to_bytes(2, "little")


def slave() -> Modbus:
    return Modbus(Random(1))


def registers(answer: bytes) -> tuple[int, ...]:
    assert answer == framed(answer[:-2].hex())
    return struct.unpack(f">{answer[2] // 2}H", answer[3:-2])


def test_the_input_registers_are_those_of_a_meter() -> None:
    answer = slave().answer(framed("01 04 0000 0008"), 0)

    assert answer[:3] == b"\x01\x04\x10"
    volts, amperes, *rest = registers(answer)
    power = struct.unpack(">f", struct.pack(">HH", *rest[:2]))[0]
    assert 2250 <= volts <= 2360
    assert power == pytest.approx(volts / 10 * amperes / 100, rel=0.05)
    assert rest[4] == 5000


def test_what_is_written_is_read_again() -> None:
    one = slave()

    assert one.answer(framed("01 06 0003 00d7"), 0) == framed("01 06 0003 00d7")
    assert one.answer(framed("01 10 0004 0002 04 0001 0002"), 0) == framed("01 10 0004 0002")
    assert registers(one.answer(framed("01 03 0003 0003"), 0)) == (215, 1, 2)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("01 03 000f 0002", "01 83 02"),
        ("01 04 0000 0000", "01 84 03"),
        ("01 04 0000 007e", "01 84 03"),
        ("01 01 0000 0001", "01 81 01"),
        ("01 06 0010 0001", "01 86 02"),
        ("01 10 000f 0002 04 0001 0002", "01 90 02"),
        ("01 10 0000 0003 04 0001 0002", "01 90 03"),
    ],
)
def test_what_it_cannot_do_it_says_with_an_exception(request_: str, answer: str) -> None:
    assert slave().answer(framed(request_), 0) == framed(answer)


@pytest.mark.parametrize("text", ["02 03 0000 0001", "00 03 0000 0001"])
def test_what_is_for_others_or_for_all_has_no_answer(text: str) -> None:
    assert slave().answer(framed(text), 0) == b""


def test_what_is_written_for_all_is_done() -> None:
    one = slave()

    assert one.answer(framed("00 06 0000 0007"), 0) == b""
    assert registers(one.answer(framed("01 03 0000 0001"), 0)) == (7,)


def test_a_request_comes_in_pieces() -> None:
    one = slave()
    request = framed("01 10 0004 0002 04 0001 0002")

    answers = [one.answer(request[at : at + 1], at * NS_PER_MS) for at in range(len(request))]

    assert b"".join(answers) == framed("01 10 0004 0002")


def test_a_damaged_request_has_no_answer_and_a_silence_begins_anew() -> None:
    one = slave()
    good = framed("01 03 0000 0001")

    assert one.answer(good[:-1] + b"\0", 0) == b""
    assert one.answer(good[:5], 30 * NS_PER_MS) == b""
    assert one.answer(good, 60 * NS_PER_MS) != b""


def test_it_keeps_no_more_than_a_request() -> None:
    one = slave()

    for _ in range(50):
        one.answer(b"\x01\x10\0\0\0\1\xff" + bytes(100), 0)

    assert len(one._request) <= 256


def test_the_entry_of_a_port_reads_what_it_measures() -> None:
    one = Modbus(Random(1), 9)
    master = ModbusFraming(port(one.entry), b"x")
    master.opened(0)

    for now_ms in range(0, 3000, 10):
        if data := master.data_to_send(now_ms):
            master.receive(one.answer(data, now_ms * NS_PER_MS), now_ms + 5)
        reading = master.next_event()
        if isinstance(reading, Reading):
            fields = json.loads(reading.payload)
            break
    else:
        raise AssertionError("nothing was read")

    assert (reading.device, reading.name) == (b"meter", b"now")
    assert fields["power"] == pytest.approx(fields["voltage"] * fields["current"], rel=0.05)
    assert fields["frequency"] == 50
    assert -5 <= fields["temperature"] <= 40
