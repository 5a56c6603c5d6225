"""Connections in memory: Transport and Dial without sockets, on any Clock.

Bytes written by one end reach the other in a later turn, after the link's latency, in order. A link
can be cut, made deaf (its reader takes nothing) and made to chop what it carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.limits import READ_CHUNK_BYTES

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from leafnode.clock import Clock
    from leafnode.net.backlog import Late
    from leafnode.net.s2_layer import S2Layer
    from leafnode.net.transport import Session, Target
    from leafnode.net.turn import Turn


class MemoryTransport:
    """One end of a link. Implements Transport."""

    def __init__(self, link: Link, turn: Turn | None, peer: str) -> None:
        self.peer = peer
        self.credentials: Mapping[str, str] = {}
        self.stalls = 0
        self.coding = 0
        self.on_late: Callable[[Late], None] | None = None
        self.other: MemoryTransport
        self.session: Session | None = None
        self._link = link
        self._turn = turn
        self._incoming = bytearray()
        self.reached_ns = link.clock.monotonic_ns()  # when the other end's kernel last said so
        self.paused = False
        self.unread = False  # its turn of the loop had no time for what came
        self._closing = False  # our end sends what is pending, then is gone
        self._pending = bytearray()  # written here, not yet taken by the other end's kernel
        self._ended = False
        self._waits = False  # the session goes on before anything is read
        self._hung_up = False  # the other end is gone; what it sent is read first

    # --- Transport

    def write(self, chunks: list[bytes]) -> None:
        if self._closing or self._ended:
            return
        self._pending += b"".join(chunks)
        self._link.schedule(self)

    def pending_bytes(self) -> int:
        return len(self._pending)

    def silent_ns(self) -> int | None:
        return self._link.clock.monotonic_ns() - self.reached_ns

    def has_unsent(self) -> bool:
        return bool(self._pending)

    def has_unread(self) -> bool:
        return self.unread

    def has_lost_peer(self) -> bool:
        return self._hung_up or self._ended

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        self.unread = False  # its turn of the loop had no time for what came
        if self._waits:
            self._ask_for_turn()
        elif self._hung_up and not self._incoming:
            self.end("")
        self._link.schedule_read(self)

    def yield_turn(self) -> None:
        if not self._waits:
            self._waits = True
            self._ask_for_turn()

    def _ask_for_turn(self) -> None:
        if self._turn is not None:
            self._turn.wait_for(self._take_turn)
        else:
            self._link.clock.call_later(0, self._take_turn)

    def _take_turn(self) -> None:
        if self.paused or self._ended:
            return
        self._waits = False
        self._hand_over(b"")
        if self._incoming:
            self._link.schedule_read(self)
        elif self._hung_up and not self._waits:
            self.end("")

    tls = None  # a memory link has none

    def close(self, reason: str = "") -> None:
        if not self._closing and not self._ended:
            self._closing = True
            self._link.schedule(self)

    def abort(self, reason: str = "") -> None:
        if not self._ended:
            self._pending.clear()
            self._closing = True
            self._link.schedule(self)

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        raise OSError("a memory link has no TLS")

    # --- for the link

    def carry(self) -> None:
        """Move what is pending to the other end; finish closing when all is moved."""
        if self._ended:
            return
        if not self._link.deaf or self._closing:
            if self._pending:
                self.reached_ns = self._link.clock.monotonic_ns()
            self.other.take(bytes(self._pending))
            self._pending.clear()
        if self._closing and not self._pending:
            other = self.other
            self.end("")
            other.hang_up()

    def take(self, data: bytes) -> None:
        """Get bytes from the other end."""
        if not self._closing:
            self._incoming += data
            self.read()

    def read(self) -> None:
        """Hand one read at a time to the session."""
        if self.paused or self._waits or not self._incoming:
            return
        size = min(self._link.chop_bytes or READ_CHUNK_BYTES, READ_CHUNK_BYTES)
        data = bytes(self._incoming[:size])
        del self._incoming[:size]
        self._hand_over(data)
        if self._incoming:
            self._link.schedule_read(self)
        elif self._hung_up and not self._waits:
            self.end("")

    def _hand_over(self, data: bytes) -> None:
        if self._ended or self.session is None:
            return
        if self._turn is None:
            self.session.received(data)
            return
        self._turn.begin()
        if not self._turn.read(self.session, data):
            self.abort()

    def hang_up(self) -> None:
        """Learn that the other end closed: what it sent before was handed over, unless paused."""
        while self._incoming and not self.paused and not self._waits and not self._closing:
            self.read()
        self._hung_up = True
        if not self._waits and not self.paused:
            self.end("")

    def end(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        session, self.session = self.session, None
        if self.other._ended:
            del self.other.other, self.other  # no cycle of what is gone
        if session is None:
            return
        if self._turn is None:
            session.lost(reason)
        else:
            self._turn.lose(session, reason)


class Link:
    """Two ends and what lies between them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.latency_ns = 0
        self.deaf = False  # nobody takes bytes out: they stay pending at the writer
        self.chop_bytes = 0  # largest read; 0: as large as a read can be

    def schedule(self, end: MemoryTransport) -> None:
        self.clock.call_later(self.latency_ns, end.carry)

    def schedule_read(self, end: MemoryTransport) -> None:
        self.clock.call_later(0, end.read)


class MemoryNetwork:
    """Addresses to listen on and to dial. Implements Dial by being called."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: dict[tuple[str, int], tuple[Turn, Callable[[], Session]]] = {}
        self._next_port = 49152
        self.links: list[Link] = []
        self.latency_ns = 0
        self.down = False  # nothing can be dialed

    def listen(
        self, turn: Turn, session_factory: Callable[[], Session], *, host: str, port: int
    ) -> None:
        self._listeners[host, port] = (turn, session_factory)

    def unlisten(self, *, host: str, port: int) -> None:
        del self._listeners[host, port]

    def connect(
        self, session: Session, host: str, port: int, *, turn: Turn | None = None
    ) -> tuple[MemoryTransport, Link]:
        """Connect a session to a listener at once and return its transport."""
        listener = self._listeners.get((host, port))
        if listener is None or self.down:
            raise ConnectionRefusedError(f"nobody listens on {host}:{port}")
        self._next_port += 1
        link = Link(self._clock)
        link.latency_ns = self.latency_ns
        here = MemoryTransport(link, turn, f"{host}:{port}")
        there = MemoryTransport(link, listener[0], f"127.0.0.1:{self._next_port}")
        here.other, there.other = there, here
        here.session = session
        there.session = accepted = listener[1]()
        self.links.append(link)
        if turn is None:
            session.connected(here)
        else:
            turn.connect(session, here)
        if not listener[0].connect(accepted, there):
            there.abort()
        return here, link

    async def __call__(
        self, target: Target, session: Session, below: S2Layer | None = None
    ) -> None:
        """See `net.transport.Dial`; `dialing_turn` is the turn of whoever dials."""
        if below is not None:
            session = below.carry(session)
        self.connect(session, target.host, target.port, turn=self.dialing_turn)

    dialing_turn: Turn | None = None  # of the server under test that dials
