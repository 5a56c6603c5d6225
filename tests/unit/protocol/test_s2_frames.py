"""leafnode.protocol.s2_frames: streams of any writer, in any pieces, and what is none."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.limits import S2_BLOCK_BYTES_MAX
from leafnode.protocol.crc32c import crc32c, masked
from leafnode.protocol.s2_block import S2Error, pack
from leafnode.protocol.s2_frames import SNAPPY_START, S2Reader, S2Writer

START = b"\xff\x06\x00\x00S2sTwO"
TEXT = b"LMSG sensors.temp 42\r\n" * 200


def chunk(kind: int, data: bytes, *, body: bytes | None = None) -> bytes:
    whole = masked(crc32c(data)).to_bytes(4, "little") + (data if body is None else body)
    return bytes((kind,)) + len(whole).to_bytes(3, "little") + whole


def read(reader: S2Reader, *pieces: bytes) -> bytes:
    found = b""
    for piece in pieces:
        reader.feed(piece)
        while (unit := reader.work()) is not None:
            found += unit[0]
            assert unit[1] > 0, "each slice costs something"
    return found


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_what_was_written_is_read_in_any_pieces(size: int, *, packs: bool) -> None:
    writer = S2Writer(packs=packs)
    written = [TEXT, b"", b"x", bytes(range(256)) * 600]
    data = b"".join(writer.frames(one) for one in written)

    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert read(S2Reader(), *pieces) == b"".join(written)
    assert data.count(b"S2sTwO") == 1
    assert (len(data) < sum(map(len, written)) / 2) is packs


@given(st.lists(st.binary(max_size=500), max_size=8), st.booleans())
def test_any_writes_come_back(written: list[bytes], packs: bool) -> None:
    writer = S2Writer(packs=packs)

    assert read(S2Reader(), *(writer.frames(one) for one in written)) == b"".join(written)


def test_each_write_is_whole_chunks() -> None:
    writer, reader = S2Writer(packs=True), S2Reader()

    assert [read(reader, writer.frames(one)) for one in (b"PING\r\n", TEXT)] == [b"PING\r\n", TEXT]


def test_what_does_not_get_smaller_goes_as_it_is() -> None:
    data = bytes((at * at * 31 + (at >> 7) * 17) & 0xFF for at in range(100))

    assert S2Writer(packs=True).frames(data) == START + chunk(1, data)


def test_starts_and_what_may_be_skipped_stand_anywhere() -> None:
    stream = (
        START + chunk(1, b"a") + START + b"\xfe\x03\x00\x00xyz" + b"\x99\xff\xff\xff"
    ) + bytes(0xFFFFFF)

    assert read(S2Reader(), stream, chunk(0, b"abab", body=pack(b"abab"))) == b"aabab"
    assert read(S2Reader(), SNAPPY_START + chunk(1, b"a")) == b"a"


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"INFO {}\r\n", "the stream has no start"),
        (b"\xff\x06\x00\x00S2sTwX", "of another kind"),
        (b"\xff\x07\x00\x00", "a chunk of kind 255 with 7 bytes"),
        (START + b"\x02\x00\x00\x00", "a chunk of kind 2"),
        (START + b"\x01\x03\x00\x00abc", "without a checksum"),
        (START + b"\x01\x05\x00\x00aaaab", "a wrong checksum"),
        (START + chunk(0, b"abab", body=pack(b"abac")), "a wrong checksum"),
        (START + b"\x01" + (S2_BLOCK_BYTES_MAX + 5).to_bytes(3, "little"), "a chunk of kind 1"),
        (START + chunk(0, b"", body=b"\xff\xff\xff\x02"), "a block of 6291455 bytes where"),
    ],
)
def test_what_is_no_stream_is_refused_in_words(stream: bytes, words: str) -> None:
    with pytest.raises(S2Error, match=words):
        read(S2Reader(), stream)


def test_a_bound_may_be_small_at_first_and_grow() -> None:
    reader = S2Reader(bytes_max=100)

    assert read(reader, START + chunk(1, bytes(100))) == bytes(100)
    with pytest.raises(S2Error, match="a chunk of kind 1 with 105 bytes"):
        read(reader, chunk(1, bytes(101)))
    bomb = chunk(0, b"", body=pack(bytes(1500)))
    with pytest.raises(S2Error, match="a block of 1500 bytes where 100 may be"):
        read(S2Reader(bytes_max=100), START + bomb)
    reader = S2Reader(bytes_max=100)
    reader.bytes_max = 1000
    assert read(reader, START + chunk(1, bytes(1000))) == bytes(1000)


@given(st.binary(max_size=400), st.booleans())
def test_whatever_comes_is_read_or_refused(data: bytes, begins: bool) -> None:
    with contextlib.suppress(S2Error):
        read(S2Reader(bytes_max=1000), START * begins + data)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_never_taken_for_what_was_sent(at: int, flip: int) -> None:
    data = bytearray(S2Writer(packs=True).frames(TEXT))
    data[at % len(data)] ^= flip
    found = b""
    with contextlib.suppress(S2Error):
        found = read(S2Reader(), bytes(data))

    assert found in {b"", TEXT}
