"""What happens on a leaf connection, as its session tells it, and the states it goes through.

Plain values. Knows the two sides' operations; not when which of them comes (leaf_session). Truth:
nats-server 2.15.1 server/leafnode.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.errors import ProtocolError
    from leafnode.protocol.info import Connect
    from leafnode.protocol.leaf_greeting import LeafConnectClaim
    from leafnode.protocol.leaf_op import LeafInfo


class State(Enum):
    """Where a leaf connection stands; the value is what people read."""

    AWAIT_INFO = "waiting for the hub's INFO"
    AWAIT_TLS = "TLS handshake"
    AWAIT_CONNECT_INFO = "waiting for the hub's answer to CONNECT"
    AWAIT_CONNECT = "waiting for the leaf's CONNECT"
    CHECKING = "checking credentials"
    LINKED = "connected"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StartTls:
    """Turn the connection into TLS now, then call `tls_started`. Nothing is written before."""


@dataclass(frozen=True, slots=True)
class Linked:
    """The hub accepted us: messages and interest flow. `info` has its permissions and account."""

    info: LeafInfo


@dataclass(frozen=True, slots=True)
class InterestAdded:
    """The peer wants `subject`; a repeated one replaces the weight."""

    subject: bytes
    queue: bytes
    weight: int


@dataclass(frozen=True, slots=True)
class InterestRemoved:
    """The peer no longer wants `subject`. The key may be unknown."""

    subject: bytes
    queue: bytes


@dataclass(frozen=True, slots=True)
class InfoChanged:
    """A later INFO: other servers of the hub, or permissions when it carries them."""

    info: LeafInfo


@dataclass(frozen=True, slots=True)
class PeerError:
    """The peer complained; `cause` says what that means here. It closes if it wants to."""

    text: str
    cause: str


@dataclass(frozen=True, slots=True)
class CompressionAgreed:
    """Pack what is written from here on at this level, and unpack what comes.

    `clear` still goes out as it is, before.
    """

    level: str
    clear: bytes


@dataclass(frozen=True, slots=True)
class CompressionChanged:
    """Pack at another level."""

    level: str


@dataclass(frozen=True, slots=True)
class Ended:
    """We end the connection: what is in `data_to_send` goes out, then close.

    `error`: what the peer did wrong, if it did.
    """

    reason: str
    error: type[ProtocolError] | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leaf's CONNECT: whoever checks it calls `accept` or `fail`. Nothing is read until then."""

    connect: LeafConnectClaim
    login: Connect


LeafEvent = (
    StartTls
    | Linked
    | InterestAdded
    | InterestRemoved
    | InfoChanged
    | PeerError
    | Claimed
    | CompressionAgreed
    | CompressionChanged
    | Ended
)
