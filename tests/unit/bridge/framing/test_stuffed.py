"""STX, ETX and DLE at their edges; what holds for all framings is in test_split.py."""

from __future__ import annotations

from leafnode.config.crc_catalog import CATALOG
from leafnode.config.serial_stage_options import CheckOptions
from tests.unit.bridge.framing.feeding import feed, framing_of


def test_marks_in_the_content_are_escaped() -> None:
    framing = framing_of("stx_etx")

    assert feed(framing, b"\x02a\x10\x02b\x10\x03c\x10\x10\x03") == [b"a\x02b\x03c\x10"]


def test_a_block_check_character_behind_etx_covers_it_but_not_stx() -> None:
    bcc = CheckOptions("xor8", at=-1)
    framing = framing_of("stx_etx", after_end=1, check=bcc)
    value = bytes((0x41 ^ 0x42 ^ 0x03,))

    assert feed(framing, b"\x02AB\x03" + value + b"\x02AC\x03" + value) == [b"AB"]
    assert framing.counts().bad == 1


def test_df1_with_its_crc() -> None:
    """The example of Allen-Bradley 1770-6.5.16, chapter 2: application data, then DLE ETX CRC."""
    content = b"\x07\x11\x41\x00\x53\xb9" + bytes(12)
    arc = CheckOptions("crc16_arc", crc=CATALOG["crc16_arc"][0], form="little", at=-2)
    framing = framing_of("stx_etx", escape="double", after_end=2, check=arc)
    stuffed = content.replace(b"\x10", b"\x10\x10")

    assert feed(framing, b"\x10\x02" + stuffed + b"\x10\x03\x6b\x4c") == [content]


def test_a_doubled_dle_is_one() -> None:
    framing = framing_of("stx_etx", escape="double")

    assert feed(framing, b"\x10\x02a\x10\x10\x03\x10\x03") == [b"a\x10\x03"]


def test_a_dle_before_anything_else_spoils_its_frame() -> None:
    framing = framing_of("stx_etx", escape="double")

    assert feed(framing, b"\x10\x02a\x10x\x10\x03\x10\x02b\x10\x03") == [b"b"]
    assert framing.counts().bad == 1


def test_an_escaped_start_outside_of_a_frame_is_none() -> None:
    assert feed(framing_of("stx_etx"), b"a\x10\x02b\x03\x02c\x03") == [b"c"]


def test_a_start_inside_a_frame_begins_it_anew() -> None:
    assert feed(framing_of("stx_etx"), b"\x02half\x02whole\x03") == [b"whole"]
    assert feed(framing_of("stx_etx", escape="double"), b"\x10\x02a\x10\x02b\x10\x03") == [b"b"]


def test_a_frame_of_the_maximum_is_a_reading_and_one_byte_more_is_not() -> None:
    framing = framing_of("stx_etx", max_frame_bytes=6)

    assert feed(framing, b"\x021234\x03\x0212345\x03\x02" + b"\x10\x10" * 4 + b"\x03") == [
        b"1234",
        b"\x10" * 4,
    ]
    assert framing.counts().overlong == 1
