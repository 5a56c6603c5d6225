"""permessage-deflate as an extension of wsproto, with a bound on a message, packed and unpacked, or
on how much of it is unpacked at a time.

Knows frames as wsproto has them. No context is kept between messages, on either side, so an idle
connection holds no window. Truth: RFC 7692; nats-server 2.15.1 server/websocket.go.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, Opcode, ParseFailed, RsvBits

from leafnode.limits import (
    READ_CHUNK_BYTES,
    WEBSOCKET_DEFLATE_FROM_BYTES,
    WEBSOCKET_PACKED_BYTES_MAX,
    WEBSOCKET_PACKED_FACTOR,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

READ_ERROR: Final = "Read Error"  # what nats-server says of what cannot be unpacked
_RAW_WINDOW: Final = -15
_FAST: Final = 1
_TAIL: Final = b"\0\0\xff\xff"  # what every sync flush ends with, and the wire leaves out
_NO_BITS: Final = RsvBits(rsv1=False, rsv2=False, rsv3=False)


class _Deflate(Extension):
    """One connection's compression, but for how much of a message is unpacked."""

    name = "permessage-deflate"

    def __init__(self) -> None:
        self._unpacker: zlib._Decompress | None = None  # while a packed message is read
        self._in_control = False

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool | str:
        return False  # only clients offer

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,
    ) -> RsvBits:
        """`net.websocket_frames` has judged the bits."""
        del proto, payload_length
        self._in_control = opcode.iscontrol()
        if rsv.rsv1:
            self._unpacker = zlib.decompressobj(_RAW_WINDOW)
            self._begin()
        return RsvBits(rsv1=True, rsv2=False, rsv3=False)

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        del proto
        if self._in_control or self._unpacker is None:
            return data
        return self._unpack(self._unpacker, data)

    def frame_inbound_complete(
        self,
        proto: FrameDecoder | FrameProtocol,
        fin: bool,  # noqa: FBT001 -- wsproto's signature
    ) -> bytes | CloseReason | None:
        del proto
        unpacker = self._unpacker
        if self._in_control or unpacker is None or not fin:
            return None
        self._unpacker = None
        return self._end(unpacker)

    def frame_outbound(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        data: bytes,
        fin: bool,  # noqa: FBT001 -- wsproto's signature
    ) -> tuple[RsvBits, bytes]:
        del proto
        if opcode.iscontrol() or len(data) < WEBSOCKET_DEFLATE_FROM_BYTES:
            return rsv, data
        assert fin, "messages are sent whole"
        packer = zlib.compressobj(_FAST, zlib.DEFLATED, _RAW_WINDOW)
        packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
        return _NO_BITS._replace(rsv1=True), packed.removesuffix(_TAIL)

    def _begin(self) -> None:
        """A packed message begins."""

    def _unpack(self, unpacker: zlib._Decompress, data: bytes) -> bytes | CloseReason:
        """Take a part of it."""
        raise NotImplementedError

    def _end(self, unpacker: zlib._Decompress) -> bytes | CloseReason:
        """All of it was taken."""
        return self._unpack(unpacker, _TAIL)


class BoundedDeflate(_Deflate):
    """Of a client: a message has a bound."""

    def __init__(self, message_bytes_max: Callable[[], int]) -> None:
        """A message that unpacks to more closes the connection with 1009.

        So does one that is larger than that as it comes, by WEBSOCKET_PACKED_FACTOR: what unpacks
        to nothing has no other end. The bound is asked for anew with each message.
        """
        super().__init__()
        self._message_bytes_max = message_bytes_max
        self._unpacked_bytes_left = 0
        self._packed_bytes_left = 0

    def _begin(self) -> None:
        self._unpacked_bytes_left = most = self._message_bytes_max()
        self._packed_bytes_left = min(most * WEBSOCKET_PACKED_FACTOR, WEBSOCKET_PACKED_BYTES_MAX)

    def _unpack(self, unpacker: zlib._Decompress, data: bytes) -> bytes | CloseReason:
        self._packed_bytes_left -= len(data)
        if self._packed_bytes_left < 0:
            return CloseReason.MESSAGE_TOO_BIG
        left = self._unpacked_bytes_left
        found = _unpacked(unpacker, data, left + 1)
        if len(found) > left:
            return CloseReason.MESSAGE_TOO_BIG
        self._unpacked_bytes_left = left - len(found)
        return found


class StreamDeflate(_Deflate):
    """Of a leaf link: a message is a piece of a stream, for a nats-server packs all that waits into
    one, however much that is (measured). It is unpacked a slice at a time: `more` has the next one,
    and is to be asked until `has_more` is over before anything else is read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.has_more = False
        self._slicing: zlib._Decompress | None = None  # while `has_more`
        self._is_whole = False  # all of the message is here

    def more(self) -> bytes:
        """Return the next slice. Raises ParseFailed."""
        unpacker = self._slicing
        assert unpacker is not None, "there is more"
        found = self._slice(unpacker, unpacker.unconsumed_tail)
        if not self.has_more and self._is_whole:
            found += self._end(unpacker)
        return found

    def _begin(self) -> None:
        self._is_whole = False

    def _unpack(self, unpacker: zlib._Decompress, data: bytes) -> bytes:
        assert not self.has_more, "it was asked for"
        return self._slice(unpacker, data)

    def _end(self, unpacker: zlib._Decompress) -> bytes:
        self._is_whole = self.has_more
        return b"" if self.has_more else self._slice(unpacker, _TAIL)

    def _slice(self, unpacker: zlib._Decompress, data: bytes) -> bytes:
        found = _unpacked(unpacker, data, READ_CHUNK_BYTES)
        self.has_more = len(found) == READ_CHUNK_BYTES
        self._slicing = unpacker if self.has_more else None
        return found


def _unpacked(unpacker: zlib._Decompress, data: bytes, most: int) -> bytes:
    """Return at most so much of what is packed. Raises ParseFailed."""
    if unpacker.eof:
        # Behind a last block stands what nobody reads, nats-server neither; zlib would keep it.
        return b""
    try:
        return unpacker.decompress(data, most)
    except zlib.error as err:
        raise ParseFailed(READ_ERROR, CloseReason.GOING_AWAY) from err
