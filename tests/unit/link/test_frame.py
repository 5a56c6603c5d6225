"""Frames on the line: one golden frame byte for byte, then all that a line does to them."""

from leafnode.link import cobs, const
from leafnode.link.counters import LineCounters
from leafnode.link.crc16 import crc16
from leafnode.link.frame import FrameReader, FrameWriter
from tests.unit.link.wire import frames_in, from_device

# PUB flags 0 boot 0x01020304 seq 5 ack 2, subject "t", payload "hi"; CRC-32 0xDCA1C62E (zlib.crc32)
GOLDEN = b"\x00\x02\x03\x06\x04\x03\x02\x01\x05\x01\x01\x02\x02\x01\x01\x09\x01thi.\xc6\xa1\xdc\x00"


def read_all(data, reader):
    found = []
    at = 0
    while at < len(data):
        at = reader.feed(data, at)
        if reader.ready:
            found.append((reader.kind, bytes(reader.body)))
    return found


def new_reader(frame_bytes_max=256):
    counters = LineCounters()
    return FrameReader(frame_bytes_max, counters), counters


def test_a_frame_is_written_as_the_specification_says():
    assert from_device(const.PUB, 0x01020304, 5, 2, b"\x01thi") == GOLDEN


def test_a_frame_is_read_as_the_specification_says():
    assert frames_in(GOLDEN) == [(const.PUB, 0x01020304, 5, 2, b"\x01thi")]


def test_two_frames_share_one_leading_delimiter():
    writer = FrameWriter(256, 0)
    writer.put(const.PING, 1, 0, 0)
    writer.put(const.PONG, 1, 0, 0)
    data = writer.take()

    assert [frame[0] for frame in frames_in(data)] == [const.PING, const.PONG]
    assert data.count(b"\x00") == 3
    assert writer.take() == b""


def test_the_writer_has_room_for_exactly_two_frames_of_the_largest_size():
    writer = FrameWriter(const.FRAME_BYTES_MIN, 0)
    body_bytes = const.FRAME_BYTES_MIN - const.OVERHEAD_BYTES
    for _ in range(2):
        assert writer.has_room()
        writer.put(const.LOG, 1, 0, 0, body_bytes)

    assert not writer.has_room()
    assert len(frames_in(writer.take())) == 2
    assert writer.has_room()


def test_any_chunking_gives_the_same_frames():
    data = GOLDEN + b"noise" + from_device(const.PING) + b"\x00\x00" + GOLDEN
    whole = read_all(data, new_reader()[0])
    assert len(whole) == 3

    for size in (1, 2, 3, 7, 30):
        reader, counters = new_reader()
        found = []
        for start in range(0, len(data), size):
            found += read_all(data[start : start + size], reader)
        assert found == whole
        assert counters.noise_bytes == len("noise")


def test_a_boot_banner_and_repl_output_are_noise_not_errors():
    banner = b"\r\nMicroPython v1.29.0 on 2026-07-05; Raspberry Pi Pico with RP2040\r\n>>> "
    reader, counters = new_reader()

    found = read_all(banner + from_device(const.PING), reader)

    assert found == [(const.PING, b"")]
    assert counters.noise_bytes == len(banner)
    assert counters.bad_frames == 0


def test_a_changed_byte_is_a_bad_frame_and_the_next_frame_is_read():
    reader, counters = new_reader()
    damaged = bytearray(from_device(const.LOG, body=b"\x06hello"))
    damaged[-8] ^= 0x10  # within the text, so that the stuffing stays valid

    found = read_all(bytes(damaged) + from_device(const.PING), reader)

    assert found == [(const.PING, b"")]
    assert counters.bad_frames == 1


def test_every_single_bit_error_is_refused():
    data = from_device(const.PUB, 0x01020304, 5, 2, b"\x01thi")
    for bit in range(8, 8 * (len(data) - 1)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert frames_in(bytes(damaged)) == []


def test_a_line_without_end_costs_no_more_than_one_frame():
    reader, counters = new_reader(const.FRAME_BYTES_MIN)
    flood = b"x" * 10000

    assert read_all(flood, reader) == []
    assert read_all(b"\x00" + from_device(const.PING), reader) == [(const.PING, b"")]
    assert counters.noise_bytes == len(flood)


def test_a_frame_of_the_largest_size_is_read_and_one_byte_more_is_noise():
    body_bytes = const.FRAME_BYTES_MIN - const.OVERHEAD_BYTES
    reader, counters = new_reader(const.FRAME_BYTES_MIN)

    assert len(read_all(from_device(const.LOG, body=b"x" * body_bytes), reader)) == 1
    assert read_all(from_device(const.LOG, body=b"x" * (body_bytes + 1)), reader) == []
    assert counters.noise_bytes > 0
    assert counters.bad_frames == 0


# CRC-16

# PING flags 0x80 boot 0x01020304 seq 0 ack 2; CRC-16 0xA8EB (binascii.crc_hqx from 0xFFFF)
GOLDEN16_PLAIN = b"\x05\x80\x04\x03\x02\x01\x00\x00\x00\x00\x02\x00\x00\x00"


def frame16(kind=const.PING):
    writer = FrameWriter(256, 0, crc16)
    writer.put(kind, 0x01020304, 0, 2)
    return writer.take()


def test_a_frame_with_a_crc16_is_written_as_the_specification_says():
    plain = GOLDEN16_PLAIN + crc16(GOLDEN16_PLAIN).to_bytes(2, "little")
    wire = bytearray(40)

    end = cobs.encode_into(bytearray(plain), len(plain), wire, 0)

    assert frame16() == b"\x00" + bytes(wire[:end]) + b"\x00"


def test_who_knows_both_reads_both_and_who_knows_one_reads_that():
    data = frame16() + from_device(const.PONG)
    for options, kinds in (
        ({}, [const.PONG]),
        ({"crc16": crc16}, [const.PING, const.PONG]),
        ({"crc16": crc16, "only16": True}, [const.PING]),
    ):
        counters = LineCounters()
        reader = FrameReader(256, counters, **options)

        assert [kind for kind, _ in read_all(data, reader)] == kinds
        assert counters.bad_frames == 2 - len(kinds)


def test_a_damaged_frame_with_a_crc16_is_a_bad_one():
    for bit in range(8 * 3, 8 * 15):
        data = bytearray(frame16())
        data[bit // 8] ^= 1 << bit % 8
        counters = LineCounters()

        assert read_all(bytes(data), FrameReader(256, counters, crc16)) == []
