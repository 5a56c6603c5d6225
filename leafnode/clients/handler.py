"""A client connection: what its operations do to an account.

Knows the session's states, the lane and accounts; not sockets, and no way of authenticating.
Truth: nats-server 2.15.1 server/client.go; measured: tests/conformance/transcripts.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.auth.authenticator import new_nonce
from leafnode.clients import interest
from leafnode.clients.bounds import bounds_of
from leafnode.clients.facts import (
    CLIENT_CLOSED,
    ConnectionFacts,
    ShowsTls,
    closed_state,
    connection_facts,
)
from leafnode.clients.infos import Infos
from leafnode.clients.log_lines import Label, label
from leafnode.clients.login import Login
from leafnode.clients.outbound import new_outbound
from leafnode.errors import ProtocolError
from leafnode.limits import CONTROL_LINE_WORK, TRACED_READ_BYTES, UNREAD_WATCH_NS
from leafnode.net.outbound import SLOW_PENDING
from leafnode.protocol import errors
from leafnode.protocol.client_session import CHECKING, CLOSED, ClientSession, State
from leafnode.protocol.errors import wire_line
from leafnode.protocol.info import DEFAULT_CONNECT
from leafnode.protocol.op import ConnectOp, Ping, Sub, Unsub
from leafnode.routing.lane import Lane
from leafnode.routing.peer import Kind, Peer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.auth.identity import ConnectionType, Identity
    from leafnode.clients.seams import ClientSeams
    from leafnode.clients.trace import Trace
    from leafnode.clock import Timer
    from leafnode.net.outbound import Outbound
    from leafnode.net.transport import TlsFacts, Transport
    from leafnode.protocol.info import Connect
    from leafnode.protocol.op import Op

log = logging.getLogger(__name__)

_OK: Final = b"+OK\r\n"
_PING: Final = b"PING\r\n"
_PONG: Final = b"PONG\r\n"
_CONNECT_STARTS: Final = frozenset({b"C", b"c"})

_FAILED: Final = "Connection closed, handling its bytes failed: cid=%d"


class ClientHandler(ShowsTls):
    """Implements net.transport.Session for one client."""

    __slots__ = (
        "_bounds",
        "_fed_msgs",
        "_infos",
        "_lane",
        "_login",
        "_outbound",
        "_seams",
        "_session",
        "_start_wall_ns",
        "_timer",
        "_trace",
        "_transport",
        "_waiting",
        "peer",
    )

    def __init__(self, seams: ClientSeams) -> None:
        super().__init__()
        self._seams = seams
        self.peer = Peer(seams.next_cid(), Kind.CLIENT, seams.outbox)
        now_ns, self._start_wall_ns = seams.clock.monotonic_ns(), seams.clock.wall_ns()
        self.peer.active = (now_ns, self._start_wall_ns)
        self._session = ClientSession(seams.rules, now_ns)
        self._lane = Lane(
            self.peer,
            max_payload_bytes=seams.options.max_payload_bytes,
            max_control_line_bytes=seams.options.max_control_line_bytes,
        )
        self._login = Login(seams, self)
        self._bounds = bounds_of(seams.options, None, None)
        self._fed_msgs = 0  # messages it had got when the timer ran last
        self._infos = Infos(seams)
        self._timer: Timer | None = None
        self._transport: Transport | None = None
        self._outbound: Outbound | None = None
        self._trace: Trace | None = None  # only where the configuration asks for it
        self._waiting = b""  # the rest of a read that is traced

    # --- net.transport.Session

    def connected(self, transport: Transport) -> None:
        seams = self._seams
        self._transport = transport
        self._session.begin(seams.rules)
        self._attach(transport)
        if seams.authenticator.nonce_required:
            self._login.nonce = new_nonce(seams.token_bytes)
        log.debug("%s - Client connection created", Label(self))
        self._tls_first = transport.tls is not None
        self.peer.send(self._infos.first(self, self._login, is_tls=self._tls_first))
        if not seams.registry.admit(self):
            self.refuse(errors.MaxConnectionsExceeded())
            return
        connect = self._session.connect
        self._set_options(connect)
        if self._session.state is State.OPEN:
            self._login.bind_anybody(connect)
            self._apply_bounds()
        elif self._tls_first or not seams.entry_ns:  # else this is not its turn to say anything
            self._session.entered(seams.clock.monotonic_ns())
            self._await_login()
        if self._session.state is not State.CLOSED:
            self._set_timer()

    def received(self, data: bytes) -> None:
        if self._session.state is State.CLOSED:
            return
        if self._trace is not None or self._waiting:
            data = self._waiting + data
            data, self._waiting = data[:TRACED_READ_BYTES], data[TRACED_READ_BYTES:]
        if data and not self._read(data):
            return
        self._work()
        self.peer.end_read()

    def _read(self, data: bytes) -> bool:
        """Take one read to be worked on; False where nothing of it is."""
        session = self._session
        try:
            if session.state is State.GREETED and data[:1] not in _CONNECT_STARTS:
                self._login.enter_anonymously()
            session.received(data, self.peer.outbox.now[0])
        except ProtocolError as error:
            self.refuse(error)
            return False
        if self._trace is not None:
            self._trace.read(data, is_open=self._session.state is State.OPEN)
        self._lane.feed(data)
        return True

    def lost(self, reason: str) -> None:
        self._end(reason.partition(": ")[0] or CLIENT_CLOSED)
        if self._outbound is not None:
            self._outbound.lose()
        self._transport = self._outbound = self._trace = None
        self.peer.flush = _nothing_to_flush
        self._lane.end()
        self._login.lose_client()

    def entered(self) -> None:
        """See net.entry.Guest."""
        if self._session.state is not State.CLOSED:
            self._session.entered(self._seams.clock.monotonic_ns())
            if self._session.state is not State.OPEN:
                self._await_login()
        if self._session.state is not State.CLOSED:
            self._set_timer()

    def turned_away(self, transport: Transport, reason: str) -> None:
        """Its way in failed before it was greeted: it was a connection all the same."""
        registry = self._seams.registry
        registry.count_gone()
        self._transport = transport
        registry.remember(self, reason, self._seams.clock.wall_ns())
        self._transport = None

    def _await_login(self) -> None:
        """Wait for its CONNECT with those of its address; a PROXY header may be yet to tell it."""
        seams, address = self._seams, self.address().rpartition(":")[0]
        if address:
            seams.registry.await_login(self, address, seams.clock.monotonic_ns())

    # --- for the server and monitoring

    @property
    def identity(self) -> Identity | None:
        """Who it is; None: nobody yet."""
        return self._login.identity

    @property
    def connect(self) -> Connect:
        """What its CONNECT says; of one that is not in force, what it claims."""
        claimed = self._login.claimed
        return self._session.connect if claimed is DEFAULT_CONNECT else claimed

    def again(self) -> Identity | None:
        """Who it is by the users and accounts of now, see `Login.again`."""
        return self._login.again()

    def become(self, identity: Identity) -> None:
        """Be the same user as it is now: with other permissions or bounds."""
        self._login.renew(identity)
        self._apply_bounds()

    def take_options(self) -> None:
        """Go by the bounds and times that the server's options name now."""
        if self._session.state is State.CLOSED:
            return
        seams = self._seams
        options = seams.options
        self._session.take_rules(seams.rules, seams.clock.monotonic_ns())
        self._lane.limit_line(options.max_control_line_bytes)
        if self._transport is not None:
            self._attach(self._transport)
        self._set_timer()
        self._apply_bounds()

    def close(self, reason: str) -> None:
        """End the connection after sending what is pending."""
        self._end(reason)

    def tell_lame_duck(self) -> bool:
        """Ask the client to go elsewhere; False if it cannot hear that, or not yet."""
        return self._infos.tell(self, self._session, ldm=True)

    def tell(self) -> bool:
        """Send INFO as it is now; False if the client cannot take another one, or not yet."""
        return self._infos.tell(self, self._session)

    def _attach(self, transport: Transport) -> None:
        before = self._outbound
        self._outbound, self._trace = new_outbound(self, transport, self._seams, self._on_slow)
        if before is not None:
            self._outbound.take_over(before)

    @property
    def rtt_ns(self) -> int:
        return self._session.rtt_ns

    def plain_facts(self) -> ConnectionFacts:
        """What services may be told, where it consented: everything but its encryption."""
        return connection_facts(
            self.peer,
            self._session,
            login=self._login,
            address=self.address(),
            start_ns=self._start_wall_ns,
            outbound=self._outbound,
            clock=self._seams.clock,
        )

    def facts(self, *, with_certificates: bool = True) -> ConnectionFacts:
        """What monitoring shows; of a connection that is over it shows no certificates."""
        return self._with_tls(self.plain_facts(), self.tls(), with_certificates=with_certificates)

    # --- operations

    def _work(self) -> None:
        """Handle what was read, as far as it goes and as long as others need not wait."""
        session, lane, outbox = self._session, self._lane, self.peer.outbox
        line: bytes | None = b""
        while session.state is not CHECKING and session.state is not CLOSED:
            try:
                line = lane.next_line()
                if line is None and not (lane.starved or self._waiting):
                    return
                if line is not None:
                    outbox.work_left -= CONTROL_LINE_WORK
                    self._do(session.take(line))
            except ProtocolError as error:
                self.refuse(error)
            if line is None or lane.starved or outbox.work_left <= 0:
                break
        if session.state not in {CHECKING, CLOSED} and self._transport is not None:
            self._transport.yield_turn()

    def _do(self, op: Op) -> None:
        match op:
            case Sub():
                interest.subscribe(self.peer, op, self._bounds)
            case Unsub():
                interest.unsubscribe(self.peer, op)
            case Ping():
                self._answer_ping()
            case ConnectOp(connect):
                self.peer.active = self.peer.outbox.now
                self.peer.outbox.work_left -= connect.work
                self._connect(connect)
            case _:
                pass  # PONG is the session's; +OK and INFO have no effect

    def _answer_ping(self) -> None:
        self.peer.send(_PONG)
        self._infos.ponged(self, self._session, self._bounds)

    # --- login: what `clients.login` has its client do

    def wait(self) -> None:
        """Read nothing more until `go_on`: credentials are being checked.

        Whoever checks has places of its own, and whom it has none for it refuses.
        """
        assert self._transport is not None, "operations come from a connection"
        self._transport.pause_reading()
        self._seams.registry.waiting.leave(self.peer.cid)
        self._session.await_check(self._seams.clock.monotonic_ns())
        self._set_timer()

    def begin_check(self) -> None:
        """Handle nothing until a login that nobody asked for is decided."""
        self._session.begin_anonymous_check()

    def go_on(self) -> None:
        """Handle the rest of what was read, and what comes."""
        if self._session.state is not State.CLOSED and self._transport is not None:
            self._transport.resume_reading()
            self._transport.yield_turn()

    def _connect(self, connect: Connect) -> None:
        """Check a CONNECT. A second one begins without subscriptions: they end first, in slices."""
        peer = self.peer
        if self._session.said_connect and peer.subs:
            interest.drop_some(peer)
            if peer.subs:
                self.wait()
                peer.outbox.end_later(lambda: self._connect_without(connect))
                return
        self._login.connect(connect)

    def _connect_without(self, connect: Connect) -> None:
        if self._session.state is State.CLOSED:
            return
        if self.peer.subs:
            interest.drop_some(self.peer)
            self.peer.outbox.end_later(lambda: self._connect_without(connect))
            return
        try:
            self._login.connect(connect)
            if self._session.state is not State.CHECKING:
                self.go_on()
        except ProtocolError as error:
            self.refuse(error)
        except Exception:  # boundary: connection
            log.exception(_FAILED, self.peer.cid)
            if self._transport is not None:
                self._transport.abort()

    def accept(self, connect: Connect, identity: Identity) -> None:
        """Serve the client as this identity from now on.

        Raises ProtocolError for options that cannot be; by then it is in its account, as there.
        """
        seams = self._seams
        if connect.headers and not seams.info.headers:
            connect = msgspec.structs.replace(connect, headers=False)
        self._login.bind(identity)
        seams.registry.accepted(self)
        self._session.check(connect)
        # From here on operations are handled: it has to be somebody.
        self._session.accept(connect, seams.clock.monotonic_ns(), seams.random)
        seams.registry.waiting.leave(self.peer.cid)
        self._set_options(connect)
        self._infos.accepted(connect)
        self._set_timer()
        if connect.verbose and connect is not DEFAULT_CONNECT:  # that one nobody sent
            self.peer.send(_OK)
        self.hold_to_bounds()

    def _apply_bounds(self) -> None:
        """Go by what its account, its user and the server allow now."""
        account = self.peer.account
        limits = account.limits if account is not None else None
        self._bounds = bounds_of(self._seams.options, limits, self._login.identity)
        self._lane.limit_payload(self._bounds.max_payload_bytes)
        self._lane.reset()

    def hold_to_bounds(self) -> None:
        """Go by what is allowed now, and end who has subscriptions enough already.

        Also one that has as many as it may, as there, and at a bound of 0 whoever comes.
        """
        self._apply_bounds()
        most = self._bounds.max_subscriptions
        if most is not None and len(self.peer.subs) >= most:
            self.refuse(errors.MaxSubscriptionsExceeded())
            self._end("Maximum Subscriptions Exceeded")

    @property
    def is_gone(self) -> bool:
        return self._session.state is State.CLOSED or self._transport is None

    def _set_options(self, connect: Connect) -> None:
        peer = self.peer
        peer.name = connect.name
        peer.verbose = connect.verbose
        peer.pedantic = connect.pedantic
        peer.echo = connect.echo
        peer.headers = connect.headers
        peer.no_responders = connect.no_responders

    @property
    def kind(self) -> ConnectionType:
        """How it came in."""
        return self._seams.kind

    def credentials(self) -> Mapping[str, str]:
        return self._transport.credentials if self._transport is not None else {}

    def tls(self) -> TlsFacts | None:
        return self._transport.tls if self._transport is not None else None

    def address(self) -> str:
        """Where it comes from, `ip:port`."""
        return self._transport.peer if self._transport is not None else ""

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        clock = self._seams.clock
        delay_ns = self._session.due_ns() - clock.monotonic_ns()
        self._timer = clock.call_later(delay_ns, self._on_time)

    def _on_time(self) -> None:
        transport, is_checking = self._transport, self._session.state is State.CHECKING
        if is_checking and transport is not None and transport.has_lost_peer():
            self._end(CLIENT_CLOSED)  # its place is for those who wait
            return
        if transport is not None and transport.has_unread():  # what is due may be in it
            self._timer = self._seams.clock.call_later(UNREAD_WATCH_NS, self._on_time)
            return
        try:
            now_ns, out_msgs = self._seams.clock.monotonic_ns(), self.peer.traffic.out_msgs
            fed, self._fed_msgs = out_msgs != self._fed_msgs, out_msgs
            if self._session.on_time(now_ns, fed=fed, unread=self.peer.parked is not None):
                self.peer.send(_PING)
        except ProtocolError as error:
            self.refuse(error)
            return
        self._set_timer()

    # --- the end

    def refuse(self, error: ProtocolError) -> None:
        """Tell the client what it did wrong, and end the connection where that is what follows."""
        if self._session.state is State.CLOSED:
            return
        line = wire_line(error)
        if line:
            self.peer.send(line)
        self._seams.registry.tell(self, error, self._seams.clock.monotonic_ns())
        state = closed_state(type(error))
        if isinstance(error, errors.AuthorizationViolation):
            refusal = self._login.refusal
            state = refusal.state if refusal is not None else state
            self.peer.closing = True  # what others are told of its end it does not hear itself
            self._seams.registry.rejected(self, state, refusal)
        if error.closes:
            self._end(state)

    def _on_slow(self) -> None:
        text = "%s - Slow Consumer Detected: MaxPending of %d Exceeded"
        log.info(text, label(self), self._seams.options.max_pending_bytes)
        transport = self._transport
        self._end(SLOW_PENDING)
        if transport is not None:
            transport.abort()  # what waits is what takes the memory

    def _end(self, reason: str) -> None:
        """Take the client out of everything. Ending twice does nothing."""
        if self._session.state is State.CLOSED:
            return
        self._session.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._login.end()
        try:
            self._seams.registry.remember(self, reason, self._seams.clock.wall_ns())
        except Exception:  # boundary: monitoring, which must not keep a connection
            log.exception("Client is not remembered: cid=%d", self.peer.cid)
        if self._outbound is not None:
            self._outbound.finish()  # what was pending is remembered as that
        self.peer.closing = True
        interest.drop_all(self.peer)
        self._seams.registry.discard(self, reason)
        log.debug("%s - Client connection closed: %s", Label(self), reason)
        if self._outbound is not None:
            self._outbound.close(reason)


def _nothing_to_flush() -> None:
    """Flush of a peer whose connection is gone."""
