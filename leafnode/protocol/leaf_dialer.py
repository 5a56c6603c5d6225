"""The side of a leaf connection that dialed: from the hub's INFO to its answer to our CONNECT.

Knows the order of the handshake and what may be wrong with it; leaf_session has the rest. `DIALER`
is its table, and all that changes the state before the link is up is in this file. Truth:
nats-server 2.15.1 server/leafnode.go; order, timers and texts measured on its binary.

    AWAIT_INFO --INFO--> AWAIT_TLS --tls_started--> AWAIT_CONNECT_INFO --INFO--> LINKED
         |                                                  ^                      |
         +--INFO, no TLS------------------------------------+   any --> CLOSED <---+
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from leafnode.limits import (
    LEAF_CONNECT_INFO_TIMEOUT_NS,
    LEAF_CONTROL_LINE_BYTES,
    LEAF_FIRST_INFO_TIMEOUT_NS,
    PING_INTERVAL_NS,
    PING_MAX,
)
from leafnode.protocol import leaf_op as op
from leafnode.protocol.errors import MaxControlLine, ParserError
from leafnode.protocol.leaf_compression import NO_COMPRESSION, Compression, packs
from leafnode.protocol.leaf_events import InfoChanged, Linked, StartTls, State
from leafnode.protocol.leaf_session import LINKED, LeafSession, PingRules
from leafnode.protocol.op import Ping, Pong

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.protocol.leaf_session import Table


@dataclass(frozen=True, slots=True)
class LeafSettings:
    """What a session needs to know about us and about this remote.

    `sign` answers a nonce with credentials; `tls_first` says that the connection is TLS already,
    `websocket` that it may be, below the frames, where INFO says nothing of it.
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
    is_hub: bool = False
    requests_isolation: bool = False
    tls_wanted: bool = False
    tls_first: bool = False
    websocket: bool = False
    loop_subject: bytes = b""
    first_info_timeout_ns: int = LEAF_FIRST_INFO_TIMEOUT_NS
    ping_interval_ns: int = PING_INTERVAL_NS
    ping_max: int = PING_MAX
    compression: Compression = NO_COMPRESSION
    ping_jitter: float = 0.0  # 0 to 1: how much of 20 % is added to the first PING


class DialingSession(LeafSession):
    """A connection to a hub."""

    table: ClassVar[Table]
    other = "hub"

    def __init__(self, settings: LeafSettings) -> None:
        pings = PingRules(
            settings.ping_interval_ns,
            settings.ping_max,
            settings.ping_jitter,
            may_skip=settings.is_hub,
        )
        super().__init__(State.AWAIT_INFO, pings, settings.compression)
        self.hub = op.LeafInfo()  # the latest INFO that identified the hub
        self.encrypted = settings.tls_first
        self.account = settings.account
        self.loop_subject = settings.loop_subject
        self._settings = settings
        self._began_ns = 0

    def begin(self, now_ns: int) -> None:
        """The connection is there: from now on the hub's INFO is waited for."""
        self._began_ns = now_ns
        if self.state is State.AWAIT_INFO:
            self.deadline_ns = now_ns + self._settings.first_info_timeout_ns

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

    def tls_started(self, now_ns: int) -> None:
        """Go on after the TLS handshake."""
        assert self.state is State.AWAIT_TLS
        self.encrypted = True
        self._negotiate(now_ns)

    def _overdue(self, now_ns: int) -> None:
        del now_ns
        if self.state is State.AWAIT_INFO:
            self._end(
                b"", "the hub sent no INFO in time: is this a leaf node port without TLS first?"
            )
        elif self.state is State.AWAIT_CONNECT_INFO:
            self._end(
                b"Stale Leaf Node Connection - Closing", "the hub did not answer CONNECT in time"
            )

    def _may_complain(self) -> bool:
        # Where TLS is wanted nothing at all goes out in clear, not even a complaint.
        return self.encrypted or not self._settings.tls_wanted

    # actions of the table

    def first_info(self, info: op.LeafInfo, now_ns: int) -> None:
        """The hub's greeting, once more when it is packed: it says whether TLS comes next."""
        nonce = info.nonce or self.hub.nonce
        self.hub = info = msgspec.structs.replace(info, nonce=nonce)
        wrong = _wrong_port(info)
        if packs(self.compression):
            self._connect(now_ns)
        elif wrong:
            self._end(b"", wrong)
        elif " " in info.cluster:
            self._end(b"cluster name cannot contain spaces", "the hub's cluster name has a space")
        elif self.encrypted or self._settings.websocket:
            self._negotiate(now_ns)
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
            self._negotiate(now_ns)

    def second_info(self, info: op.LeafInfo, now_ns: int) -> None:
        """The hub's answer to CONNECT."""
        if info.connect_info:
            self._linked(info, now_ns)
        else:
            self._events.append(InfoChanged(info))  # the hub's cluster changed in this very moment

    def later_info(self, info: op.LeafInfo, now_ns: int) -> None:
        """News of the hub."""
        del now_ns
        self._events.append(InfoChanged(info))

    # helpers

    def _negotiate(self, now_ns: int) -> None:
        """Pack from here on if both sides want it: then the hub greets once more."""
        settings = self._settings
        if self._agree(self.hub.compression, now_ns - self._began_ns):
            shown = settings.compression.shown(self.compression)
            self._pack(op.encode_compression(settings.server_id, settings.name, shown))
            self.state = State.AWAIT_INFO
            self.deadline_ns = now_ns + settings.first_info_timeout_ns
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
            is_hub=settings.is_hub,
            isolate=settings.requests_isolation,
            compression=self.compression,
        )
        self._out.append(op.encode_connect(connect))
        if self.hub.info_on_connect:
            self.state = State.AWAIT_CONNECT_INFO
            self.deadline_ns = now_ns + LEAF_CONNECT_INFO_TIMEOUT_NS
        else:  # an old hub does not answer; what its INFO said came in clear, before any TLS
            self._linked(
                msgspec.structs.replace(self.hub, leafnode_urls=None, ws_connect_urls=None), now_ns
            )

    def _linked(self, info: op.LeafInfo, now_ns: int) -> None:
        self.hub = info
        self._link(now_ns)
        self._events.append(Linked(info))


def _wrong_port(info: op.LeafInfo) -> str:
    if not info.leafnode_urls and info.client_ip:
        return "this is a client port: leaf nodes connect to the hub's leafnodes port (7422)"
    if not info.client_id:
        return "this is not a leaf node port: its INFO has no client_id"
    return ""


_HANDSHAKE: Final = frozenset({State.AWAIT_INFO, State.AWAIT_CONNECT_INFO})

# What is in no row is refused with 'Unknown Protocol Operation' and ends the connection.
DialingSession.table = {
    State.AWAIT_INFO: {
        op.LeafInfo: DialingSession.first_info,
        op.Err: LeafSession.peer_error,
    },
    State.AWAIT_TLS: {},
    State.AWAIT_CONNECT_INFO: {
        op.LeafInfo: DialingSession.second_info,
        op.Err: LeafSession.peer_error,
        Ping: LeafSession.peer_ping,
        Pong: LeafSession.peer_pong,
        op.Ok: LeafSession.nothing,
    },
    State.LINKED: {**LINKED, op.LeafInfo: DialingSession.later_info},
    State.CLOSED: {},
}
