"""A WebSocket stream: frames of wsproto on one side, a stream of bytes on the other.

What both ends of a WebSocket have once the handshake is over: `net.websocket` accepts it, and
`net.websocket_dial` asks for it. Knows frames; not requests, and not what is spoken. Everything a
peer can send is bounded. Truth: RFC 6455; nats-server 2.15.1 server/websocket.go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason, ParseFailed

from leafnode.limits import (
    DEFLATE_CODING,
    LAYER_TURN_BYTES_MAX,
    READ_CHUNK_BYTES,
    WEBSOCKET_CLOSE_NS,
    WEBSOCKET_CODING,
)
from leafnode.net.backlog import in_pieces
from leafnode.net.layer import Layer
from leafnode.net.websocket_deflate import READ_ERROR, BoundedDeflate, StreamDeflate
from leafnode.net.websocket_frames import FrameRules, Frames

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from wsproto.events import Event
    from wsproto.extensions import Extension

    from leafnode.clock import Timer
    from leafnode.net.transport import Session
    from leafnode.net.turn import Turn

log = logging.getLogger(__name__)

# What a frame costs beside its payload: handling one takes as long as delivering 2 KiB or so, and
# PING, PONG and empty frames are nothing else.
_FRAME_COST: Final = 2048
_FRAMES_A_TURN: Final = LAYER_TURN_BYTES_MAX // _FRAME_COST
TOO_BIG: Final = "Maximum Message Payload Exceeded"
BAD_STATUS: Final = "invalid close status code"  # which one stands behind it
# What wsproto calls a mistake, by its start: what nats-server calls it.
_MISTAKES: Final = (
    ("server received unexpected unmasked", "mask bit missing"),
    ("Invalid attempt to fragment control", "control frame does not have final bit set"),
    (
        "Control frame with payload len > 125",
        "control frame length bigger than maximum allowed of 125 bytes",
    ),
    ("8-byte payload length with non-zero MSB", "invalid 64-bit payload length"),
    ("unexpected CONTINUATION", "invalid continuation frame"),
    (
        "expected CONTINUATION",
        "new message started before final frame for previous message was received",
    ),
    ("CLOSE with 1 byte payload", "close frame payload cannot be 1 byte"),
    ("Error decoding CLOSE reason", "invalid utf8 body in close frame"),
    ("CLOSE with", BAD_STATUS),
    ("remote CLOSE", BAD_STATUS),
)

_OPCODE: Final = "Invalid opcode "  # its number stands behind it


def _mistake(text: str) -> str:
    """Return what nats-server calls a mistake of which wsproto says this."""
    if text.startswith(_OPCODE):
        return f"unknown opcode {int(text.removeprefix(_OPCODE), 16)}"
    return next((ours for theirs, ours in _MISTAKES if text.startswith(theirs)), text)


@dataclass(slots=True)
class WebSocketTerms:
    """What the connections of one listener, or all that are dialed, share."""

    turn: Turn
    message_bytes_max: int  # what one packed message of a client may unpack to
    close_code: Callable[[str], int]  # the status for a reason why a session closes
    mistakes: int = 0  # frames that cannot be


class WebSocketStream(Layer):
    """Frames of one connection. A subclass does the handshake, then calls `_open`."""

    __slots__ = (
        "_deflates",
        "_ending",
        "_frames",
        "_ignored_bytes",
        "_reason",
        "_rules",
        "_slices",
        "_terms",
        "_timer",
    )

    def __init__(self, terms: WebSocketTerms, guest: Session | None) -> None:
        super().__init__(guest)
        self._terms = terms
        self._frames: Frames | None = None  # None before the handshake and after the end
        self._ending: Frames | None = None  # we said the end and wait for the peer to agree
        self._ignored_bytes = 0  # read since then
        self._deflates = False
        self._slices: StreamDeflate | None = None
        self._rules = FrameRules(deflates=False)
        self._timer: Timer | None = None
        self._reason = ""

    @property
    def coding(self) -> int:
        own = DEFLATE_CODING if self._deflates else WEBSOCKET_CODING
        return own + self._wire.coding

    def _open(self, *, deflates: bool, dials: bool, masks: bool = True, is_leaf: bool) -> None:
        """Begin with frames. What a leaf link packs is unpacked as it comes."""
        self._deflates = deflates
        self._rules = FrameRules(deflates=deflates, on_close=self._write_answers)
        extensions: list[Extension] = [self._rules]
        if deflates and is_leaf:
            self._slices = StreamDeflate()
            extensions.append(self._slices)
        elif deflates:
            extensions.append(BoundedDeflate(self._message_bytes_max))
        self._frames = Frames(extensions, dials=dials, masks=masks)

    def _message_bytes_max(self) -> int:
        return self._terms.message_bytes_max  # a reload may change it

    # --- reading

    def _take(self, data: bytes) -> None:
        """Take one read of what follows the handshake."""
        if self._frames is not None:
            self._frames.receive(data)
            self._pump()
        elif self._ending is not None:
            self._await_end(self._ending, data)

    def _reads(self) -> bool:
        return self._frames is not None

    def _units(self) -> Iterator[tuple[bytes, int]]:
        frames = self._frames
        assert frames is not None, "asked by callers"
        yield from self._more(frames)
        for event in frames.events():
            yield self._taken(frames, event), _FRAME_COST
            yield from self._more(frames)

    def _more(self, frames: Frames) -> Iterator[tuple[bytes, int]]:
        """Yield what is left of a packed message before the next one is looked at."""
        slices = self._slices
        while slices is not None and slices.has_more and self._frames is not None:
            try:
                unit = slices.more()
            except ParseFailed as err:
                code = int(err.code)
                self._closed_by(frames, CloseConnection(code=code, reason=str(err)), code, str(err))
                return
            yield unit, 0

    def _taken(self, frames: Frames, event: Event) -> bytes:
        """Handle one event; return what is for the session."""
        match event:
            case BytesMessage(data=data):
                return bytes(data)
            case TextMessage(data=text):
                return text.encode()
            case Ping():
                # A peer that pings and does not read gets no further answers.
                if self._wire.pending_bytes() <= READ_CHUNK_BYTES:
                    self._wire.write([frames.send(event.response())])
            case CloseConnection(code=code, reason=reason):
                self._closed_by(frames, event, int(code), reason or "")
            case _:
                pass  # PONG is the answer to nothing we ask
        return b""

    def _closed_by(self, frames: Frames, event: CloseConnection, code: int, text: str) -> None:
        """End it: the peer says so, or sent what cannot be."""
        if not frames.is_ended_by_peer:
            self._write_answers()
        if self._frames is None:
            return  # it did not take its answers
        self._frames = None
        if frames.is_ended_by_peer:
            self._wire.write([frames.send(event.response())])
        else:
            self._terms.mistakes += 1
            if code == CloseReason.MESSAGE_TOO_BIG:
                self._reason = text = TOO_BIG
            else:
                # A text that is none ends it as it was asked to.
                self._reason = "" if code == CloseReason.INVALID_FRAME_PAYLOAD_DATA else READ_ERROR
                text = _mistake(text)
                if text == BAD_STATUS:
                    text = f"{text} {self._rules.status}"
            log.debug("Websocket closed: peer=%s mistake=%s", self.peer, text)
            self._wire.write([frames.send(CloseConnection(code=code, reason=text))])
        self._wire.close()

    def _write_answers(self) -> None:
        """Write what the peer is due for what stands before its end: behind a CLOSE nothing is."""
        self._terms.turn.outbox.flush()

    # --- net.transport.Transport

    def write(self, chunks: list[bytes]) -> None:
        frames = self._frames
        if frames is not None:
            for piece in in_pieces(chunks):
                self._wire.write([frames.send(BytesMessage(data=piece))])

    def close(self, reason: str = "") -> None:
        frames, self._frames = self._frames, None
        if frames is not None:
            code = self._terms.close_code(reason)
            self._wire.write([frames.send(CloseConnection(code=code, reason=reason))])
            # A browser that has not said its own end finds the connection broken, not closed.
            self._ending = frames
            self._wire.resume_reading()
            turn = self._terms.turn
            if self._wire.pending_bytes():
                turn.leaving.enter(self._wire)
            self._timer = turn.clock.call_later(WEBSOCKET_CLOSE_NS, self._wire.close)
        elif self._ending is None:
            self._wire.close()

    def _await_end(self, frames: Frames, data: bytes) -> None:
        """Look for the peer's CLOSE in what it goes on to send, a share in each turn."""
        self._ignored_bytes += len(data)
        frames.receive(data)
        seen = list(islice(frames.events(), _FRAMES_A_TURN))
        if any(isinstance(event, CloseConnection) for event in seen):
            self._wire.close()
        elif len(seen) == _FRAMES_A_TURN:
            self._wire.yield_turn()
        elif self._ignored_bytes > READ_CHUNK_BYTES:
            self._wire.close()

    def abort(self, reason: str = "") -> None:
        self._frames = None
        self._wire.abort(reason)

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        del context, server_hostname
        raise OSError("a websocket has its TLS below it")
