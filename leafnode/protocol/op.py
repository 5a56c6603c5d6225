"""Operations of a client other than PUB and HPUB: one small class each.

Knows what a control line says; not whether it is allowed now (client_session) nor what it does
(clients.handler). Messages never become objects: routing.lane has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.protocol.info import Connect


@dataclass(frozen=True, slots=True)
class ConnectOp:
    """CONNECT: who the client is and how it wants to be served."""

    connect: Connect


@dataclass(slots=True)  # may come in floods; frozen, one takes three times as long to make
class Sub:
    """SUB: the subject is as sent, maybe no valid one."""

    subject: bytes
    queue: bytes
    sid: bytes


@dataclass(slots=True)
class Unsub:
    """UNSUB: `max_msgs` 0 ends the subscription now."""

    sid: bytes
    max_msgs: int = 0


@dataclass(frozen=True, slots=True)
class Ping:
    """PING: answer at once."""


@dataclass(frozen=True, slots=True)
class Pong:
    """PONG: an answer to ours, or unasked for and harmless."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """+OK or INFO from a client: taken without effect, as nats-server does."""


Op = ConnectOp | Sub | Unsub | Ping | Pong | Ignored
