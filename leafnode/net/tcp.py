"""A connected socket as a Transport, plain or with TLS.  HOT

Knows sockets and the loop's readers and writers; not what the bytes mean. One bounded read per
turn; writes are gathered by the caller and handed to the kernel at once. No asyncio Transport:
docs/adr/0012-own-transport.md.
"""

from __future__ import annotations

import asyncio
import socket
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.net.backlog import JOIN_BELOW_BYTES, LATER, Backlog, in_pieces, send
from leafnode.net.far_end import has_ended, has_unacked, last_ack_ns
from leafnode.net.outbound import READ_ERROR, SLOW_DEADLINE, WRITE_ERROR

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from leafnode.net.backlog import Late, WriteRules
    from leafnode.net.tls import TlsStream
    from leafnode.net.transport import Session
    from leafnode.net.turn import Turn

_IPV4_MAPPED: Final = "::ffff:"  # how a socket for both families calls who came by IPv4
TLS_FAILED: Final = "TLS Handshake Failure"
_HELD_BY_SESSION: Final = 1
_HELD_BY_STALL: Final = 2
_HELD_BEFORE_BEGIN: Final = 4
_HELD_BY_END: Final = 8  # our own close: nothing is read or written any more
_HELD_BY_TURN: Final = 16  # the session goes on with what it has after the others had their turn
_HELD_IN_TURN: Final = 32  # it does so now
_HELD_BY_PEER: Final = 64  # it says nothing more; what the session has for it is still written
_HELD_BY_OTHERS: Final = 128  # they used up this turn of the loop: what it sent waits to be read


class TcpConnection:
    """Implements Transport towards its session."""

    credentials: Mapping[str, str] = MappingProxyType({})  # TCP has none

    __slots__ = (
        "_backlog",
        "_begun",
        "_cost_ns",
        "_held",
        "_loop",
        "_read_bytes",
        "_reason",
        "_session",
        "_sock",
        "_tls",
        "_turn",
        "_write_rules",
        "coding",
        "on_late",
        "peer",
        "stalls",
    )

    def __init__(
        self, turn: Turn, session: Session, sock: socket.socket, *, write_rules: WriteRules
    ) -> None:
        """Own a connected, non-blocking socket. Nothing is read before `begin` or `start_tls`.

        Must be called on the loop's thread.
        """
        self._loop = asyncio.get_running_loop()
        self._turn = turn
        self._session: Session | None = session
        self._sock: socket.socket | None = sock  # None after the end
        self._write_rules = write_rules
        self.stalls = 0
        self.on_late: Callable[[Late], None] | None = None
        self.coding = 0
        self._begun = False  # the session knows of the connection
        self._tls: TlsStream | None = None
        self._held = _HELD_BEFORE_BEGIN  # who holds reading back, as bits
        self._backlog: Backlog | None = None  # None while the kernel takes everything
        self._cost_ns = 0  # of a read of it: half of that is the latest; 0: there was none
        self._read_bytes = limits.READ_CHUNK_BYTES  # the most that the next read takes
        self._reason = ""
        self.peer = ""
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                address = sock.getpeername()
            except OSError:  # gone already: the first read says so
                return
            host = str(address[0]).removeprefix(_IPV4_MAPPED)
            self.peer = f"{host}:{address[1]}"

    def begin(self) -> None:
        """Tell the session that it is connected, and read from now on."""
        session = self._session
        if session is None or self._sock is None:
            raise ConnectionResetError("the connection ended before it began")
        self._begun = True
        if not self._turn.connect(session, self):
            self.abort()
            return
        self._release(_HELD_BEFORE_BEGIN)
        if self._tls is not None:  # a handshake released it already: what came with its end
            self._loop.call_soon(self._go_on)

    def become(self, session: Session, data: bytes, *, is_new: bool = False) -> None:
        """Go on with another session, from these bytes; `is_new`: it knows of no connection yet."""
        assert self._begun, "a connection that begins belongs to its first session"
        if self._session is None:
            return
        self._session = session
        if is_new and not self._turn.connect(session, self):
            self.abort()
        elif data:
            self._take(data)

    # --- reading

    def _readable(self) -> None:
        turn = self._turn
        if turn.is_full:
            self._put_aside()
        else:  # as `_timed`, which would be one call more for each read
            began_ns = turn.begin()
            self._read()
            self._cost_ns = turn.spend_since(began_ns, self._cost_ns)

    def _put_aside(self) -> None:
        """Read in a turn of the loop that has time for it; who is held back reads later anyway."""
        if not self._held:
            self._hold(_HELD_BY_OTHERS)
            self._turn.wait_unread(self._read_later, self._cost_ns)

    def _timed(self, read: Callable[[], None]) -> None:
        """Count the time that it takes to this turn of the loop, and as what this one costs."""
        began_ns = self._turn.begin()
        read()
        self._cost_ns = self._turn.spend_since(began_ns, self._cost_ns)

    def _read_later(self) -> None:
        """Read what had to wait for a turn of the loop with time for it."""
        if self._held == _HELD_BY_OTHERS:
            self._held = 0
            self._timed(self._read_all)
            if not self._held and self._sock is not None:
                self._loop.add_reader(self._sock.fileno(), self._readable)
        else:
            self._release(_HELD_BY_OTHERS)

    def _read_all(self) -> None:
        """Read what was decrypted already, and behind it the socket: its end comes last."""
        self._read_decrypted()
        if not self._held:
            self._read()

    def _read(self) -> None:
        sock = self._sock
        if sock is None:
            return
        size = self._read_bytes
        try:
            # Not `recv_into` and a copy: 10 us instead of 13 to 37 for 64 KiB (docs/hot-path.md).
            data = sock.recv(size)
        except LATER:
            return
        except OSError as err:
            self._finish(f"{READ_ERROR}: {err}")
            return
        if data and self._tls is None:
            self._deliver(data)
            if len(data) == size:  # there is more behind it
                self._read_bytes = self._turn.next_read_bytes(size)
        elif data:
            self._take(data)
        elif self._tls is not None and not self._tls.established:
            self._tls_failed(ConnectionResetError("the connection ended within the TLS handshake"))
        else:
            self._end_of_peer()

    def _take(self, data: bytes) -> None:
        tls = self._tls
        if tls is None:
            self._deliver(data)
        elif tls.established:
            tls.feed(data)
            self._read_decrypted()
        else:
            self._shake(data)

    def _deliver(self, data: bytes) -> None:
        session = self._session
        if session is None:
            return
        turn = self._turn
        if not turn.read(session, data):
            self.abort()
        elif turn.outbox.stalled and turn.must_stall():
            self._stall()

    def _take_turn(self) -> None:
        """Let the session go on with what it has, then with what is decrypted."""
        if self._held != _HELD_BY_TURN:
            return  # it is held back otherwise, too: `_release` asks for another turn
        self._held = _HELD_IN_TURN
        self._timed(lambda: self._deliver(b""))
        self._release(_HELD_IN_TURN)

    # --- TLS

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        if self._sock is None:
            raise ConnectionResetError("the connection ended before TLS")
        done: asyncio.Future[OSError | None] = self._loop.create_future()

        def on_done(err: OSError | None) -> None:
            if not done.done():
                done.set_result(err)

        from leafnode.net.tls import TlsStream

        self.coding = 1
        self._tls = TlsStream(context, on_done, server_hostname=server_hostname)
        self._shake(b"")
        if self._held & _HELD_BEFORE_BEGIN:
            self._release(_HELD_BEFORE_BEGIN)
        if (err := await done) is not None:
            raise err

    def secure(
        self, context: ssl.SSLContext, on_done: Callable[[OSError | None], None], data: bytes
    ) -> None:
        """Turn into TLS as the accepting side; `data` is what was read of the handshake already.

        `on_done` gets None, or what went wrong; the connection is cut then.
        """
        from leafnode.net.tls import TlsStream  # not at the top: it loads OpenSSL

        self.coding = 1
        self._tls = TlsStream(context, on_done, server_hostname=None)
        if data:
            self._shake(data)

    @property
    def tls(self) -> TlsStream | None:
        """The TLS of this connection once its handshake is over."""
        tls = self._tls
        return tls if tls is not None and tls.established else None

    def _shake(self, data: bytes) -> None:
        tls = self._tls
        assert tls is not None, "a handshake has keys to agree on"
        try:
            over = tls.handshake(data)
        except OSError as err:  # ssl.SSLError is one
            self._tls_failed(err)
            return
        self._send_sealed(tls)
        if over:
            tls.on_done(None)
            self._read_decrypted()

    def _tls_failed(self, err: OSError) -> None:
        tls = self._tls
        assert tls is not None
        self._send_sealed(tls)  # the alert
        self._reason = TLS_FAILED
        tls.on_done(err)
        self.abort()

    def _go_on(self) -> None:
        if self._turn.is_full:
            self._put_aside()
        else:
            self._timed(self._read_decrypted)

    def _read_decrypted(self) -> None:
        """Deliver what is decrypted by now, one read of the session after the other."""
        tls = self._tls
        if tls is None or not tls.established:
            return
        buffer = self._turn.receive_buffer
        while self._begun and self._session is not None and not self._held:
            try:
                size = tls.read_into(buffer)
            except OSError as err:
                self._send_sealed(tls)
                self._finish(f"{READ_ERROR}: {err}")
                return
            if not size:
                break
            self._deliver(bytes(buffer[:size]))
        self._send_sealed(tls)  # answers of TLS itself, like a new key
        if tls.ended and not self._held:
            self._end_of_peer()

    def _send_sealed(self, tls: TlsStream) -> None:
        data = tls.outgoing()
        if data and self._sock is not None:
            self._push([data])

    # --- Transport

    def write(self, chunks: list[bytes]) -> None:
        if self._sock is None or self._held & _HELD_BY_END:
            return
        tls = self._tls
        if tls is not None:
            for piece in in_pieces(chunks):
                tls.seal(piece)
                self._send_sealed(tls)
        else:
            self._push(chunks)

    def pending_bytes(self) -> int:
        return self._backlog.size if self._backlog is not None else 0

    def silent_ns(self) -> int | None:
        return last_ack_ns(self._sock) if self._sock is not None else None

    def has_unsent(self) -> bool:
        return self._sock is not None and (self.pending_bytes() > 0 or has_unacked(self._sock))

    def has_lost_peer(self) -> bool:
        return self._sock is None or has_ended(self._sock)

    def has_unread(self) -> bool:
        return bool(self._held & _HELD_BY_OTHERS)

    def pause_reading(self) -> None:
        self._hold(_HELD_BY_SESSION)

    def resume_reading(self) -> None:
        self._release(_HELD_BY_SESSION)

    def yield_turn(self) -> None:
        self._hold(_HELD_BY_TURN)
        if self._held == _HELD_BY_TURN:
            self._turn.wait_for(self._take_turn)

    def close(self, reason: str = "") -> None:  # noqa: ARG002 -- TCP has no place for it
        if self._sock is None or self._held & _HELD_BY_END:
            return
        if self._tls is not None and self._tls.established:
            self._tls.close_notify()
            self._send_sealed(self._tls)
        self._end_when_written()

    def abort(self, reason: str = "") -> None:
        self._finish(reason)

    # --- writing

    def _push(self, chunks: list[bytes]) -> None:
        """Give bytes to the kernel, and what it does not take to the backlog."""
        sock = self._sock
        assert sock is not None, "asked by callers"
        size = sum(map(len, chunks))
        if len(chunks) > 1 and size < len(chunks) * JOIN_BELOW_BYTES:
            chunks = [b"".join(chunks)]
        sent = 0
        backlog = self._backlog
        if backlog is None or not backlog.size:
            try:
                sent = send(sock, chunks)
            except OSError as err:
                self._finish(f"{WRITE_ERROR}: {err}")
                return
            if sent == size:
                return
            self._loop.add_writer(sock.fileno(), self._writable)
        if backlog is None:
            backlog = self._backlog = Backlog(
                self._turn.clock, self._write_rules, self._on_deadline
            )
        backlog.keep(chunks, sent)

    def _writable(self, *, at_deadline: bool = False) -> None:
        sock, backlog = self._sock, self._backlog
        if sock is None or backlog is None:
            return
        try:
            (backlog.fill if at_deadline else backlog.send_to)(sock)
        except OSError as err:
            self._finish(f"{WRITE_ERROR}: {err}")
            return
        if backlog.is_taken:
            self._tell(backlog.renew())
        if not backlog.size and self._sock is not None:
            self._loop.remove_writer(sock.fileno())
            if self._held & _HELD_BY_END:
                self._finish("")

    def _on_deadline(self) -> None:
        backlog = self._backlog
        if backlog is None:
            return
        backlog.deadline = None
        late = backlog.late()
        self._tell(late)
        if late is not None and late.is_over:
            self._reason = SLOW_DEADLINE
            self.abort()
        elif late is not None:
            self._writable(at_deadline=True)
        if backlog.size and self._sock is not None:
            backlog.watch()
        elif not backlog.size:
            self._backlog = None

    def _tell(self, late: Late | None) -> None:
        if late is not None and self.on_late is not None:
            self.on_late(late)

    # --- the end

    def _end_when_written(self) -> None:
        self._hold(_HELD_BY_END)
        if not self.pending_bytes():
            return self._finish("")
        return self._turn.leaving.enter(self)  # what is pending has its deadline already

    def _end_of_peer(self) -> None:
        """The peer says nothing more: its session is over now, what waits is sent all the same."""
        session = self._session
        if session is None or not self._begun:
            self._end_when_written()
            return
        self._hold(_HELD_BY_PEER)
        self._session = None
        self._turn.end_later(lambda: self._lose_peer(session))

    def _lose_peer(self, session: Session) -> None:
        self._turn.lose(session, self._reason)
        self._end_when_written()

    def _finish(self, why: str) -> None:
        """Close the socket now; the session learns of it in a later turn."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        self._held |= _HELD_BY_END
        self._turn.leaving.leave(self)
        self._loop.remove_reader(sock.fileno())
        backlog, self._backlog = self._backlog, None
        if backlog is not None:
            self._loop.remove_writer(sock.fileno())
            if backlog.deadline is not None:
                backlog.deadline.cancel()
        sock.close()
        self._reason = self._reason or why
        tls = self._tls
        if tls is not None and not tls.established:
            tls.on_done(ConnectionResetError("the connection ended within the TLS handshake"))
            # Behind whom that woke: an end of another, due in this turn, would bring this one.
            self._loop.call_soon(self._turn.end_later, self._lose)
        else:
            self._turn.end_later(self._lose)

    def _lose(self) -> None:
        session, self._session = self._session, None
        self._tls = self.on_late = None
        if session is not None and self._begun:
            self._turn.lose(session, self._reason)

    # --- holding back

    def _hold(self, who: int) -> None:
        if not self._held and self._sock is not None:
            self._loop.remove_reader(self._sock.fileno())
        self._held |= who

    def _release(self, who: int) -> None:
        if not self._held & who:
            return
        self._held &= ~who
        if self._sock is None:
            return
        if self._held == _HELD_BY_TURN:
            self._turn.wait_for(self._take_turn)
        elif not self._held:
            self._loop.add_reader(self._sock.fileno(), self._readable)
            if self._begun and self._tls is not None:
                self._loop.call_soon(self._go_on)  # what was decrypted already

    def _stall(self) -> None:
        """Do not read for a moment: what came in goes to a client that cannot keep up."""
        self.stalls += 1
        if not self._held & _HELD_BY_STALL:
            self._hold(_HELD_BY_STALL)
            self._turn.end_stall_later(self._end_stall)

    def _end_stall(self) -> None:
        self._release(_HELD_BY_STALL)
