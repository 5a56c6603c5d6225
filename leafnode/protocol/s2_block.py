"""One block of S2, the compression of leaf links: to bytes and back, a slice at a time.

S2 is Snappy and *repeat offsets*: a copy that keeps the offset of the one before. Whatever a peer
sends: no more memory than it says it needs and may need, and no more work in one call than asked
for. Knows no frames and no checksums (s2_frames). Truth: google/snappy format_description.txt;
klauspost/compress s2, what nats-server 2.15.1 packs by (measured).
"""

from __future__ import annotations

from typing import Final

from leafnode.errors import ProtocolError

_COPY_1: Final = 1  # one byte of an offset, and three bits
_COPY_2: Final = 2  # two bytes
_SHORT_LITERAL_MAX: Final = 60
_REPEAT_SIZES: Final = {5: (1, 4), 6: (2, 1 << 8), 7: (3, 1 << 16)}  # bytes of it, what is added
_LENGTH_BYTES_MAX: Final = 5
_MATCH_BYTES: Final = 4  # the shortest match that is looked for
_COPY_BYTES_MAX: Final = 64  # of one copy that is no repetition
_SKIP_SHIFT: Final = 5  # after so many bits' worth of misses every second place is looked at, …


class S2Error(ProtocolError):
    """Bytes that are no S2."""


class Unpacker:
    """Unpacks one block."""

    __slots__ = ("_at", "_offset", "_packed", "_size", "_unpacked")

    def __init__(self, packed: bytes, *, bytes_max: int) -> None:
        """Raise S2Error for a block that says it is larger than `bytes_max`."""
        self._size, self._at = _read_length(packed)
        if self._size > bytes_max:
            raise S2Error(f"a block of {self._size} bytes where {bytes_max} may be")
        self._packed = packed
        self._unpacked = bytearray()
        self._offset = 0  # of the last copy

    def work(self, elements: int) -> bool:
        """Unpack so many elements; say whether the block is whole. Raises S2Error."""
        packed, unpacked, at, end = self._packed, self._unpacked, self._at, len(self._packed)
        size, offset = self._size, self._offset
        while at < end and elements > 0:
            elements -= 1
            tag = packed[at]
            if not tag & 3:  # a literal
                length = (tag >> 2) + 1
                at += 1
                if length > _SHORT_LITERAL_MAX:
                    extra = length - _SHORT_LITERAL_MAX
                    length = _number(packed, at, extra) + 1
                    at += extra
                if at + length > end or len(unpacked) + length > size:
                    raise S2Error("a literal beyond the end")
                unpacked += packed[at : at + length]
                at += length
                continue
            at, offset, length = _copy(packed, at, offset)
            start = len(unpacked) - offset
            if not offset or start < 0 or len(unpacked) + length > size:
                raise S2Error("a copy of what is not there")
            if offset >= length:
                unpacked += unpacked[start : start + length]
            else:
                unpacked += (unpacked[start:] * (length // offset + 1))[:length]
        self._at, self._offset = at, offset
        if at < end:
            return False
        if len(unpacked) != size:
            raise S2Error("a block that ends early")
        return True

    @property
    def unpacked(self) -> bytes:
        """What the block holds, once it is whole."""
        return bytes(self._unpacked)


def _copy(packed: bytes, at: int, offset: int) -> tuple[int, int, int]:
    """Return where a copy ends, its offset, `offset` if it repeats that, and its length."""
    tag = packed[at]
    kind = tag & 3
    at += 1
    if kind != _COPY_1:
        size = 2 if kind == _COPY_2 else 4
        return at + size, _number(packed, at, size), (tag >> 2) + 1
    found = (tag & 0xE0) << 3 | _number(packed, at, 1)
    length = tag >> 2 & 7
    at += 1
    if found:
        return at, found, length + 4
    if length in _REPEAT_SIZES:
        size, more = _REPEAT_SIZES[length]
        length = _number(packed, at, size) + more
        at += size
    return at, offset, length + 4


def _number(packed: bytes, at: int, size: int) -> int:
    if at + size > len(packed):
        raise S2Error("an element without its end")
    return int.from_bytes(packed[at : at + size], "little")


def unpack(packed: bytes, *, bytes_max: int) -> bytes:
    """Return what a block holds. Raises S2Error."""
    one = Unpacker(packed, bytes_max=bytes_max)
    while not one.work(1 << 16):
        pass
    return one.unpacked


def pack(data: bytes) -> bytes:
    """Return a block that is valid Snappy, too; at most 64 KiB of data.

    A match is taken wherever the last place with the same four bytes gives one.
    """
    size = len(data)
    out = bytearray(_length(size))
    seen: dict[bytes, int] = {}
    at, written, last, misses = 0, 0, size - _MATCH_BYTES, 0
    while at <= last:
        key = data[at : at + _MATCH_BYTES]
        before = seen.get(key)
        seen[key] = at
        if before is None:
            misses += 1
            at += 1 + (misses >> _SKIP_SHIFT)
            continue
        misses = 0
        if at > written:
            _put_literal(out, data[written:at])
        length = _MATCH_BYTES + _common(data, before + _MATCH_BYTES, at + _MATCH_BYTES)
        _put_copy(out, at - before, length)
        at += length
        written = at
        if at <= last:  # what follows a match often follows it again
            seen[data[at - 1 : at + 3]] = at - 1
    if written < size:
        _put_literal(out, data[written:])
    return bytes(out)


def _common(data: bytes, one: int, other: int) -> int:
    """Return how many bytes are the same from both places on."""
    start, step, size = other, 16, len(data)
    while other + step <= size and data[one : one + step] == data[other : other + step]:
        one += step
        other += step
        if step < 4096:
            step *= 2
    while step > 1:
        step //= 2
        if other + step <= size and data[one : one + step] == data[other : other + step]:
            one += step
            other += step
    if other < size and data[one] == data[other]:
        other += 1
    return other - start


def _put_literal(out: bytearray, data: bytes) -> None:
    length = len(data) - 1
    if length < _SHORT_LITERAL_MAX:
        out.append(length << 2)
    else:
        extra = (length.bit_length() + 7) // 8
        out.append((_SHORT_LITERAL_MAX - 1 + extra) << 2)
        out += length.to_bytes(extra, "little")
    out += data


def _put_copy(out: bytearray, offset: int, length: int) -> None:
    low, high = offset & 0xFF, offset >> 8
    while length > _COPY_BYTES_MAX + 3:
        out += bytes((_COPY_2 | (_COPY_BYTES_MAX - 1) << 2, low, high))
        length -= _COPY_BYTES_MAX
    if length > _COPY_BYTES_MAX:
        out += bytes((_COPY_2 | 59 << 2, low, high))  # so that four bytes or more are left
        length -= 60
    if length < 12 and offset < 2048:
        out += bytes((_COPY_1 | (length - 4) << 2 | high << 5, low))
    else:
        out += bytes((_COPY_2 | (length - 1) << 2, low, high))


def _length(size: int) -> bytes:
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def _read_length(packed: bytes) -> tuple[int, int]:
    """Return the length that a block begins with, and where it ends."""
    size = 0
    for at, byte in enumerate(packed[:_LENGTH_BYTES_MAX]):
        size |= (byte & 0x7F) << 7 * at
        if byte < 0x80:
            return size, at + 1
    raise S2Error("a block without its length")
