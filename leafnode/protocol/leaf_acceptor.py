"""The side of a leaf connection that was dialed: from our INFO to our answer to its CONNECT.

Knows the order of the handshake and every refusal in nats-server's order; leaf_session has the
rest. Not whose credentials hold: `Claimed` asks, `accept` or `fail` answers. All that changes the
state before the link is up is in this file. Truth: nats-server 2.15.1 server/leafnode.go
createLeafNode, processLeafNodeConnect; texts and order measured on its binary.

    greet --> AWAIT_CONNECT --CONNECT--> CHECKING --accept--> LINKED
                    |                        |                  |
                    +------------------------+--> CLOSED <------+
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

import msgspec

from leafnode.limits import (
    AUTH_TIMEOUT_NS,
    LEAF_CONTROL_LINE_BYTES,
    LOGIN_WATCH_NS,
)
from leafnode.protocol import leaf_op as op
from leafnode.protocol.errors import (
    AuthenticationTimeout,
    AuthorizationViolation,
    MaxControlLine,
    UnknownOperation,
)
from leafnode.protocol.info import parse_connect
from leafnode.protocol.leaf_compression import NO_COMPRESSION, NOT_SUPPORTED, Compression
from leafnode.protocol.leaf_errors import (
    ClusterNameHasSpaces,
    DuplicateLeafConnection,
    GatewayOnLeafPort,
    LeafVersionTooOld,
    NotALeafNode,
    SameClusterName,
)
from leafnode.protocol.leaf_events import Claimed, State
from leafnode.protocol.leaf_greeting import encode_leaf_info, parse_claim
from leafnode.protocol.leaf_session import LINKED, LeafSession, PingRules

if TYPE_CHECKING:
    from leafnode.protocol.info import Connect
    from leafnode.protocol.leaf_greeting import LeafConnectClaim, LeafServerInfo
    from leafnode.protocol.leaf_session import Table

_CONNECT: Final = b"CONNECT"
_STARTS: Final = frozenset({b"C", b"c"})
_INFO: Final = b"INFO"
_INFO_STARTS: Final = frozenset({b"I", b"i"})


@dataclass(frozen=True, slots=True)
class AcceptRules:
    """What the configuration says about every leaf that connects.

    `cluster` is our own, empty for none; `min_version` likewise. `entry_ns`: what TLS may take
    before a login begins.
    """

    cluster: str = ""
    min_version: str = ""
    auth_timeout_ns: int = AUTH_TIMEOUT_NS
    entry_ns: int = 0
    pings: PingRules = field(default_factory=lambda: PingRules(may_skip=True))
    compression: Compression = NO_COMPRESSION


class AcceptingSession(LeafSession):
    """A connection of a leaf."""

    table: ClassVar[Table]
    other = "leaf"

    def __init__(self, info: LeafServerInfo, rules: AcceptRules, *, now_ns: int) -> None:
        super().__init__(State.AWAIT_CONNECT, rules.pings, rules.compression)
        self.deadline_ns = now_ns + rules.auth_timeout_ns + rules.entry_ns
        self.claim: LeafConnectClaim | None = None
        self._info = msgspec.structs.replace(info, compression=_told(rules.compression))
        self._rules = rules
        self._began_ns = now_ns
        self._searched = 0  # of the buffer: no line ends there

    def identify(self, cid: int, nonce: str) -> None:
        """Give the connection its number and what it has to sign."""
        self._info = msgspec.structs.replace(self._info, client_id=cid, nonce=nonce)

    def greet(self) -> None:
        """Say the INFO that begins the connection."""
        self._out.append(encode_leaf_info(self._info))

    def entered(self, now_ns: int) -> None:
        """TLS is over: the time for a login runs from now on."""
        if self.state is State.AWAIT_CONNECT:
            self.deadline_ns = now_ns + self._rules.auth_timeout_ns

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take bytes up to and with CONNECT. Raises ProtocolError.

        Nothing else may come before but one INFO, where packing may be agreed to.
        """
        self._buffer += data
        if self.state is not State.AWAIT_CONNECT or not self._buffer:
            return  # they wait, and no more are read
        is_info = self._may_negotiate() and self._buffer[:1] in _INFO_STARTS
        if not is_info and self._buffer[:1] not in _STARTS:
            raise AuthorizationViolation
        verb = _INFO if is_info else _CONNECT
        if not verb.startswith(self._buffer[: len(verb)].upper()):
            raise UnknownOperation
        end = self._buffer.find(b"\n", self._searched)
        self._searched = len(self._buffer)
        if (len(self._buffer) if end < 0 else end) > LEAF_CONTROL_LINE_BYTES:
            raise MaxControlLine
        if end < 0:
            return
        line, self._buffer = self._buffer[:end].removesuffix(b"\r"), self._buffer[end + 1 :]
        self._searched = 0
        if is_info:
            self._negotiate(op.parse_info(line[len(_INFO) :]), now_ns)
            return
        text = line[len(_CONNECT) :].strip(b" \t")
        login = parse_connect(text)
        self.claim = parse_claim(text)
        self.state = State.CHECKING
        self.deadline_ns = now_ns + LOGIN_WATCH_NS
        self._events.append(Claimed(self.claim, login))

    def _may_negotiate(self) -> bool:
        return self._wanted.is_wanted and not self.compression

    def _negotiate(self, info: op.LeafInfo, now_ns: int) -> None:
        """Pack from here on if both sides want it: then we greet once more."""
        if self._agree(info.compression, now_ns - self._began_ns):
            self._pack()
            shown = self._wanted.shown(self.compression)
            self._info = msgspec.structs.replace(self._info, compression=shown)
            self.deadline_ns = now_ns + self._rules.auth_timeout_ns
            self.greet()
        else:
            self.receive(b"", now_ns)

    def check(self, login: Connect, answer: LeafServerInfo) -> None:
        """Refuse what cannot be a leaf of ours, now that it has proved who it is.

        `answer` is the INFO that `accept` would send: who is too old is told it, too.
        """
        claim, rules = self.claim, self._rules
        assert claim is not None, "credentials came with it"
        if login.account or login.new_account:
            raise AuthorizationViolation
        if login.lang:
            raise NotALeafNode
        if " " in claim.cluster:
            raise ClusterNameHasSpaces
        if rules.cluster and claim.cluster == rules.cluster:
            raise SameClusterName
        if claim.gateway:
            raise GatewayOnLeafPort(claim.gateway)
        if rules.min_version and _version(claim.version) < _version(rules.min_version):
            self._out.append(encode_leaf_info(answer))
            raise LeafVersionTooOld(rules.min_version)

    def accept(self, answer: LeafServerInfo, loop_subject: bytes, now_ns: int) -> None:
        """Let the leaf in: `answer` tells it where it is and what it may."""
        assert self.state is State.CHECKING, "it said who it is"
        self.account, self.loop_subject = answer.remote_account, loop_subject
        self._out.append(encode_leaf_info(answer))
        self._link(now_ns)

    def answer(self, account: str, **fields: object) -> LeafServerInfo:
        """Return the INFO that answers CONNECT."""
        return msgspec.structs.replace(
            self._info,
            nonce="",
            compression="",
            connect_info=True,
            remote_account=account,
            **fields,
        )

    def _overdue(self, now_ns: int) -> None:
        if self.state is State.CHECKING:
            # Whoever checks has a bound of its own; the connection is looked after meanwhile.
            self.deadline_ns = now_ns + LOGIN_WATCH_NS
            return
        self.fail(AuthenticationTimeout())

    def later_info(self, info: op.LeafInfo, now_ns: int) -> None:
        """Nothing that a leaf says in an INFO matters here."""

    def second_connect(self, connect: op.SecondConnect, now_ns: int) -> None:
        """A CONNECT on a link that is up: it would be a twin of itself."""
        del connect, now_ns
        raise DuplicateLeafConnection


def _told(compression: Compression) -> str:
    """Return what INFO says of it at first."""
    return "" if compression.mode == NOT_SUPPORTED else compression.mode


def _version(text: str) -> tuple[int, ...]:
    """Return the numbers of a version; what is none is below all."""
    parts = text.removeprefix("v").partition("-")[0].split(".")
    if len(parts) != _VERSION_PARTS or not all(p.isascii() and p.isdigit() for p in parts):
        return ()
    return tuple(int(part[:_VERSION_DIGITS]) for part in parts)


_VERSION_PARTS: Final = 3
_VERSION_DIGITS: Final = 9

# What is in no row is refused with 'Unknown Protocol Operation' and ends the connection.
AcceptingSession.table = {
    State.AWAIT_CONNECT: {},
    State.CHECKING: {},
    State.LINKED: {
        **LINKED,
        op.LeafInfo: AcceptingSession.later_info,
        op.SecondConnect: AcceptingSession.second_connect,
    },
    State.CLOSED: {},
}
