"""The server's side of one client connection as a state table: what may come now, and what is due.

Everything about states and their transitions is in this file. It knows operations, and time as a
parameter; not sockets, accounts, subscriptions or how credentials are checked.
Truth: nats-server 2.15.1 server/client.go; measured: tests/conformance/transcripts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from leafnode.limits import FIRST_PING_NS, LOGIN_WATCH_NS, PING_JITTER, RTT_REFRESH_NS
from leafnode.protocol.errors import (
    AuthenticationTimeout,
    AuthorizationViolation,
    InvalidClientProtocol,
    NoRespondersRequiresHeaders,
    StaleConnection,
)
from leafnode.protocol.info import CLIENT_PROTOCOLS, DEFAULT_CONNECT, without_secrets
from leafnode.protocol.op import ConnectOp, Op, Pong
from leafnode.protocol.parser import parse_line

if TYPE_CHECKING:
    from random import Random

    from leafnode.protocol.info import Connect


class State(Enum):
    """Where a connection is in its life."""

    GREETED = auto()  # INFO is out, credentials are required, nothing came
    CONNECTING = auto()  # the first byte can be a CONNECT's
    CHECKING = auto()  # credentials are being checked: nothing else is handled
    OPEN = auto()  # everything may come, also a CONNECT
    CLOSED = auto()


# For what is asked with every control line: to find a member of an Enum takes 0.1 us.
OPEN: Final = State.OPEN
CHECKING: Final = State.CHECKING
CLOSED: Final = State.CLOSED


class Event(Enum):
    """What moves a connection from state to state."""

    FIRST_BYTE = auto()  # one that CONNECT may start with
    CONNECT = auto()
    ANONYMOUS = auto()  # somebody who says nothing is somebody, if that holds
    ACCEPTED = auto()
    CLOSE = auto()


_NEXT: Final = {
    (State.GREETED, Event.FIRST_BYTE): State.CONNECTING,
    (State.GREETED, Event.ANONYMOUS): State.CHECKING,
    (State.CONNECTING, Event.CONNECT): State.CHECKING,
    (State.OPEN, Event.CONNECT): State.CHECKING,
    (State.CHECKING, Event.ACCEPTED): State.OPEN,
    (State.GREETED, Event.CLOSE): State.CLOSED,
    (State.CONNECTING, Event.CLOSE): State.CLOSED,
    (State.CHECKING, Event.CLOSE): State.CLOSED,
    (State.OPEN, Event.CLOSE): State.CLOSED,
}


@dataclass(frozen=True, slots=True)
class SessionRules:
    """What the configuration says about every client connection."""

    max_control_line_bytes: int
    auth_required: bool
    auth_timeout_ns: int
    ping_interval_ns: int
    ping_max: int
    entry_ns: int = 0  # what TLS and a PROXY header may take before a login begins


class ClientSession:
    """One connection's state. Every method that can refuse raises ProtocolError."""

    __slots__ = (
        "_active_ns",
        "_before_ns",
        "_due_ns",
        "_ping_sent_ns",
        "_rules",
        "_unanswered",
        "connect",
        "rtt_ns",
        "said_connect",
        "start_ns",
        "state",
    )

    def __init__(self, rules: SessionRules, now_ns: int) -> None:
        self._rules = rules
        self.state = State.GREETED if rules.auth_required else State.OPEN
        self.connect = DEFAULT_CONNECT  # the options in force
        self.said_connect = False
        self.start_ns = now_ns
        self.rtt_ns = 0  # 0: not measured yet
        self._active_ns = now_ns
        self._before_ns = now_ns  # activity before the read that is being handled
        self._ping_sent_ns = 0  # 0: no ping was sent yet
        self._unanswered = 0
        wait_ns = rules.auth_timeout_ns if rules.auth_required else rules.ping_interval_ns
        self._due_ns = now_ns + wait_ns + rules.entry_ns

    def begin(self, rules: SessionRules) -> None:
        """Go by these rules from the start: TLS or a handshake came first, and a reload meanwhile.

        The deadline stays.
        """
        self._rules = rules
        self.state = State.GREETED if rules.auth_required else State.OPEN

    def _move(self, event: Event) -> None:
        following = _NEXT.get((self.state, event))
        assert following is not None, f"{event} cannot happen in {self.state}"
        self.state = following

    # --- what comes in

    def received(self, data: bytes, now_ns: int) -> None:
        """Take note of one read, before any of its operations.

        Where credentials are required nothing but CONNECT may come first, and the first byte tells.
        """
        self._before_ns = self._active_ns
        self._active_ns = now_ns
        if self.state is State.GREETED:
            if data[:1] not in {b"C", b"c"}:
                raise AuthorizationViolation
            self._move(Event.FIRST_BYTE)

    def take(self, line: bytes) -> Op:
        """Return what one control line asks for. A CONNECT leads to CHECKING."""
        state = self.state
        assert state is OPEN or state is State.CONNECTING, "only then anything is handled"
        most = self._rules.max_control_line_bytes
        op = parse_line(line, max_control_line_bytes=most, before=self.connect)
        if isinstance(op, ConnectOp):
            self._move(Event.CONNECT)
            if not self.said_connect:
                # An estimate, until a PING is answered.
                self.rtt_ns = max(1, self._active_ns - self.start_ns)
        elif state is not OPEN:
            raise AuthorizationViolation
        elif isinstance(op, Pong):
            self._answered()
        return op

    # --- what the caller decided

    def begin_anonymous_check(self) -> None:
        """Handle nothing until it is decided whether somebody may go without CONNECT."""
        self._move(Event.ANONYMOUS)

    def await_check(self, now_ns: int) -> None:
        """Wait as long as the check takes: CONNECT came in time, and whoever checks has a bound."""
        self._due_ns = now_ns + LOGIN_WATCH_NS

    def entered(self, now_ns: int) -> None:
        """TLS and a PROXY header are over: the time for a login runs from now on."""
        self._active_ns = now_ns
        if self.state in {State.GREETED, State.CONNECTING}:
            self._due_ns = now_ns + self._rules.auth_timeout_ns

    def check(self, connect: Connect) -> None:
        """Refuse options that cannot be, of a CONNECT whose credentials hold.

        No client names its own account.
        """
        if connect.account or connect.new_account:
            raise AuthorizationViolation
        if connect.protocol not in CLIENT_PROTOCOLS:
            raise InvalidClientProtocol
        if connect.no_responders and not connect.headers:
            raise NoRespondersRequiresHeaders

    def accept(self, connect: Connect, now_ns: int, random: Random) -> None:
        """Put a CONNECT in force whose credentials and options hold."""
        self._move(Event.ACCEPTED)
        self.connect = without_secrets(connect)
        if not self.said_connect:
            self.said_connect = True
            first_ns = min(FIRST_PING_NS, self._rules.ping_interval_ns)
            self._due_ns = now_ns + round(first_ns * (1 + PING_JITTER * random.random()))

    def take_rules(self, rules: SessionRules, now_ns: int) -> None:
        """Go by these rules from now on; a PING comes no later than they want it.

        A login that is awaited keeps the deadline that it began with.
        """
        self._rules = rules
        if self.state is State.OPEN:
            self._due_ns = min(self._due_ns, now_ns + rules.ping_interval_ns)

    def close(self) -> None:
        """Nothing more is handled. Closing twice does nothing."""
        if self.state is not State.CLOSED:
            self._move(Event.CLOSE)

    # --- time

    def due_ns(self) -> int:
        """When `on_time` is to be called next."""
        return self._due_ns

    def on_time(self, now_ns: int, *, fed: bool = False, unread: bool = False) -> bool:
        """Say whether a PING is to be sent now. Raises for a login or an answer that never came.

        `fed`: the client got messages since the last call. The first PING is there to measure the
        round trip, and behind messages it would measure those: it waits, for one interval at most.
        `unread`: what it says waits, an answer maybe among it.
        """
        if self.state in {State.GREETED, State.CONNECTING}:
            raise AuthenticationTimeout
        if self.state is State.CHECKING:
            self.await_check(now_ns)
            return False
        interval_ns = self._rules.ping_interval_ns
        if fed and not self._ping_sent_ns and now_ns - self.start_ns < interval_ns:
            self._due_ns = now_ns + min(FIRST_PING_NS, interval_ns)
            return False
        self._due_ns = now_ns + interval_ns
        busy = now_ns - self._active_ns < self._rules.ping_interval_ns
        fresh = self._ping_sent_ns and now_ns - self._ping_sent_ns < RTT_REFRESH_NS
        if busy and fresh:
            return False
        if self._unanswered >= self._rules.ping_max:
            if unread:
                return False
            raise StaleConnection
        self._unanswered += 1
        self._ping_sent_ns = now_ns
        return True

    def _answered(self) -> None:
        if self._unanswered:
            self.rtt_ns = max(1, self._active_ns - self._ping_sent_ns)
        self._unanswered = 0
        # An answer alone is no activity: nats-server goes on pinging such a client (measured).
        self._active_ns = self._before_ns
