"""The leaf protocol as a state table: lines and time in, lines and events out.

Knows which operation may come in which state, what answers it and when silence is too long; not
sockets, accounts or what a subject means. `DIALER` is the table of the side that dials; the
accepting side is a second table over the same states. All that changes the state is in this file.
Truth: nats-server 2.15.1 server/leafnode.go; order, timers and texts measured on its binary.

    AWAIT_INFO --INFO--> AWAIT_TLS --tls_started--> AWAIT_CONNECT_INFO --INFO--> LINKED
         |                                                  ^                      |
         +--INFO, no TLS------------------------------------+   any --> CLOSED <---+
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.errors import ProtocolError
from leafnode.limits import (
    LEAF_CONNECT_INFO_TIMEOUT_NS,
    LEAF_CONTROL_LINE_BYTES,
    LEAF_FIRST_INFO_TIMEOUT_NS,
    LEAF_FIRST_PING_NS,
    LEAF_LOOP_DELAY_NS,
    MAX_SUBJECT_TOKENS,
    PING_INTERVAL_NS,
    PING_MAX,
)
from leafnode.protocol import leaf_op as op
from leafnode.protocol import subject as subjects
from leafnode.protocol.errors import (
    MaxControlLine,
    ParserError,
    StaleConnection,
    UnknownOperation,
    wire_line,
)
from leafnode.protocol.leaf_refusal import explain
from leafnode.protocol.op import Ping, Pong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class State(Enum):
    """Where a leaf connection stands; the value is what people read."""

    AWAIT_INFO = "waiting for the hub's INFO"
    AWAIT_TLS = "TLS handshake"
    AWAIT_CONNECT_INFO = "waiting for the hub's answer to CONNECT"
    LINKED = "connected"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StartTls:
    """Turn the connection into TLS now, then call `tls_started`. Nothing is written before."""


@dataclass(frozen=True, slots=True)
class Linked:
    """The hub accepted us: messages and interest flow. `info` has its permissions and account."""

    info: op.LeafInfo


@dataclass(frozen=True, slots=True)
class InterestAdded:
    """The hub wants `subject`; a repeated one replaces the weight."""

    subject: bytes
    queue: bytes
    weight: int


@dataclass(frozen=True, slots=True)
class InterestRemoved:
    """The hub no longer wants `subject`. The key may be unknown."""

    subject: bytes
    queue: bytes


@dataclass(frozen=True, slots=True)
class InfoChanged:
    """A later INFO: other servers of the hub, or permissions when it carries them."""

    info: op.LeafInfo


@dataclass(frozen=True, slots=True)
class HubError:
    """The hub complained; `cause` says what that means here. It closes by itself if it wants to."""

    text: str
    cause: str


@dataclass(frozen=True, slots=True)
class Ended:
    """We end the connection: what is in `data_to_send` goes out, then close.

    `error`: what the hub did wrong, if it did.
    """

    reason: str
    error: type[ProtocolError] | None = None


LeafEvent = StartTls | Linked | InterestAdded | InterestRemoved | InfoChanged | HubError | Ended


@dataclass(frozen=True, slots=True)
class LeafSettings:
    """What a session needs to know about us and about this remote.

    `sign` answers a nonce with credentials; `tls_first` says that the connection is TLS already.
    """

    name: str
    server_id: str
    account: str
    sign: Callable[[str], op.LeafCredentials]
    signs_nonce: bool = False
    domain: str = ""
    jetstream: bool = False
    deny_imports: tuple[str, ...] = ()
    traces: bool = False
    tls_wanted: bool = False
    tls_first: bool = False
    loop_subject: bytes = b""
    first_info_timeout_ns: int = LEAF_FIRST_INFO_TIMEOUT_NS
    ping_interval_ns: int = PING_INTERVAL_NS
    ping_max: int = PING_MAX
    ping_jitter: float = 0.0  # 0 to 1: how much of 20 % is added to the first PING


class LeafSession:
    """One leaf connection, from its first byte to its last.

    Until `state` is LINKED give every read to `receive`; from then on give each control line to
    `receive_line` (the lane that routes messages cuts them), first of all what `take_rest` returns.
    After each call: write `data_to_send`, act on `events`, and call `timer_due` at `deadline_ns`.
    """

    def __init__(self, settings: LeafSettings, *, now_ns: int) -> None:
        self.state = State.AWAIT_INFO
        self.deadline_ns: int | None = now_ns + settings.first_info_timeout_ns
        self.hub = op.LeafInfo()  # the latest INFO that identified the hub
        self.encrypted = settings.tls_first
        self.stale = False  # ended because PINGs went unanswered
        self.rtt_ns = 0  # 0 until the first PONG
        self.refused_text = ""  # the hub's latest -ERR, and what it means
        self.refused_cause = ""
        self.delay_ns = 0  # to wait before dialing again, on top of the reconnect interval
        self._settings = settings
        self._table = DIALER
        self._buffer = b""
        self._out: list[bytes] = []
        self._events: list[LeafEvent] = []
        self._pings_out = 0
        self._ping_sent_ns = 0

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take bytes of the handshake. Raises ProtocolError."""
        self._buffer += data
        while self.state in _HANDSHAKE:
            end = self._buffer.find(b"\n")
            if (len(self._buffer) if end < 0 else end) > LEAF_CONTROL_LINE_BYTES:
                raise MaxControlLine
            if end < 0:
                return
            line, self._buffer = self._buffer[:end].removesuffix(b"\r"), self._buffer[end + 1 :]
            self.receive_line(line, now_ns)
        if self.state is State.AWAIT_TLS and self._buffer:
            # Whoever sits on the wire could have put it there: it must not count as the hub's word.
            raise ParserError("bytes in clear behind the INFO that demands TLS")

    def receive_line(self, line: bytes, now_ns: int) -> None:
        """Take one control line without its CRLF. Raises ProtocolError."""
        if self.state is State.CLOSED:
            return
        operation = op.parse_leaf_line(line)
        act = self._table[self.state].get(type(operation))
        if act is None:
            raise UnknownOperation(f"{type(operation).__name__} while {self.state.value}")
        act(self, operation, now_ns)

    def take_rest(self) -> bytes:
        """Return what came behind the handshake in the same read; it belongs to the lane."""
        rest, self._buffer = self._buffer, b""
        return rest

    def tls_started(self, now_ns: int) -> None:
        """Go on after the TLS handshake."""
        assert self.state is State.AWAIT_TLS
        self.encrypted = True
        self._connect(now_ns)

    def timer_due(self, now_ns: int) -> None:
        """Do what time demands: give up on a silent hub, or ask whether it lives."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return
        if self.state is State.AWAIT_INFO:
            self._end(
                b"", "the hub sent no INFO in time: is this a leaf node port without TLS first?"
            )
        elif self.state is State.AWAIT_CONNECT_INFO:
            self._end(
                b"Stale Leaf Node Connection - Closing", "the hub did not answer CONNECT in time"
            )
        elif self.state is State.LINKED:
            self._ping(now_ns)

    def fail(self, error: ProtocolError) -> None:
        """End because the hub broke the protocol: the error's text goes out as -ERR."""
        text = str(error) or type(error).__name__
        self._end_with(wire_line(error), f"the hub broke the protocol: {text}", type(error))

    def end(
        self, wire_error: bytes, reason: str, *, error: type[ProtocolError] | None = None
    ) -> None:
        """End for a reason of our own. An empty `wire_error` closes without a word."""
        self._end(wire_error, reason, error=error)

    def close(self) -> None:
        """Learn that the connection is gone."""
        self.state = State.CLOSED
        self.deadline_ns = None

    def data_to_send(self) -> bytes:
        """Return what must be written now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def events(self) -> list[LeafEvent]:
        """Return what happened since the last call."""
        happened, self._events = self._events, []
        return happened

    # actions of the table

    def _first_info(self, info: op.LeafOp, now_ns: int) -> None:
        assert isinstance(info, op.LeafInfo)
        self.hub = info
        wrong = _wrong_port(info)
        if wrong:
            self._end(b"", wrong)
        elif " " in info.cluster:
            self._end(b"cluster name cannot contain spaces", "the hub's cluster name has a space")
        elif self.encrypted:
            self._connect(now_ns)
        elif info.tls_required:
            self.state = State.AWAIT_TLS
            self.deadline_ns = None  # the caller bounds the TLS handshake
            self._events.append(StartTls())
        elif self._settings.tls_wanted:
            # The hub's INFO comes in clear, so anybody on the wire can say that TLS is not needed.
            self._end(
                b"", "this remote asks for TLS and the hub does not offer it: nothing was sent"
            )
        else:
            self._connect(now_ns)

    def _connect(self, now_ns: int) -> None:
        settings = self._settings
        if settings.signs_nonce and not self.hub.nonce:
            self._end(b"", "the hub sent no nonce to sign, so these credentials cannot be used")
            return
        connect = op.LeafConnect(
            name=settings.name,
            server_id=settings.server_id,
            cluster=settings.name,
            domain=settings.domain,
            jetstream=settings.jetstream,
            remote_account=settings.account,
            deny_pub=settings.deny_imports,
            credentials=settings.sign(self.hub.nonce),
            traces=settings.traces,
        )
        self._out.append(op.encode_connect(connect))
        if self.hub.info_on_connect:
            self.state = State.AWAIT_CONNECT_INFO
            self.deadline_ns = now_ns + LEAF_CONNECT_INFO_TIMEOUT_NS
        else:  # an old hub does not answer; what its INFO said came in clear, before any TLS
            self._link(msgspec.structs.replace(self.hub, leafnode_urls=None), now_ns)

    def _second_info(self, info: op.LeafOp, now_ns: int) -> None:
        assert isinstance(info, op.LeafInfo)
        if info.connect_info:
            self._link(info, now_ns)
        else:
            self._events.append(InfoChanged(info))  # the hub's cluster changed in this very moment

    def _link(self, info: op.LeafInfo, now_ns: int) -> None:
        self.hub = info
        self.state = State.LINKED
        first_ns = min(LEAF_FIRST_PING_NS, self._settings.ping_interval_ns)
        self.deadline_ns = now_ns + first_ns + int(first_ns * 0.2 * self._settings.ping_jitter)
        self._events.append(Linked(info))

    def _later_info(self, info: op.LeafOp, now_ns: int) -> None:
        del now_ns
        assert isinstance(info, op.LeafInfo)
        self._events.append(InfoChanged(info))

    def _sub(self, sub: op.LeafOp, now_ns: int) -> None:
        del now_ns
        assert isinstance(sub, op.LeafSub)
        if sub.subject == self._settings.loop_subject:
            text = (
                f'Loop detected for leafnode account="{self._settings.account}". '
                "Delaying attempt to reconnect for 30s"
            )
            reason = f"loop detected: {explain(text).cause}"
            self._end(text.encode(), reason, delay_ns=LEAF_LOOP_DELAY_NS, error=ProtocolError)
        elif not _is_subscribable(sub):
            self._out.append(op.encode_error(b"Invalid Subscription"))
        else:
            self._events.append(InterestAdded(sub.subject, sub.queue, sub.weight))

    def _unsub(self, unsub: op.LeafOp, now_ns: int) -> None:
        del now_ns
        assert isinstance(unsub, op.LeafUnsub)
        self._events.append(InterestRemoved(unsub.subject, unsub.queue))

    def _peer_ping(self, ping: op.LeafOp, now_ns: int) -> None:
        del ping, now_ns
        self._out.append(op.PONG_LINE)

    def _peer_pong(self, pong: op.LeafOp, now_ns: int) -> None:
        del pong
        if self._pings_out:
            self._pings_out = 0
            self.rtt_ns = now_ns - self._ping_sent_ns

    def _peer_error(self, error: op.LeafOp, now_ns: int) -> None:
        del now_ns
        assert isinstance(error, op.Err)
        refusal = explain(error.text)
        if refusal.ends:
            self.refused_text, self.refused_cause = error.text, refusal.cause
        self.delay_ns = max(self.delay_ns, refusal.delay_ns)
        self._events.append(HubError(error.text, refusal.cause))

    def _nothing(self, operation: op.LeafOp, now_ns: int) -> None:
        """Take a +OK, which says nothing."""

    # helpers

    def _ping(self, now_ns: int) -> None:
        if self._pings_out >= self._settings.ping_max:
            self.stale = True
            reason = f"{self._pings_out} PINGs went unanswered"
            self._end(b"Stale Connection", reason, error=StaleConnection)
            return
        self._pings_out += 1
        self._ping_sent_ns = now_ns
        self.deadline_ns = now_ns + self._settings.ping_interval_ns
        self._out.append(op.PING_LINE)

    def _end(
        self,
        wire_error: bytes,
        reason: str,
        *,
        delay_ns: int = 0,
        error: type[ProtocolError] | None = None,
    ) -> None:
        self._end_with(op.encode_error(wire_error) if wire_error else b"", reason, error)
        self.delay_ns = max(self.delay_ns, delay_ns)

    def _end_with(self, line: bytes, reason: str, error: type[ProtocolError] | None) -> None:
        if self.state is State.CLOSED:
            return
        # Where TLS is wanted nothing at all goes out in clear, not even a complaint.
        if line and (self.encrypted or not self._settings.tls_wanted):
            self._out.append(line)
        self.close()
        self._events.append(Ended(reason, error))


def _is_subscribable(sub: op.LeafSub) -> bool:
    # The cost of a match grows with the depth, and the depth is the hub's to choose.
    deep = sub.subject.count(b".") >= MAX_SUBJECT_TOKENS
    return not deep and subjects.is_valid(sub.subject) and b"\0" not in sub.queue


def _wrong_port(info: op.LeafInfo) -> str:
    if not info.leafnode_urls and info.client_ip:
        return "this is a client port: leaf nodes connect to the hub's leafnodes port (7422)"
    if not info.client_id:
        return "this is not a leaf node port: its INFO has no client_id"
    return ""


_HANDSHAKE: Final = frozenset({State.AWAIT_INFO, State.AWAIT_CONNECT_INFO})

if TYPE_CHECKING:
    Action = Callable[[LeafSession, op.LeafOp, int], None]
    Table = Mapping[State, Mapping[type[op.LeafOp], Action]]

# What is in no row is refused with 'Unknown Protocol Operation' and ends the connection.
DIALER: Final[Table] = {
    State.AWAIT_INFO: {
        op.LeafInfo: LeafSession._first_info,
        op.Err: LeafSession._peer_error,
    },
    State.AWAIT_TLS: {},
    State.AWAIT_CONNECT_INFO: {
        op.LeafInfo: LeafSession._second_info,
        op.Err: LeafSession._peer_error,
        Ping: LeafSession._peer_ping,
        Pong: LeafSession._peer_pong,
        op.Ok: LeafSession._nothing,
    },
    State.LINKED: {
        op.LeafInfo: LeafSession._later_info,
        op.LeafSub: LeafSession._sub,
        op.LeafUnsub: LeafSession._unsub,
        Ping: LeafSession._peer_ping,
        Pong: LeafSession._peer_pong,
        op.Err: LeafSession._peer_error,
        op.Ok: LeafSession._nothing,
    },
    State.CLOSED: {},
}
