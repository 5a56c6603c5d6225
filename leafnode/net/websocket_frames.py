"""Frames of one connection in both directions, and what nats-server says of those that cannot be.

wsproto reads and writes them. `FrameRules` is an extension of it, before any other, where it says
too little: it sees the bits of a frame and the status of a CLOSE, and changes nothing of a frame
that can be. Truth: RFC 6455; nats-server 2.15.1 server/websocket.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.extensions import Extension
from wsproto.frame_protocol import Opcode, ParseFailed, RsvBits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wsproto.events import Event
    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

_STATUS_BYTES: Final = 2


class Frames:
    """What one side reads and writes. Who dials masks what it writes, unless both agreed not to."""

    __slots__ = ("_reader", "_writer")

    def __init__(self, extensions: list[Extension], *, dials: bool, masks: bool = True) -> None:
        # wsproto knows two sides: one that writes masks and reads none, and the other. Where nobody
        # masks each side reads as the former and writes as the latter.
        side = ConnectionType.CLIENT if dials else ConnectionType.SERVER
        self._reader = self._writer = Connection(side, extensions)
        if not masks and dials:
            self._writer = Connection(ConnectionType.SERVER, extensions)
        elif not masks:
            self._reader = Connection(ConnectionType.CLIENT, extensions)

    def receive(self, data: bytes) -> None:
        self._reader.receive_data(data)

    def events(self) -> Iterator[Event]:
        return iter(self._reader.events())

    def send(self, event: Event) -> bytes:
        return self._writer.send(event)

    @property
    def is_ended_by_peer(self) -> bool:
        """Whether the other side said CLOSE, and waits for ours."""
        return self._reader.state is ConnectionState.REMOTE_CLOSING


class FrameRules(Extension):
    """The rules of one connection."""

    name = "rules"

    def __init__(self, *, deflates: bool, on_close: Callable[[], None] = lambda: None) -> None:
        """`on_close` is called when a CLOSE comes, while messages may still be written."""
        self._deflates = deflates
        self._on_close = on_close
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
        if self._closes:
            self._on_close()
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
