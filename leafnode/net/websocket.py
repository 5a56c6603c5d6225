"""A WebSocket connection of somebody who came: the request, then the stream of its frames.

A Session to the socket below; above it `websocket_stream` has the frames. Knows the handshake; not
what is spoken. Truth: RFC 6455; nats-server 2.15.1 server/websocket.go.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from leafnode.crowd import Crowd
from leafnode.limits import (
    AUTH_LOG_NS,
    CROWD_PATIENCE_NS,
    UNREAD_WATCH_NS,
    WEBSOCKET_ENTRIES_MAX,
)
from leafnode.net.websocket_handshake import Handshake, HandshakeRules, Refusal
from leafnode.net.websocket_stream import WebSocketStream, WebSocketTerms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.net.transport import Session, Transport
    from leafnode.net.websocket_handshake import Upgrade

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT: Final = "Websocket Handshake Timeout"


@dataclass(slots=True, kw_only=True)
class WebSocketPort(WebSocketTerms):
    """What the connections of one listener share, and what happened to them."""

    rules: HandshakeRules
    handshake_timeout_ns: int
    # Who serves those whose path says that they are one: on what, and whether messages are packed.
    leaf: Callable[[Transport, bool], Session] | None = None
    refused: int = 0  # requests that were no handshake, or not welcome
    overdue: int = 0
    shaking: Crowd[WebSocketConnection] = field(  # whose handshake is not over
        default_factory=lambda: Crowd(WEBSOCKET_ENTRIES_MAX, CROWD_PATIENCE_NS)
    )
    _logged_ns: int = 0
    _unlogged: int = 0

    def session(self, admit: Callable[[], Session]) -> WebSocketConnection:
        """Return who does the handshake. `admit` makes who is served after it."""
        return WebSocketConnection(self, admit)

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


class WebSocketConnection(WebSocketStream):
    """Implements net.transport.Session below and net.transport.Transport above."""

    __slots__ = ("_admit", "_handshake", "_port")

    def __init__(self, port: WebSocketPort, admit: Callable[[], Session]) -> None:
        super().__init__(port, None)
        self._port = port
        self._admit = admit
        self._handshake: Handshake | None = Handshake(port.rules)

    # --- net.transport.Session

    def connected(self, transport: Transport) -> None:
        self._wire = transport
        self.peer = transport.peer
        port = self._port
        clock = port.turn.clock
        self._timer = clock.call_later(port.handshake_timeout_ns, self._overdue)
        address = self.peer.rpartition(":")[0]
        evicted = port.shaking.enter(self, address, clock.monotonic_ns())
        if evicted is not None:
            evicted.end_handshake("")

    def entered(self) -> None:
        """See net.entry.Guest: what follows has its own time."""

    def received(self, data: bytes) -> None:
        if self._handshake is not None:
            self._shake(self._handshake, data)
        else:
            self._take(data)

    def lost(self, reason: str) -> None:
        guest, self._guest = self._guest, None
        if guest is not None:
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
            self._wire.write([answer.answer])
            self._wire.close()
        elif answer.sent_early:
            self._port.note_refusal(self.peer, "client sent data before handshake is complete")
            self._wire.abort()
        else:
            self._begin(answer)

    def _begin(self, upgrade: Upgrade) -> None:
        if upgrade.is_leaf:
            assert self._port.leaf is not None, "else such a path is refused"
            guest = self._port.leaf(self._wire, upgrade.deflate)
        else:
            guest = self._admit()
        self._guest = guest
        self._handshake = None
        masks, is_leaf = upgrade.masks, upgrade.is_leaf
        self._open(deflates=upgrade.deflate, dials=False, masks=masks, is_leaf=is_leaf)
        self.credentials = upgrade.credentials
        if upgrade.client_ip:
            # For people who read the log; whoever dials may say what he likes.
            log.debug("Websocket client forwarded: peer=%s for=%s", self.peer, upgrade.client_ip)
        self._wire.write([upgrade.answer])
        guest.connected(self)

    def _overdue(self) -> None:
        self._timer = None
        if self._wire.has_unread():  # what is due may be in it
            self._timer = self._port.turn.clock.call_later(UNREAD_WATCH_NS, self._overdue)
            return
        self._port.overdue += 1
        self.end_handshake(HANDSHAKE_TIMEOUT)

    def _end_shaking(self) -> None:
        self._port.shaking.leave(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
