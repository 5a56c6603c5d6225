"""What a line says. Frames are as their data sheets have them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.cli.ports.sniff import judge
from leafnode.link.device import DeviceSession

NMEA = b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"
PMS5003 = bytes.fromhex(
    "424d001c000500070008000500070008034400f6003500030000000097 00".replace(" ", "")
)
SDS011 = bytes.fromhex("aac0d4043a0aa1601dab")
MHZ19 = bytes.fromhex("ff8602603c00000000")
DSMR = b"/KFM5KAIFA-METER\r\n\r\n1-3:0.2.8(42)\r\n1-0:1.8.1(000123.456*kWh)\r\n!"
MODBUS = bytes.fromhex("010302000179 84".replace(" ", ""))


def with_sum16(frame: bytes) -> bytes:
    return frame + sum(frame).to_bytes(2, "big")


def with_modbus_crc(frame: bytes) -> bytes:
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return frame + crc.to_bytes(2, "little")


def vedirect() -> bytes:
    block = b"\r\nPID\t0xA053\r\nV\t12800\r\nChecksum\t"
    return block + bytes([-sum(block) % 256])


def dsmr() -> bytes:
    crc = 0
    for byte in DSMR:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return DSMR + b"%04X\r\n" % crc


def link() -> bytes:
    device = DeviceSession("node1", 77)
    return b"\0" + device.data_to_send(0)


@pytest.mark.parametrize(
    ("data", "what", "options"),
    [
        (NMEA * 2, "NMEA 0183", "preset: nmea"),
        (with_sum16(PMS5003[:30]), "particles, PMS5003 or alike", "preset: pms5003"),
        (SDS011, "particles, SDS011", "preset: sds011"),
        (MHZ19[:8] + bytes([-sum(MHZ19[1:8]) & 0xFF]), "carbon dioxide, MH-Z19", "preset: mhz19"),
        (vedirect() * 3, "VE.Direct", "preset: vedirect"),
        (dsmr(), "smart meter, DSMR P1", "preset: dsmr"),
        (b"\x022 0 00123000000\r" * 3, "scale, Toledo continuous", "preset: toledo"),
        (with_modbus_crc(bytes([1, 3, 4, 0, 1, 2, 3])) * 2, "Modbus RTU, somebody else polls",
         "framing: idle, check: crc16_modbus, codec: raw"),
        (link(), "this project's device link", "framing: link"),
        (b"\r\n#12 pt temp 21.5*10\r\n", "a board, in this project's text dialect",
         "framing: text_link"),
    ],
)  # fmt: skip
def test_a_frame_whose_check_holds_is_known_within_noise(
    data: bytes, what: str, options: str
) -> None:
    guess = judge(9600, b"\x80\x81" + data + b"\x82")

    assert guess is not None
    assert (guess.what, guess.options, guess.baud) == (what, options, 9600)
    assert guess.score > 90


def test_a_check_that_does_not_hold_makes_no_frame() -> None:
    for data in (SDS011[:-2] + b"\x00\xab", MHZ19, with_sum16(PMS5003[:30])[:-1] + b"\x00"):
        assert judge(9600, b"\x80" + data + b"\x80" * 8) is None
    nmea = judge(4800, NMEA.replace(b"*47", b"*48") * 4)
    assert nmea is not None
    assert nmea.what == "lines of text"


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (b'{"t": 21.5}', "lines of JSON"),
        (b"21.5,40,1013", "lines of numbers"),
        (b"S S     100.00 g", "a scale (SICS)"),
        (b"temp=21.5 hum: 40", "lines of name and value"),
        (b"hello world", "lines of text"),
        (b"#12 pt temp 21.5", "a board, in this project's text dialect"),
        (b"it is 21.5", "lines of text"),
    ],
)
def test_lines_say_what_they_are(row: bytes, what: str) -> None:
    guess = judge(115_200, b"tail" + b"\r\n" + (row + b"\r\n") * 5 + b"hea")

    assert guess is not None
    assert (guess.what, guess.line, guess.count, guess.sample) == (what, "8N1", 5, row)


@pytest.mark.parametrize(
    ("row", "options"),
    [
        (b"21.5,40,1013", "framing: line, codec: csv, fields: [column1, column2, column3]"),
        (b"1;2", 'framing: line, codec { type: csv, separator: ";", fields: [column1, column2] }'),
    ],
)
def test_columns_are_counted(row: bytes, options: str) -> None:
    guess = judge(9600, (row + b"\r\n") * 5)

    assert guess is not None
    assert guess.options == options


@pytest.mark.parametrize(("line", "ones"), [("7E1", 0), ("7O1", 1)])
def test_a_parity_bit_is_seen_in_text_that_was_heard_without(line: str, ones: int) -> None:
    text = b"ST,GS,+0001.23 kg\r\n" * 6
    heard = bytes(byte | 0x80 if byte.bit_count() % 2 != ones else byte for byte in text)

    guess = judge(9600, heard)

    assert guess is not None
    assert (guess.line, guess.sample) == (line, b"ST,GS,+0001.23 kg")


@pytest.mark.parametrize("row", [b"S I", b"S +", b"SI -", b"T I"])
def test_a_scale_that_has_no_weight_just_now_is_a_scale(row: bytes) -> None:
    """Something moved on it while it was asked: MT-SICS says I, + and - then."""
    guess = judge(9600, row + b"\r\n", asked=b"S\r\n")

    assert guess is not None
    assert (guess.what, guess.options) == ("a scale (SICS)", "preset: sics")


def test_noise_and_silence_are_nothing() -> None:
    rng = random.Random(5)

    assert judge(9600, b"") is None
    assert judge(9600, b"\r\n") is None
    for _ in range(50):
        assert judge(9600, rng.randbytes(400)) is None


@given(st.binary(max_size=300))
def test_whatever_is_heard_is_judged(data: bytes) -> None:
    guess = judge(9600, data)

    assert guess is None or 0 < guess.score < 100
