"""A TCP or TLS connection of asyncio as a Transport.  HOT

Knows sockets and asyncio; not what the bytes mean. One read of at most READ_CHUNK_BYTES per turn,
into a buffer that all connections share; writes are gathered by the caller and handed over at once.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S
from leafnode.limits import STALL_NS
from leafnode.net.outbound import SLOW_DEADLINE

if TYPE_CHECKING:
    import ssl

    from leafnode.clock import Timer
    from leafnode.net.transport import Session
    from leafnode.net.turn import Turn

# Below this mean size one copy is cheaper than a vector of chunks (hot path measurements).
JOIN_BELOW_BYTES: Final = 1024
_HELD_BY_SESSION: Final = 1
_HELD_BY_STALL: Final = 2


class TcpConnection(asyncio.BufferedProtocol):
    """Implements Transport towards its session, and asyncio's protocol towards the loop."""

    __slots__ = (
        "_deadline",
        "_deferred",
        "_handed_bytes",
        "_held",
        "_mark_bytes",
        "_raw",
        "_reason",
        "_session",
        "_tls",
        "_turn",
        "_write_deadline_ns",
        "peer",
    )

    def __init__(
        self, turn: Turn, session: Session, *, write_deadline_ns: int, deferred: bool = False
    ) -> None:
        """`deferred`: the session learns of the connection by `begin`, not as it is made."""
        self.peer = ""
        self._turn = turn
        self._session: Session | None = session
        self._write_deadline_ns = write_deadline_ns
        self._deferred = deferred
        self._raw: asyncio.Transport | None = None  # None before the connection and after its end
        self._tls: asyncio.Transport | None = None
        self._held = 0  # who holds reading back, as bits
        self._handed_bytes = 0  # everything ever given to `write`
        self._mark_bytes = 0  # of that, what the kernel must have taken when the deadline comes
        self._deadline: Timer | None = None
        self._reason = ""

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._raw = transport
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        address = transport.get_extra_info("peername")
        self.peer = f"{address[0]}:{address[1]}" if address else ""
        if self._deferred:
            transport.pause_reading()
        else:
            self.begin()

    def begin(self) -> None:
        """Tell the session that it is connected."""
        assert self._session is not None
        if self._deferred:
            self._deferred = False
            self._resume()
        if not self._turn.connect(self._session, self):
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return self._turn.receive_buffer

    def buffer_updated(self, nbytes: int) -> None:
        session = self._session
        if session is None:
            return
        turn = self._turn
        if not turn.read(session, bytes(turn.receive_buffer[:nbytes])):
            self.abort()
        elif turn.must_stall():
            self._stall()

    def connection_lost(self, exc: Exception | None) -> None:
        self._raw = self._tls = None
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        session, self._session = self._session, None
        if session is not None and not self._deferred:
            why = "" if exc is None else str(exc) or type(exc).__name__
            self._turn.lose(session, self._reason or why)

    # --- Transport

    def write(self, chunks: list[bytes]) -> None:
        transport = self._tls or self._raw
        if transport is None or transport.is_closing():
            return
        size = sum(map(len, chunks))
        if len(chunks) == 1:
            transport.write(chunks[0])
        elif self._tls is not None or size < len(chunks) * JOIN_BELOW_BYTES:
            # With TLS every call is a record of its own, whatever its size: always one.
            transport.write(b"".join(chunks))
        else:
            transport.writelines(chunks)
        self._handed_bytes += size
        if self._deadline is None:
            self._watch()

    def pending_bytes(self) -> int:
        if self._raw is None:
            return 0
        pending = self._raw.get_write_buffer_size()
        return pending if self._tls is None else pending + self._tls.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._hold(_HELD_BY_SESSION)

    def resume_reading(self) -> None:
        self._release(_HELD_BY_SESSION)

    def close(self) -> None:
        transport = self._tls or self._raw
        if transport is None or transport.is_closing():
            return
        transport.close()  # what is pending has its deadline already

    def abort(self) -> None:
        if self._raw is not None:
            self._raw.abort()

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        raw = self._raw
        if raw is None:
            raise ConnectionResetError("the connection ended before TLS")
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(
            raw,
            self,
            context,
            server_hostname=server_hostname,
            ssl_shutdown_timeout=self._write_deadline_ns / NS_PER_S,
        )
        if transport is None or self._raw is None:
            raise ConnectionResetError("the connection ended within the TLS handshake")
        self._tls = transport

    # --- holding back

    def _hold(self, who: int) -> None:
        self._held |= who
        transport = self._tls or self._raw
        if transport is not None:
            transport.pause_reading()

    def _release(self, who: int) -> None:
        self._held &= ~who
        if not self._held:
            self._resume()

    def _resume(self) -> None:
        transport = self._tls or self._raw
        if transport is not None:
            transport.resume_reading()

    def _stall(self) -> None:
        """Do not read for a moment: what came in goes to a client that cannot keep up."""
        if not self._held & _HELD_BY_STALL:
            self._hold(_HELD_BY_STALL)
            self._turn.clock.call_later(STALL_NS, self._end_stall)

    def _end_stall(self) -> None:
        self._release(_HELD_BY_STALL)

    def _watch(self) -> None:
        """See to it that what is pending now is taken by the kernel within the write deadline."""
        if self.pending_bytes():
            self._mark_bytes = self._handed_bytes
            self._deadline = self._turn.clock.call_later(self._write_deadline_ns, self._overdue)

    def _overdue(self) -> None:
        self._deadline = None
        pending = self.pending_bytes()
        if self._handed_bytes - pending < self._mark_bytes:
            self._reason = SLOW_DEADLINE
            self.abort()
        else:
            self._watch()
