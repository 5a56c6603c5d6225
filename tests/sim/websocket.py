"""A WebSocket client that can also do wrong: requests and frames byte by byte."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x01\x02\x03\x04"
DEFLATE = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame of the server. Of a close frame `code` is the status."""

    opcode: int
    data: bytes
    code: int = 0
    is_packed: bool = False


def request(
    headers: dict[str, str | None] | None = None, *, method: str = "GET", path: str = "/"
) -> bytes:
    """Return a request; a header that is None is left out."""
    given: dict[str, str | None] = {
        "Host": "edge.example:443",
        "Upgrade": "websocket",
        "Connection": "keep-alive, Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    lines = [f"{name}: {value}\r\n" for name, value in given.items() if value is not None]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


def frame(
    opcode: int, data: bytes, *, is_last: bool = True, is_masked: bool = True, reserved: int = 0
) -> bytes:
    """Return one frame of a client."""
    size = len(data)
    mask = 0x80 if is_masked else 0
    head = bytes((is_last << 7 | reserved << 4 | opcode,))
    if size < 126:
        head += bytes((mask | size,))
    elif size < 65536:
        head += bytes((mask | 126,)) + struct.pack("!H", size)
    else:
        head += bytes((mask | 127,)) + struct.pack("!Q", size)
    if not is_masked:
        return head + data
    return head + MASK + bytes(byte ^ MASK[at & 3] for at, byte in enumerate(data))


def packed(data: bytes) -> bytes:
    """Return what permessage-deflate makes of a message."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def frames(data: bytes) -> list[Seen]:
    """Read whole frames of a server; packed ones are unpacked."""
    found = []
    while data:
        opcode, is_packed, size, at = data[0] & 15, bool(data[0] & 0x40), data[1] & 127, 2
        assert not data[1] & 0x80, "a server masks nothing"
        if size == 126:
            size, at = struct.unpack_from("!H", data, 2)[0], 4
        elif size == 127:
            size, at = struct.unpack_from("!Q", data, 2)[0], 10
        body, data = data[at : at + size], data[at + size :]
        if is_packed:
            body = zlib.decompressobj(-15).decompress(body + b"\0\0\xff\xff")
        if opcode == CLOSE and len(body) >= 2:
            found.append(Seen(opcode, body[2:], struct.unpack_from("!H", body)[0]))
        else:
            found.append(Seen(opcode, body, is_packed=is_packed))
    return found
