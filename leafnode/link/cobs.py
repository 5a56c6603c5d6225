"""Consistent Overhead Byte Stuffing: no byte of the result is zero.

Knows bytes and caller's buffers; allocates none. Truth: Cheshire and Baker, "Consistent Overhead
Byte Stuffing", 1999; the canonical form (no empty group after a full one at the end).
"""

_GROUP_BYTES = 254  # data bytes of one full group, whose code is 255


def encoded_bytes_max(size: int) -> int:
    """Return the most that `size` bytes become, without the delimiter."""
    return size + size // _GROUP_BYTES + 1


def encode_into(source: bytearray, size: int, target: bytearray, at: int) -> int:
    """Write the stuffed form of source[:size] to target[at:]; return where it ends."""
    view = memoryview(source)
    start = 0
    while True:
        end = source.find(b"\x00", start, size)
        is_last = end < 0
        if is_last:
            end = size
        after_full_group = False
        while end - start >= _GROUP_BYTES:
            target[at] = _GROUP_BYTES + 1
            target[at + 1 : at + 1 + _GROUP_BYTES] = view[start : start + _GROUP_BYTES]
            at += 1 + _GROUP_BYTES
            start += _GROUP_BYTES
            after_full_group = True
        if is_last and after_full_group and start == end:
            return at
        count = end - start
        target[at] = count + 1
        target[at + 1 : at + 1 + count] = view[start:end]
        at += 1 + count
        if is_last:
            return at
        start = end + 1


def decode_into(source: bytearray, size: int, target: bytearray) -> int:
    """Write the plain form of source[:size] to `target`; return its size, or -1 for what is not
    COBS.

    `target` must hold `size` bytes.
    """
    view = memoryview(source)
    at = 0
    start = 0
    while start < size:
        code = source[start]
        end = start + code
        if code == 0 or end > size:
            return -1
        count = code - 1
        target[at : at + count] = view[start + 1 : end]
        at += count
        start = end
        if count < _GROUP_BYTES and start < size:
            target[at] = 0
            at += 1
    return at
