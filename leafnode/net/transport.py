"""The seam between bytes and those who understand them: Transport, Session, Dial.

Knows no socket and no NATS. Implementations: `net.tcp` on asyncio, tests/sim/network.py in memory;
tests/contract/test_transport.py runs both. All calls are made on the loop's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from leafnode.config.options import HttpProxy
    from leafnode.net.backlog import Late
    from leafnode.net.s2_layer import S2Layer
    from leafnode.net.websocket_request import WebSocketRequest


class TlsFacts(Protocol):
    """What a finished handshake tells."""

    def version(self) -> str:
        """Like TLSv1.3."""
        ...

    def cipher(self) -> str:
        """By OpenSSL's name."""
        ...

    def certificate(self) -> bytes:
        """The peer's, in DER; empty where it showed none."""
        ...

    def sent(self) -> list[bytes]:
        """The peer's certificate and those that it sent with it, in DER, if it was verified."""
        ...

    def chain(self) -> list[bytes]:
        """The peer's certificate and who vouches for it, in DER, if it was verified."""
        ...

    def names(self) -> dict[str, object]:
        """The peer's certificate, if it was verified, as `ssl.SSLSocket.getpeercert` has it."""
        ...


class Transport(Protocol):
    """One connection as a stream of bytes. Every method but `start_tls` returns at once."""

    peer: str  # "ip:port" of the other end
    # Fields of CONNECT that came before it, in cookies; no framing but WebSocket has any.
    credentials: Mapping[str, str]
    # Told when the other end did not take in time what was written; set by whoever wants to know.
    # Where that ends the connection, `Session.lost` follows.
    on_late: Callable[[Late], None] | None

    @property
    def coding(self) -> int:
        """What each byte written costs before the kernel has it, in bytes of TLS; 0: nothing."""
        ...

    @property
    def stalls(self) -> int:
        """How often it was not read because of somebody who did not keep up with it."""
        ...

    @property
    def tls(self) -> TlsFacts | None:
        """What is known of the peer by TLS; None where the connection is plain."""
        ...

    def write(self, chunks: list[bytes]) -> None:
        """Send the chunks in order, or keep them until the kernel takes them. Never blocks.

        The list is the transport's from here on. After `close` or `abort` the bytes are dropped.
        """
        ...

    def pending_bytes(self) -> int:
        """Bytes handed over that the kernel did not take yet."""
        ...

    def silent_ns(self) -> int | None:
        """Since when the other end's kernel said nothing, not even that it took what was sent.

        None: nobody knows.
        """
        ...

    def has_unsent(self) -> bool:
        """Whether anything handed over has yet to reach the other end's kernel, as far as is known:
        what waits here is among it, and what waits in the kernel.
        """
        ...

    def has_lost_peer(self) -> bool:
        """Whether the other end said its last word, for whoever has paused reading."""
        ...

    def has_unread(self) -> bool:
        """Whether what the other end sent waits here, since others had used up the turn."""
        ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def yield_turn(self) -> None:
        """Read nothing and have the session take b"" after the others had their turn.

        For a session that has more to do with what it has read than fits into one turn. It may
        pause reading meanwhile: then its turn comes once it has resumed.
        """
        ...

    def close(self, reason: str = "") -> None:
        """Stop reading, send what is pending, then close; `Session.lost` follows in a later turn.

        A peer that takes nothing is cut after the write deadline. `reason` is told to a peer whose
        framing has a place for it.
        """
        ...

    def abort(self, reason: str = "") -> None:
        """Close at once and drop what is pending; `Session.lost` follows in a later turn.

        `reason` is what `lost` is told.
        """
        ...

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        """Turn into TLS as the client side. Returns after the handshake.

        Raises OSError (ssl.SSLError is one) before `Session.lost` is called. The caller sets the
        deadline and writes nothing meanwhile.
        """
        ...


class Session(Protocol):
    """What speaks on a transport: connected once, received many times, lost once."""

    def connected(self, transport: Transport) -> None: ...

    def received(self, data: bytes) -> None:
        """Take one read, at most READ_BULK_BYTES. Nothing: it is its turn, see `yield_turn`."""
        ...

    def lost(self, reason: str) -> None:
        """Learn that nothing more comes or goes.

        `reason` is empty after an orderly close; else what monitoring calls it, and `: ` with the
        system's words where it has some.
        """
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where to, and by what way.

    `timeout_ns` bounds name lookup, connect and every handshake together. `tls` given: its
    handshake comes before any other byte, and `server_hostname` is whose certificate it must be.
    `websocket`: asked for behind that. `proxy`: what is dialed instead, to lead there.
    """

    host: str
    port: int
    timeout_ns: int
    tls: ssl.SSLContext | None = None
    server_hostname: str = ""
    websocket: WebSocketRequest | None = None
    proxy: HttpProxy | None = None
    pinned_certs: frozenset[str] = frozenset()  # of which one must be shown in `tls`


class Dial(Protocol):
    """Open a connection outward."""

    async def __call__(
        self, target: Target, session: Session, below: S2Layer | None = None
    ) -> None:
        """Return when the session is `connected`. Raises OSError (TimeoutError is one).

        `below`: it lies directly on the connection, and may pack what goes over it.
        """
        ...
