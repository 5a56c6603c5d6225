"""Answers made smaller where the asker takes that: gzip, and the framing of snappy.

Pure. Snappy's compression has no home in the standard library, so its frames hold the bytes as
they are, which the format provides for: any reader takes them. Truth: nats-server 2.15.1
server/events.go getAcceptEncoding; google/snappy framing_format.txt; RFC 1952.
"""

from __future__ import annotations

from typing import Final

from leafnode.limits import SNAPPY_ANSWER_BYTES_MAX
from leafnode.protocol import header

_STREAM_START: Final = b"\xff\x06\x00\x00sNaPpY"
_UNCOMPRESSED: Final = b"\x01"
_CHUNK_BYTES: Final = 65536  # the most that one frame may hold
_CASTAGNOLI: Final = 0x82F63B78  # reversed
_MASK: Final = 0xA282EAD8
_GZIP_LEVEL: Final = 1


def encoded(request_header: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Return (header block or b"", body) of an answer to a request with this header block."""
    wanted = (header.get(request_header, b"Accept-Encoding") or b"").lower()
    if not wanted:
        return b"", body
    if b"snappy" in wanted or b"s2" in wanted:
        if len(body) > SNAPPY_ANSWER_BYTES_MAX:
            name = b"identity"  # summing it up would take the loop's time
        else:
            name, body = b"snappy", snappy_frames(body)
    elif b"gzip" in wanted:
        import gzip  # costs every start, and hardly anybody asks for it

        name, body = b"gzip", gzip.compress(body, _GZIP_LEVEL, mtime=0)
    else:
        name = b"identity"
    return header.build([(b"Content-Encoding", name)]), body


def snappy_frames(data: bytes) -> bytes:
    """Return the framed form of `data`."""
    frames = [_STREAM_START]
    for start in range(0, len(data), _CHUNK_BYTES):
        chunk = data[start : start + _CHUNK_BYTES]
        size = (len(chunk) + 4).to_bytes(3, "little")
        frames += (_UNCOMPRESSED, size, _masked(crc32c(chunk)).to_bytes(4, "little"), chunk)
    return b"".join(frames)


def crc32c(data: bytes) -> int:
    """Return the Castagnoli checksum of `data`."""
    table = _TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF


def _entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_CASTAGNOLI if value & 1 else 0)
    return value


_TABLE: Final = tuple(_entry(value) for value in range(256))
