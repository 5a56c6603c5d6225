"""A WebSocket connection that we asked for: the request, then the stream of its frames.

A Session to the socket below; above it `websocket_stream` has the frames. Knows the handshake; not
what is spoken. Truth: RFC 6455; nats-server 2.15.1 server/leafnode.go leafNodeSolicitWSConnection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsproto.utilities import generate_nonce

from leafnode.net.websocket_request import Asking
from leafnode.net.websocket_stream import WebSocketStream, WebSocketTerms

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.net.transport import Session, Transport
    from leafnode.net.websocket_request import WebSocketRequest


class DialedWebSocket(WebSocketStream):
    """Implements net.transport.Session below and net.transport.Transport above."""

    __slots__ = ("_asking", "_on_done")

    def __init__(
        self,
        terms: WebSocketTerms,
        request: WebSocketRequest,
        guest: Session,
        on_done: Callable[[OSError | None], None],
    ) -> None:
        """`on_done` is called once: with None when the guest is connected, else with the reason.

        Whoever dials bounds how long that takes.
        """
        super().__init__(terms, guest)
        self._asking: Asking | None = Asking(request, generate_nonce())
        self._on_done = on_done

    def connected(self, transport: Transport) -> None:
        assert self._asking is not None, "connected once"
        self._wire = transport
        self.peer = transport.peer
        transport.write([self._asking.data()])

    def received(self, data: bytes) -> None:
        asking = self._asking
        if asking is None:
            self._take(data)
            return
        try:
            agreed = asking.receive(data)
        except OSError as err:
            self._fail(err)
            return
        guest = self._guest
        if agreed is None or guest is None:
            return
        self._asking = None
        self._open(deflates=agreed.deflates, dials=True, masks=agreed.masks, is_leaf=True)
        guest.connected(self)
        self._on_done(None)
        if agreed.rest:
            self._take(agreed.rest)

    def lost(self, reason: str) -> None:
        guest, self._guest = self._guest, None
        if self._asking is not None:
            self._asking = None
            # With TLS 1.3 a hub refuses our certificate only now: its alert is the reason.
            why = f": {reason}" if reason else ""
            words = f"the connection ended within the websocket handshake{why}"
            self._on_done(ConnectionResetError(words))
        elif guest is not None:
            guest.lost(self._reason or reason)
        self._frames = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, err: OSError) -> None:
        self._asking = self._guest = None
        self._on_done(err)
        self._wire.abort()
