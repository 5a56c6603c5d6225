"""What nats-server says of frames that cannot be, where wsproto says too little.

An extension of wsproto, before any other: it sees the bits of a frame and the status of a CLOSE.
Changes nothing of a frame that can be. Truth: RFC 6455; nats-server 2.15.1 server/websocket.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsproto.extensions import Extension
from wsproto.frame_protocol import Opcode, ParseFailed, RsvBits

if TYPE_CHECKING:
    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

_STATUS_BYTES: Final = 2


class FrameRules(Extension):
    """The rules of one connection."""

    name = "rules"

    def __init__(self, *, deflates: bool) -> None:
        self._deflates = deflates
        self._closes = False
        self.status = 0  # of the peer's CLOSE

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool | str:
        return False

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,
        opcode: Opcode,
        rsv: RsvBits,
        payload_length: int,
    ) -> RsvBits:
        """Raise ParseFailed for bits that mean nothing here."""
        del proto, payload_length
        self._closes = opcode is Opcode.CLOSE
        if rsv.rsv2 or rsv.rsv3:
            raise ParseFailed("RSV2 and RSV3 must be clear")
        if rsv.rsv1:
            if not self._deflates:
                raise ParseFailed("compressed frame received without negotiated permessage-deflate")
            if opcode.iscontrol():
                raise ParseFailed("control frame must not be compressed")
            if opcode is Opcode.CONTINUATION:
                raise ParseFailed("invalid continuation frame")
        return RsvBits(rsv1=False, rsv2=False, rsv3=False)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes:
        del proto
        if self._closes:  # wsproto has control frames whole
            self.status = int.from_bytes(data[:_STATUS_BYTES], "big")
        return data
