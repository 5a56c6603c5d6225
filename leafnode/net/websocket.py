"""A WebSocket connection: frames of wsproto on one side, a stream of bytes on the other.

A Session to the socket below and a Transport to the session above. Knows frames and the handshake;
not what is spoken. Everything a peer can send is bounded. Truth: RFC 6455; nats-server 2.15.1
server/websocket.go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from leafnode.crowd import Crowd
from leafnode.limits import (
    AUTH_LOG_NS,
    DEFLATE_CODING,
    ENTRIES_ADDRESS_MAX,
    ENTRIES_MAX,
    READ_CHUNK_BYTES,
    WEBSOCKET_CLOSE_NS,
    WEBSOCKET_CODING,
    WEBSOCKET_TURN_BYTES_MAX,
)
from leafnode.net.backlog import in_pieces
from leafnode.net.websocket_deflate import READ_ERROR, BoundedDeflate
from leafnode.net.websocket_frames import FrameRules
from leafnode.net.websocket_handshake import Handshake, HandshakeRules, Refusal

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    from wsproto.events import Event
    from wsproto.extensions import Extension

    from leafnode.clock import Timer
    from leafnode.net.transport import Session, TlsFacts, Transport
    from leafnode.net.turn import Turn
    from leafnode.net.websocket_handshake import Upgrade

log = logging.getLogger(__name__)

# What a frame costs beside its payload: handling one takes as long as delivering 2 KiB or so, and
# PING, PONG and empty frames are nothing else.
_FRAME_COST: Final = 2048  # so that one turn has 128 of them at most
TOO_BIG: Final = "Maximum Message Payload Exceeded"
BAD_STATUS: Final = "invalid close status code"  # which one stands behind it
HANDSHAKE_TIMEOUT: Final = "Websocket Handshake Timeout"
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
class WebSocketPort:
    """What the connections of one listener share, and what happened to them."""

    turn: Turn
    rules: HandshakeRules
    handshake_timeout_ns: int
    message_bytes_max: int  # what one packed message may unpack to
    close_code: Callable[[str], int]  # the status for a reason why a session closes
    leaf: Callable[[], Session] | None = None  # who serves those whose path says that they are one
    refused: int = 0  # requests that were no handshake, or not welcome
    overdue: int = 0
    mistakes: int = 0  # frames that cannot be
    shaking: Crowd[WebSocketConnection] = field(  # whose handshake is not over
        default_factory=lambda: Crowd(ENTRIES_MAX, ENTRIES_ADDRESS_MAX)
    )
    _logged_ns: int = 0
    _unlogged: int = 0

    def session(self, guest: Session) -> WebSocketConnection:
        return WebSocketConnection(self, guest)

    def note_refusal(self, peer: str, reason: str) -> None:
        """Count a request that failed; say it, at most once in a second."""
        self.refused += 1
        now_ns = self.turn.clock.monotonic_ns()
        if now_ns - self._logged_ns < AUTH_LOG_NS:
            self._unlogged += 1
            return
        log.error("%s - websocket handshake error: %s (unlogged=%d)", peer, reason, self._unlogged)
        self._logged_ns, self._unlogged = now_ns, 0

    def close_all(self) -> Iterator[None]:
        """End whoever has not said what it wants, in steps."""
        while (connection := next(iter(self.shaking), None)) is not None:
            connection.end_handshake("")
            yield


class WebSocketConnection:
    """Implements net.transport.Session below and net.transport.Transport above."""

    __slots__ = (
        "_deflates",
        "_ending",
        "_frames",
        "_guest",
        "_handshake",
        "_held",
        "_ignored_bytes",
        "_is_more",
        "_port",
        "_reason",
        "_rest",
        "_rules",
        "_starved",
        "_timer",
        "_wire",
        "credentials",
        "peer",
    )

    def __init__(self, port: WebSocketPort, guest: Session) -> None:
        self._port = port
        self._guest: Session | None = guest
        self._wire: Transport
        self._handshake: Handshake | None = Handshake(port.rules)
        self._frames: Connection | None = None  # None before the handshake and after the end
        self._ending: Connection | None = None  # we said the end and wait for the peer to agree
        self._ignored_bytes = 0  # read since then
        self._deflates = False
        self._rules = FrameRules(deflates=False)
        self._timer: Timer | None = None
        self._held = False  # the session above wants nothing now
        self._is_more = False  # frames wait for their turn
        self._starved = False  # the session above waits for its turn, before them
        self._rest = memoryview(b"")  # of one message, which waits with them
        self._reason = ""
        self.peer = ""
        self.credentials: Mapping[str, str] = {}

    @property
    def stalls(self) -> int:
        return self._wire.stalls

    @property
    def coding(self) -> int:
        own = DEFLATE_CODING if self._deflates else WEBSOCKET_CODING
        return own + self._wire.coding

    # --- net.transport.Session

    def connected(self, transport: Transport) -> None:
        self._wire = transport
        self.peer = transport.peer
        port = self._port
        self._timer = port.turn.clock.call_later(port.handshake_timeout_ns, self._overdue)
        evicted = port.shaking.enter(self, self.peer.rpartition(":")[0])
        if evicted is not None:
            evicted.end_handshake("")

    def entered(self) -> None:
        """See net.entry.Guest: what follows has its own time."""

    def received(self, data: bytes) -> None:
        if self._handshake is not None:
            self._shake(self._handshake, data)
        elif self._frames is not None:
            self._frames.receive_data(data)
            self._pump(self._frames)
        elif self._ending is not None:
            self._await_end(self._ending, data)

    def lost(self, reason: str) -> None:
        guest, self._guest = self._guest, None
        if guest is not None and self._handshake is None:
            guest.lost(self._reason or reason)  # it may still have something for its peer
        self._frames = None
        self._end_shaking()

    # --- the handshake

    def end_handshake(self, reason: str) -> None:
        """Cut it before its handshake is over."""
        self._end_shaking()
        self._wire.abort(reason)

    def _shake(self, handshake: Handshake, data: bytes) -> None:
        answer = handshake.receive(data)
        if answer is None:
            return
        self._end_shaking()
        if isinstance(answer, Refusal):
            self._port.note_refusal(self.peer, answer.reason)
            self._guest = None
            self._wire.write([answer.answer])
            self._wire.close()
        elif answer.sent_early:
            self._port.note_refusal(self.peer, "client sent data before handshake is complete")
            self._guest = None
            self._wire.abort()
        else:
            self._begin(answer)

    def _begin(self, upgrade: Upgrade) -> None:
        guest = self._guest
        assert guest is not None, "a connection that is lost reads nothing"
        if upgrade.is_leaf:
            assert self._port.leaf is not None, "else such a path is refused"
            guest = self._guest = self._port.leaf()
        self._deflates = upgrade.deflate
        self._rules = FrameRules(deflates=upgrade.deflate)
        extensions: list[Extension] = [self._rules]
        if upgrade.deflate:
            extensions.append(BoundedDeflate(self._message_bytes_max))
        self._handshake = None
        self._frames = Connection(ConnectionType.SERVER, extensions)
        self.credentials = upgrade.credentials
        if upgrade.client_ip:
            # For people who read the log; whoever dials may say what he likes.
            log.debug("Websocket client forwarded: peer=%s for=%s", self.peer, upgrade.client_ip)
        self._wire.write([upgrade.answer])
        guest.connected(self)

    def _message_bytes_max(self) -> int:
        return self._port.message_bytes_max  # a reload may change it

    def _overdue(self) -> None:
        self._timer = None
        self._port.overdue += 1
        self.end_handshake(HANDSHAKE_TIMEOUT)

    def _end_shaking(self) -> None:
        self._port.shaking.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- frames

    def _pump(self, frames: Connection) -> None:
        """Deliver what frames hold, as long as the session wants it and others need not wait."""
        left = WEBSOCKET_TURN_BYTES_MAX
        if self._starved and self._guest is not None:
            self._starved = False
            self._guest.received(b"")
        if self._must_wait(left):
            return
        if self._rest:
            left = self._deliver(self._rest, left)
            if self._must_wait(left):
                return
        for event in frames.events():
            left = self._take(frames, event, left - _FRAME_COST)
            if self._must_wait(left):
                return
        self._is_more = False

    def _must_wait(self, left: int) -> bool:
        """Let the frames wait where the turn is over, or the session wants nothing now or ever."""
        if self._frames is None:
            return True
        if left > 0 and not self._held and not self._starved:
            return False
        self._is_more = True
        if not self._held:
            self._wire.yield_turn()
        return True

    def _take(self, frames: Connection, event: Event, left: int) -> int:
        """Handle one event; return what is left of the turn."""
        match event:
            case BytesMessage(data=data):
                return self._deliver(memoryview(bytes(data)), left)
            case TextMessage(data=text):
                return self._deliver(memoryview(text.encode()), left)
            case Ping():
                # A peer that pings and does not read gets no further answers.
                if self._wire.pending_bytes() <= READ_CHUNK_BYTES:
                    self._wire.write([frames.send(event.response())])
            case CloseConnection(code=code, reason=reason):
                self._closed_by(frames, event, int(code), reason or "")
            case _:
                pass  # PONG is the answer to nothing we ask
        return left

    def _deliver(self, data: memoryview, left: int) -> int:
        """Hand on what the session wants now; return what is left of the turn."""
        self._rest = memoryview(b"")
        at = 0
        while at < len(data) and self._guest is not None and self._frames is not None:
            piece = bytes(data[at : at + READ_CHUNK_BYTES])
            at += len(piece)
            left -= len(piece)
            self._guest.received(piece)
            if self._held or self._starved or left <= 0:
                self._rest = data[at:]
                break
        return left

    def _closed_by(self, frames: Connection, event: CloseConnection, code: int, text: str) -> None:
        """End it: the peer says so, or sent what cannot be."""
        self._frames = None
        if frames.state is ConnectionState.REMOTE_CLOSING:
            self._wire.write([frames.send(event.response())])
        else:
            self._port.mistakes += 1
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

    # --- net.transport.Transport

    @property
    def tls(self) -> TlsFacts | None:
        return self._wire.tls

    def write(self, chunks: list[bytes]) -> None:
        frames = self._frames
        if frames is not None:
            for piece in in_pieces(chunks):
                self._wire.write([frames.send(BytesMessage(data=piece))])

    def pending_bytes(self) -> int:
        return self._wire.pending_bytes()

    def has_lost_peer(self) -> bool:
        return self._wire.has_lost_peer()

    def pause_reading(self) -> None:
        if not self._held:
            self._held = True
            self._wire.pause_reading()

    def resume_reading(self) -> None:
        if self._held:
            self._held = False
            self._wire.resume_reading()
            if self._is_more:
                self._wire.yield_turn()

    def yield_turn(self) -> None:
        self._starved = True
        self._wire.yield_turn()

    def close(self, reason: str = "") -> None:
        frames, self._frames = self._frames, None
        if frames is not None:
            code = self._port.close_code(reason)
            self._wire.write([frames.send(CloseConnection(code=code, reason=reason))])
            # A browser that has not said its own end finds the connection broken, not closed.
            self._ending = frames
            self._wire.resume_reading()
            clock = self._port.turn.clock
            self._timer = clock.call_later(WEBSOCKET_CLOSE_NS, self._wire.close)
        elif self._ending is None:
            self._wire.close()

    def _await_end(self, frames: Connection, data: bytes) -> None:
        self._ignored_bytes += len(data)
        frames.receive_data(data)
        for event in frames.events():
            if isinstance(event, CloseConnection):
                self._wire.close()
                return
        if self._ignored_bytes > READ_CHUNK_BYTES:
            self._wire.close()

    def abort(self, reason: str = "") -> None:
        self._frames = None
        self._wire.abort(reason)

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        del context, server_hostname
        raise OSError("a websocket has its TLS below it")
