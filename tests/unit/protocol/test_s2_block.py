"""leafnode.protocol.s2_block: what comes back, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol.s2_block import S2Error, Unpacker, pack, unpack

MAX = 1 << 20
WORDS = st.sampled_from([b"temp", b"humidity", b"LMSG a.b 5\r\n", b"0", b"\x00" * 70, b"\xff"])


def literal(data: bytes) -> bytes:
    return bytes(((len(data) - 1) << 2,)) + data


@given(st.one_of(st.binary(max_size=3000), st.lists(WORDS, max_size=300).map(b"".join)))
def test_what_was_packed_comes_back(data: bytes) -> None:
    packed = pack(data)

    assert unpack(packed, bytes_max=MAX) == data
    assert len(packed) <= 32 + len(data) + len(data) // 6


@pytest.mark.parametrize("size", [1, 59, 60, 61, 255, 256, 257, 65535, 65536])
def test_a_literal_of_any_length_comes_back(size: int) -> None:
    data = bytes((at * at * 31 + (at >> 7) * 17) & 0xFF for at in range(size))

    assert unpack(pack(data), bytes_max=MAX) == data


@pytest.mark.parametrize("size", [4, 11, 12, 64, 65, 67, 68, 69, 128, 1000, 65536])
def test_a_repetition_of_any_length_is_small_and_comes_back(size: int) -> None:
    packed = pack(b"x" * size)

    assert unpack(packed, bytes_max=MAX) == b"x" * size
    assert len(packed) < 12 + size // 20


@pytest.mark.parametrize(
    ("tail", "unpacked"),
    [
        # A copy whose offset is written, then the same offset again: the lengths of S2.
        (b"\x01\x04" + b"\x01\x00", b"abcd" * 3),
        (b"\x01\x04" + b"\x11\x00", b"abcd" * 4),
        (b"\x01\x04" + b"\x15\x00\x00", b"abcd" * 4),
        (b"\x01\x04" + b"\x15\x00\xfc", b"abcd" * 67),
        (b"\x01\x04" + b"\x19\x00\x00\x00", b"abcd" * 67),
        (b"\x01\x04" + b"\x1d\x00\x00\x00\x00", b"abcd" * (2 + (65536 + 4) // 4)),
        (b"\x0e\x04\x00", b"abcd" * 2),  # two bytes of offset
        (b"\x0f\x04\x00\x00\x00", b"abcd" * 2),  # four
        (b"\x3e\x01\x00", b"abcd" + b"d" * 16),  # it overlaps itself
    ],
)
def test_every_kind_of_copy_is_understood(tail: bytes, unpacked: bytes) -> None:
    size, head = len(unpacked), bytearray()
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)

    assert unpack(bytes(head) + literal(b"abcd") + tail, bytes_max=MAX) == unpacked


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"", "without its length"),
        (b"\x80\x80\x80\x80\x80", "without its length"),
        (b"\x81\x80\x40", "a block of 1048577 bytes where 1048576 may be"),
        (b"\xff\xff\xff\xff\x7f", "bytes where 1048576 may be"),
        (b"\x04" + literal(b"abc"), "ends early"),
        (b"\x02" + literal(b"abc"), "a literal beyond the end"),
        (b"\x04\x0cab", "a literal beyond the end"),
        (b"\x04\xf0", "an element without its end"),
        (b"\x04\xfc\xff\xff", "an element without its end"),
        (b"\x08\x01", "an element without its end"),
        (b"\x08\x02\x01", "an element without its end"),
        (b"\x08\x03\x01\x00\x00", "an element without its end"),
        (b"\x08\x15\x00", "an element without its end"),
        (b"\x08\x01\x00", "a copy of what is not there"),  # a repetition of nothing
        (b"\x08" + literal(b"abcd") + b"\x01\x05", "a copy of what is not there"),
        (b"\x08" + literal(b"abcd") + b"\x0e\x00\x00", "a copy of what is not there"),
        (b"\x07" + literal(b"abcd") + b"\x01\x04", "a copy of what is not there"),
    ],
)
def test_what_is_no_block_is_refused_in_words(packed: bytes, words: str) -> None:
    with pytest.raises(S2Error, match=words):
        unpack(packed, bytes_max=MAX)


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_whatever_comes_holds_no_more_than_may_be(packed: bytes, bytes_max: int) -> None:
    with contextlib.suppress(S2Error):
        assert len(unpack(packed, bytes_max=bytes_max)) <= bytes_max


@given(st.lists(WORDS, max_size=60).map(b"".join), st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_is_an_error_or_other_bytes(data: bytes, at: int, flip: int) -> None:
    packed = bytearray(pack(data))
    packed[at % len(packed)] ^= flip
    with contextlib.suppress(S2Error):
        assert len(unpack(bytes(packed), bytes_max=MAX)) <= MAX


def test_a_block_is_worked_on_in_slices() -> None:
    block = Unpacker(pack(b"abcdefgh" * 1000), bytes_max=MAX)
    slices = 1
    while not block.work(3):
        slices += 1

    assert slices > 20
    assert block.unpacked == b"abcdefgh" * 1000
