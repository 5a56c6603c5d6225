"""Frames on a byte line: header, body, CRC, COBS, one zero byte at the end.

Knows bytes; not what a frame means, nor time. Buffers are allocated once per direction.
Truth: docs/device-link.md, "Frames".
"""

import struct

from . import cobs
from .const import CRC16_BYTES, CRC_BYTES, FLAG_CRC16, HEADER_BYTES, HEADER_FORMAT
from .crc import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .counters import LineCounters

    Crc16 = Callable[["bytes | bytearray | memoryview"], int]

_DELIMITER = b"\x00"
_FRAMES_PER_WRITE = 2  # what one take() may hold; a device has little memory and a slow line


class FrameWriter:
    """Gathers outgoing frames. Fill `body`, call put; take the bytes when they can be written.

    While `crc16` is a function, frames end with what it returns instead of a CRC-32.
    """

    def __init__(self, frame_bytes_max: int, flags: int, crc16: "Crc16 | None" = None) -> None:
        self.crc16 = crc16
        self._flags = flags
        self._frame = bytearray(frame_bytes_max)
        self._view = memoryview(self._frame)
        self.body = self._view[HEADER_BYTES : frame_bytes_max - CRC_BYTES]
        self._room = cobs.encoded_bytes_max(frame_bytes_max) + 1
        self._out = bytearray(1 + _FRAMES_PER_WRITE * self._room)
        self._size = 0

    def has_room(self) -> bool:
        """Return whether a frame of any size still fits before the next take."""
        return len(self._out) - self._size >= self._room

    def put(
        self, kind: int, boot_id: int, seq: int, ack: int, body_bytes: int = 0, flags: int = 0
    ) -> None:
        """Append a frame with what the first `body_bytes` of `body` hold."""
        flags |= self._flags
        size = HEADER_BYTES + body_bytes
        if self.crc16 is None:
            struct.pack_into(HEADER_FORMAT, self._frame, 0, kind, flags, boot_id, seq, ack)
            struct.pack_into("<I", self._frame, size, crc32(self._view[:size]))
            size += CRC_BYTES
        else:
            flags |= FLAG_CRC16
            struct.pack_into(HEADER_FORMAT, self._frame, 0, kind, flags, boot_id, seq, ack)
            struct.pack_into("<H", self._frame, size, self.crc16(self._view[:size]))
            size += CRC16_BYTES
        if self._size == 0:
            # Ends whatever a boot banner or a broken write left on the line, so that this frame is
            # whole.
            self._out[0] = 0
            self._size = 1
        self._size = cobs.encode_into(self._frame, size, self._out, self._size)
        self._out[self._size] = 0
        self._size += 1

    def take(self) -> bytes:
        """Return what was put since the last take."""
        size = self._size
        self._size = 0
        return bytes(memoryview(self._out)[:size]) if size else b""


class FrameReader:
    """Finds frames in a byte stream. After feed, `ready` tells whether the fields are a frame.

    Without a `crc16` function a frame that ends with a CRC-16 is a bad one; with it and `only16`, a
    frame that ends with a CRC-32 is.
    """

    def __init__(
        self,
        frame_bytes_max: int,
        counters: "LineCounters",
        crc16: "Crc16 | None" = None,
        *,
        only16: bool = False,
    ) -> None:
        self._crc16 = crc16
        self._only16 = only16
        self._frame_bytes_max = frame_bytes_max
        self._counters = counters
        line_bytes = cobs.encoded_bytes_max(frame_bytes_max)
        self._line = bytearray(line_bytes)  # since the last delimiter
        self._line_size = 0
        self._skipping = False  # the line was longer than any frame: noise up to the delimiter
        self._frame = bytearray(line_bytes)
        self._view = memoryview(self._frame)
        self.ready = False
        self.kind = 0
        self.flags = 0
        self.boot_id = 0
        self.seq = 0
        self.ack = 0
        self.body = self._view[:0]  # valid until the next feed

    def feed(self, data: "bytes | bytearray", at: int) -> int:
        """Take bytes from data[at:] up to the end of one frame; return where to go on."""
        self.ready = False
        end = data.find(_DELIMITER, at)
        if end < 0:
            self._gather(data, at, len(data))
            return len(data)
        self._gather(data, at, end)
        if self._skipping:
            self._skipping = False
        elif self._line_size:
            self._check()
        self._line_size = 0
        return end + 1

    def _gather(self, data: "bytes | bytearray", start: int, end: int) -> None:
        count = end - start
        size = self._line_size + count
        if self._skipping:
            self._counters.noise_bytes += count
        elif size > len(self._line):
            self._counters.noise_bytes += size
            self._line_size = 0
            self._skipping = True
        else:
            self._line[self._line_size : size] = data[start:end]
            self._line_size = size

    def _check(self) -> None:
        size = cobs.decode_into(self._line, self._line_size, self._frame)
        is16 = size >= HEADER_BYTES and self._frame[1] & FLAG_CRC16 != 0
        end = size - (CRC16_BYTES if is16 else CRC_BYTES)
        if end < HEADER_BYTES or size > self._frame_bytes_max:
            self._counters.noise_bytes += self._line_size
            return
        if not (self._is_right16(end) if is16 else self._is_right32(end)):
            self._counters.bad_frames += 1
            return
        fields = struct.unpack_from(HEADER_FORMAT, self._frame, 0)
        self.kind, self.flags, self.boot_id, self.seq, self.ack = fields
        self.body = self._view[HEADER_BYTES:end]
        self._counters.frames += 1
        self.ready = True

    def _is_right16(self, end: int) -> bool:
        if self._crc16 is None:
            return False
        said: int = struct.unpack_from("<H", self._frame, end)[0]
        return said == self._crc16(self._view[:end])

    def _is_right32(self, end: int) -> bool:
        if self._only16:
            return False
        said: int = struct.unpack_from("<I", self._frame, end)[0]
        return said == crc32(self._view[:end])
