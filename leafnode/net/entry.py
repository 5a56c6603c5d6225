"""The way in of one connection: a PROXY header, then TLS, then the session that it is for.

A state machine over the first bytes: what is sent before TLS, whether it is TLS at all, by when.
Knows transports and TLS; not what the session says. Once through, nothing of it is left. Truth:
nats-server 2.15.1 server/server.go createClientEx.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

from leafnode.clock import NS_PER_S
from leafnode.crowd import Crowd, share_of
from leafnode.limits import (
    AUTH_LOG_NS,
    CROWD_PATIENCE_NS,
    ENTRIES_MAX,
    ENTRIES_PER_TURN,
    ENTRY_HELLO_BYTES_MAX,
    HANDSHAKE_RETRY_NS,
    HANDSHAKES_MAX,
    PROXY_TIMEOUT_NS,
    UNREAD_WATCH_NS,
)
from leafnode.net.proxy import ProxyError, read_header
from leafnode.net.tcp import TLS_FAILED, TcpConnection
from leafnode.net.transport import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.clock import Clock, Timer
    from leafnode.net.tls_context import ServerTls
    from leafnode.net.transport import Transport

    OnFailed = Callable[[Transport, str], None]

log = logging.getLogger(__name__)

_TLS_RECORD: Final = b"\x16"  # how a handshake starts, and no operation of NATS
_PLAIN_HTTP: Final = (b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIONS"[:5])  # as Go has it
_NOT_PLAIN: Final = (
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
)
_THROTTLED: Final = b"-ERR 'Connection throttling is active. Please try again later.'\r\n"
PROXY_FAILED: Final = "Protocol Violation"


class Guest(Session, Protocol):
    """A session behind an entry."""

    def entered(self) -> None:
        """Learn that the way in is over: the time for a login runs from now on."""
        ...


class State(Enum):
    """Where a connection is on its way in."""

    SILENT = auto()  # TLS may come first; else the session greets after a while
    PROXY = auto()  # a header is expected
    TLS = auto()  # the first byte of a handshake is expected, or of anything where plain is allowed
    SHAKING = auto()
    THROUGH = auto()
    ENDED = auto()


@dataclass(slots=True)
class EntryCounters:
    """What happened to connections on their way in, of one entrance or of several."""

    evicted: int = 0  # to make room for another one, or for want of room
    throttled: int = 0  # more handshakes in a second than configured
    failed: int = 0  # no TLS, no valid header, not the right certificate
    overdue: int = 0


@dataclass(slots=True)
class Entrance:
    """What the entries of one listener share."""

    clock: Clock
    tls: ServerTls | None = None
    allow_plain: bool = False
    proxy: bool = False
    tls_before_all: bool = False  # TLS comes first whatever its options say: https, wss
    counters: EntryCounters = field(default_factory=EntryCounters)
    open: Crowd[Entry] = field(default_factory=lambda: Crowd(ENTRIES_MAX, CROWD_PATIENCE_NS))
    _begun: Crowd[Entry] = field(  # of them, whose handshake has begun
        default_factory=lambda: Crowd(HANDSHAKES_MAX, CROWD_PATIENCE_NS)
    )
    _waiting: dict[str, deque[Entry]] = field(default_factory=dict)  # to begin, by address
    _turn: Timer | None = None  # begins the handshake of one of those who wait
    _turn_is_late: bool = False  # since there was no place
    _second_ns: int = 0
    _in_second: int = 0
    _logged_ns: int = 0
    _unlogged: int = 0

    def session(self, guest: Guest, on_failed: OnFailed | None = None) -> Session:
        """Return what a listener gives a new connection: the guest itself, or its way in.

        `on_failed` is told of a connection that the guest never learns of, and what failed.
        """
        if self.tls is None and not self.proxy:
            return guest
        return Entry(self, guest, on_failed)

    @property
    def budget_ns(self) -> int:
        """How long the way in may take."""
        tls_ns = self.tls.options.timeout_ns if self.tls is not None else 0
        return tls_ns + (PROXY_TIMEOUT_NS if self.proxy else 0)

    def admit(self, entry: Entry, address: str) -> bool:
        """Let one more in, for which another may have to go; False where there is no place.

        An address is no share where a PROXY header comes: they all have the proxy's.
        """
        now_ns = self.clock.monotonic_ns()
        out = self.open.enter(entry, "" if self.proxy else address, now_ns)
        if out is None:
            return True
        self.counters.evicted += 1
        if out is entry:
            return False
        out.end("")
        return True

    def in_turn(self, entry: Entry, address: str) -> None:
        """Begin a handshake: one in a turn of the loop, so that a flood of them starves nobody.

        Addresses take turns, too, and only so many are at it.
        """
        self._waiting.setdefault(share_of(address), deque()).append(entry)
        self._ask_for_turn()

    def leave(self, entry: Entry) -> None:
        """Take out one that is through or gone."""
        self.open.leave(entry)
        self._begun.leave(entry)
        if self._turn is not None and self._turn_is_late and len(self._begun) < HANDSHAKES_MAX:
            self._turn.cancel()
            self._turn = None
            self._ask_for_turn()

    def allows_one_more(self) -> bool:
        """Say whether a handshake stays within the configured rate."""
        limit = self.tls.options.rate_limit if self.tls is not None else 0
        now_ns = self.clock.monotonic_ns()
        if now_ns - self._second_ns >= NS_PER_S:
            self._second_ns, self._in_second = now_ns, 0
        self._in_second += 1
        return not limit or self._in_second <= limit

    def note_failure(self, peer: str, problem: str, *, is_probe: bool) -> None:
        """Count a handshake that failed; say it, at most once in a second."""
        self.counters.failed += 1
        if is_probe:
            log.debug("%s - TLS handshake error: %s", peer, problem)
            return
        now_ns = self.clock.monotonic_ns()
        if self._logged_ns and now_ns - self._logged_ns < AUTH_LOG_NS:
            self._unlogged += 1
            return
        more = f" ({self._unlogged} more were not logged)" if self._unlogged else ""
        log.error("%s - TLS handshake error: %s%s", peer, problem, more)
        self._logged_ns, self._unlogged = now_ns, 0

    def close_all(self) -> Iterator[None]:
        """End whoever is on the way in, in steps."""
        while (entry := next(iter(self.open), None)) is not None:
            entry.end("")
            yield

    def _ask_for_turn(self, *, is_late: bool = False) -> None:
        """See to the next handshake: in the next turn, or after a while where there is no place."""
        if self._waiting and self._turn is None:
            self._turn_is_late = is_late
            delay_ns = HANDSHAKE_RETRY_NS if is_late else 0
            self._turn = self.clock.call_later(delay_ns, self._next)

    def _next(self) -> None:
        self._turn = None
        is_full = False
        try:
            for _ in range(ENTRIES_PER_TURN):
                if not self._waiting:
                    break
                address = next(iter(self._waiting))
                of_address = self._waiting.pop(address)
                entry = of_address[0]
                is_ready = entry.is_ready()
                has_begun = is_ready and self._admit_handshake(entry, address)
                if is_ready and not has_begun:
                    is_full = True
                else:
                    of_address.popleft()
                if of_address:
                    self._waiting[address] = of_address
                if has_begun:
                    entry.shake()
                    break
        finally:
            self._ask_for_turn(is_late=is_full)

    def _admit_handshake(self, entry: Entry, address: str) -> bool:
        """Let one more have its handshake, for which another may have to go; False: not yet."""
        self._begun.patience_ns = max(CROWD_PATIENCE_NS, self.budget_ns // 2)
        now_ns = self.clock.monotonic_ns()
        out = self._begun.enter(entry, address, now_ns)
        if out is entry:
            return False
        self.open.await_again(entry, now_ns)
        if out is not None:
            self.counters.evicted += 1
            out.end(TLS_FAILED)
        return True


class Entry:
    """Implements net.transport.Session until the guest takes over."""

    __slots__ = (
        "_entrance",
        "_greeted",
        "_guest",
        "_on_failed",
        "_source",
        "_start",
        "_state",
        "_timer",
        "_tls",
        "_wire",
    )

    def __init__(self, entrance: Entrance, guest: Guest, on_failed: OnFailed | None = None) -> None:
        self._entrance = entrance
        self._guest = guest
        self._on_failed = on_failed
        self._state = State.PROXY if entrance.proxy else State.TLS
        self._greeted = False  # the guest knows of the connection
        self._start = b""  # what came and belongs to a later state
        self._source = ""  # the address of the connection itself
        self._timer: Timer | None = None
        self._tls = entrance.tls  # of its handshake: a reload may take TLS away meanwhile
        self._wire: TcpConnection

    def __hash__(self) -> int:
        return id(self)

    # --- net.transport.Session

    def connected(self, transport: Transport) -> None:
        entrance = self._entrance
        self._wire = wire = _wire(transport)
        self._source = wire.peer
        tls = entrance.tls
        tls_first = tls is not None and (tls.options.handshake_first or entrance.tls_before_all)
        if not entrance.admit(self, _host(wire.peer)):
            self._throttle(says_why=not tls_first)
            return
        if entrance.proxy:
            wire.peer = ""  # whoever it is, it is not the proxy
        if tls is not None and tls_first:
            if tls.options.fallback_ns and not entrance.tls_before_all:
                self._state = State.SILENT
                self._arm(tls.options.fallback_ns)
                return
        else:
            self._greet()
        self._await_bytes()

    def received(self, data: bytes) -> None:
        self._start += data
        if self._state is State.SILENT:
            self._disarm()
            self._await_bytes()
        if self._state is State.PROXY:
            self._read_proxy()
        if self._state is State.TLS and self._start:
            self._choose()

    def lost(self, reason: str) -> None:
        state, entrance = self._state, self._entrance
        self._leave(State.ENDED)
        if state is State.SHAKING or (
            state is State.TLS and entrance.tls is not None and not entrance.allow_plain
        ):
            # It may be a load balancer that asks whether somebody listens.
            entrance.note_failure(self._wire.peer, reason or "EOF", is_probe=True)
            reason = TLS_FAILED
        elif state is State.PROXY:
            reason = PROXY_FAILED
        if state is not State.ENDED:
            self._tell(reason)
        if self._greeted and state is not State.THROUGH:
            self._guest.lost(reason)

    # --- states

    def end(self, reason: str) -> None:
        """Cut the connection; the guest learns of it if it knew of it."""
        self._leave(State.ENDED)
        self._tell(reason)
        self._wire.abort(reason)

    def _tell(self, reason: str) -> None:
        """Tell of what failed where the guest does not know of the connection."""
        if reason and not self._greeted and self._on_failed is not None:
            self._on_failed(self._wire, reason)

    def _await_bytes(self) -> None:
        entrance = self._entrance
        self._state = State.PROXY if entrance.proxy else State.TLS
        self._arm(PROXY_TIMEOUT_NS if entrance.proxy else self._tls_timeout_ns())

    def _read_proxy(self) -> None:
        try:
            header = read_header(self._start)
        except ProxyError as err:
            self._entrance.counters.failed += 1
            log.warning("Error reading PROXY protocol header from %s: %s", self._source, err)
            self.end(PROXY_FAILED)
            return
        if header is None:
            return
        self._wire.peer = header.source or self._source
        self._start = self._start[header.size :]
        if self._tls_of_now() is None:
            self._pass()
            return
        self._state = State.TLS
        self._entrance.open.await_again(self, self._entrance.clock.monotonic_ns())
        self._arm(self._tls_timeout_ns())

    def _choose(self) -> None:
        """The first byte behind a PROXY header tells TLS from plain, where both are allowed."""
        entrance, tls = self._entrance, self._tls_of_now()
        may_be_plain = entrance.tls is None or (self._greeted and entrance.allow_plain)
        if tls is None or (may_be_plain and self._start[:1] != _TLS_RECORD):
            self._pass()
        elif entrance.tls_before_all and self._start.startswith(_PLAIN_HTTP):
            problem = "client sent an HTTP request to an HTTPS server"
            entrance.note_failure(self._wire.peer, problem, is_probe=False)
            self._wire.write([_NOT_PLAIN])
            self._leave(State.ENDED)
            self._wire.close()
        elif not entrance.allows_one_more():
            entrance.counters.throttled += 1
            self._throttle(says_why=self._greeted)
        elif len(self._start) > ENTRY_HELLO_BYTES_MAX:
            entrance.note_failure(self._wire.peer, "oversized handshake", is_probe=False)
            self.end(TLS_FAILED)
        else:
            self._state, self._tls = State.SHAKING, tls
            self._wire.pause_reading()
            entrance.open.hold(self)
            entrance.in_turn(self, _host(self._wire.peer))

    def _throttle(self, *, says_why: bool) -> None:
        """Send somebody away who may come again later."""
        if says_why:
            self._wire.write([_THROTTLED])
        self._leave(State.ENDED)
        self._wire.close()

    def is_ready(self) -> bool:
        """Say whether it is still there when its turn comes, to begin its handshake."""
        if self._state is State.SHAKING and self._wire.has_lost_peer():
            self._entrance.note_failure(self._wire.peer, "EOF", is_probe=True)
            self.end(TLS_FAILED)
        return self._state is State.SHAKING

    def shake(self) -> None:
        """Begin the handshake."""
        tls = self._tls
        assert tls is not None, "else there is no handshake"
        start, self._start = self._start, b""
        self._wire.resume_reading()
        self._wire.secure(tls.context, self._shaken, start)

    def _shaken(self, err: OSError | None) -> None:
        tls = self._tls
        if self._state is not State.SHAKING or tls is None:
            return
        if err is None:
            stream = self._wire.tls
            assert stream is not None, "the handshake is over"
            if tls.accepts(stream.certificate()):
                self._pass()
                return
            problem = "certificate not pinned"
        else:
            problem = str(err)
        # Who goes within it may be a load balancer that asks whether somebody listens.
        is_probe = isinstance(err, ConnectionResetError)
        self._entrance.note_failure(self._wire.peer, problem, is_probe=is_probe)
        self.end(TLS_FAILED)

    def _pass(self) -> None:
        start, self._start = self._start, b""
        greeted = self._greeted
        self._leave(State.THROUGH)
        if greeted:
            self._guest.entered()
        self._wire.become(self._guest, start, is_new=not greeted)

    def _greet(self) -> None:
        self._greeted = True
        self._guest.connected(self._wire)

    def _leave(self, state: State) -> None:
        self._disarm()
        self._state = state
        self._wire.peer = self._wire.peer or self._source  # no header came: it is the proxy's
        self._entrance.leave(self)

    # --- time

    def _tls_of_now(self) -> ServerTls | None:
        """Return what a handshake that begins now goes by; where there is no TLS any more, by what
        there was when it came: INFO said so.
        """
        return self._entrance.tls or self._tls

    def _tls_timeout_ns(self) -> int:
        tls = self._tls_of_now()
        return tls.options.timeout_ns if tls is not None else 0

    def _arm(self, delay_ns: int) -> None:
        self._disarm()
        self._timer = self._entrance.clock.call_later(delay_ns, self._on_time)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        if self._wire.has_unread():  # what is due may be in it
            self._arm(UNREAD_WATCH_NS)
        elif self._state is State.SILENT:
            self._greet()
            if self._state is State.SILENT:
                self._await_bytes()
        elif self._state is State.TLS and self._greeted and self._entrance.allow_plain:
            self._pass()  # somebody who waits and may speak plain
        else:
            self._entrance.counters.overdue += 1
            log.debug("Way in took too long: peer=%s state=%s", self._wire.peer, self._state.name)
            self.end(TLS_FAILED if self._state is not State.PROXY else PROXY_FAILED)


def _wire(transport: Transport) -> TcpConnection:
    assert isinstance(transport, TcpConnection), "an entry stands directly on a socket"
    return transport


def _host(peer: str) -> str:
    return peer.rpartition(":")[0]
