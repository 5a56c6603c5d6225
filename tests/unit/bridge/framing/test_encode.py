"""Frames to send: whatever is sent in a framing, the framing reads as what was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.checks import new_check
from leafnode.bridge.framing import new_framing
from leafnode.bridge.framing.encode import Encoder, Unfit
from leafnode.bridge.reading import Reading
from tests.unit.config.test_serial_framing import port

FRAMINGS = [
    "framing: cobs",
    "framing: slip",
    "framing: hdlc",
    "framing: hdlc, check: crc16_x25",
    "framing: stx_etx",
    "framing { type: stx_etx, escape: double }",
    "framing { type: stx_etx, after_end: 1 }, check { type: xor8, from: 1 }",
    'framing { type: length, start: "BM", length_bytes: 2, length_add: 4 }, check: sum16',
    'framing { type: length, start: "hex:AA", length_bytes: 1, length_order: little }, check: crc8',
    'framing { type: start_end, start: "hex:00 01", end: "hex:02 03" }, check: crc32',
    'framing { type: fixed, length: 12, start: "hex:AA C0", end: "hex:AB" }, check: sum8',
    "framing: line, check { type: crc16_modbus, form: hex }",
    "framing: line",
    "framing { type: line }, check { type: sum8, form: decimal }",
]


def read(text: str, data: bytes) -> list[bytes]:
    options = port(text + ", codec: raw")
    framing = new_framing(options, b"x", lambda: 0)
    framing.opened(0)
    framing.receive(b"\n" * options.framing.type.count("line") + data, 0)
    payloads = []
    while (event := framing.next_event()) is not None:
        assert isinstance(event, Reading)
        payloads.append(event.payload)
    return payloads


@pytest.mark.parametrize("text", FRAMINGS)
@given(content=st.binary(min_size=1, max_size=60))
def test_what_is_sent_is_read_as_it_was_meant(text: str, content: bytes) -> None:
    options = port(text + ", codec: raw")
    if options.framing.type == "fixed":
        content = content[:8].ljust(8, b"x")
    encoder = Encoder(options.framing, new_check(options.check), b"\r\n")
    kind = options.framing.type
    if kind == "line" and (b"\r" in content or b"\n" in content):
        content = b"21.5"
    try:
        data = encoder.frame(content)
    except Unfit:
        # Its marks may also come about where content and mark or check meet.
        assert kind == "start_end"
        return

    # Delimited framings pass over what comes before the first delimiter.
    got = read(text, data + data)[-1]
    length = options.framing.length_bytes if kind == "length" else 0
    assert got[length:] == content


@pytest.mark.parametrize(
    ("text", "content", "problem"),
    [
        ("framing: line", b"a\nb", "line end"),
        ("framing: line", b"a\rb", "line end"),
        ('framing { type: start_end, start: "<", end: ">" }', b"a>b", "a mark of the framing"),
        ('framing { type: start_end, start: "<", end: ">" }', b"a<b", "a mark of the framing"),
        ('framing { type: fixed, length: 5, start: "<" }', b"abc", "makes 4 bytes"),
        ('framing { type: length, start: "<", length_bytes: 1 }', b"x" * 254, "length"),
        ("framing: line, check: nmea, codec: nmea", b"PMTK", "check"),
        ("framing: line, check: nmea, codec: nmea", b"", "is empty"),
        ("framing { type: slip, max_frame: 10 }", b"x" * 30, "longer than max_frame"),
    ],
)
def test_what_no_frame_can_hold(text: str, content: bytes, problem: str) -> None:
    options = port(text)

    with pytest.raises(Unfit) as caught:
        Encoder(options.framing, new_check(options.check), b"\r\n").frame(content)

    assert problem in caught.value.text


def test_frames_of_the_manuals() -> None:
    def frame(text: str, content: bytes) -> bytes:
        options = port(text)
        return Encoder(options.framing, new_check(options.check), b"\r\n").frame(content)

    # MediaTek's PMTK packets; the question of an MH-Z19, whose start is FF 01.
    nmea = frame("framing: line, check: nmea, codec: nmea", b"$PMTK103")
    assert nmea == b"$PMTK103*30\r\n"
    mhz19 = 'framing { type: fixed, length: 9, start: "hex:FF" }, check { type: twos8, from: 1 }'
    assert frame(mhz19, bytes.fromhex("01 86 00 00 00 00 00")).hex() == "ff0186000000000079"
    assert frame("framing: idle, check: crc16_modbus", bytes.fromhex("01 03 00 00 00 02")) == (
        bytes.fromhex("01 03 00 00 00 02 C4 0B")
    )
