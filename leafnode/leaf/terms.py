"""What links of leafs share, what holds on one of them, and what is shown of it.

Plain values, and the seam to what packs a connection. Knows no session and no bytes. Truth:
nats-server 2.15.1 server/leafnode.go; monitor.leafz has the form that people see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from leafnode.clients.facts import ClosedConnection
    from leafnode.clock import Clock
    from leafnode.leaf.loop import LoopSubjects
    from leafnode.net.transport import Dial
    from leafnode.routing.peer import LeafSide, Outbox


@dataclass(frozen=True, slots=True)
class LeafEnvironment:
    """What all links of a server share. `next_cid` numbers connections of every kind."""

    clock: Clock
    random: Random
    dial: Dial
    outbox: Outbox
    loop_subjects: LoopSubjects
    next_cid: Callable[[], int]
    server_name: str
    server_id: str
    domain: str
    jetstream: bool
    max_payload_bytes: int
    max_pending_bytes: int
    ping_interval_ns: int
    ping_max: int
    traces: bool = False  # messages of the other side are traced on here
    system_account: str = ""
    isolates: bool = False  # no leaf is told what another one wants
    remember: Callable[[ClosedConnection], None] = lambda _: None  # what is over, for monitoring
    websocket_ping_interval_ns: int = 0  # 0: that of the others
    without_domain: frozenset[str] = frozenset()  # accounts whose `default_js_domain` is none

    def ping_interval_of(self, *, is_websocket: bool) -> int:
        """Return how often the other side is asked whether it lives."""
        return (is_websocket and self.websocket_ping_interval_ns) or self.ping_interval_ns


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds on a link that is up: what the other side is, can do and how much of it."""

    name: str
    side: LeafSide
    headers: bool
    traces: bool
    max_interest: int


@dataclass(frozen=True, slots=True)
class LeafzRow:
    """One connection as /leafz shows it."""

    id: int
    name: str
    is_spoke: bool
    account: str
    ip: str
    port: int
    rtt_ns: int
    in_msgs: int
    out_msgs: int
    in_bytes: int
    out_bytes: int
    subscriptions: int
    compression: str
    is_isolated: bool = False
    is_websocket: bool = False
    # What the other side says of itself, where it came to us; empty where we dialed.
    user: str = ""
    said_name: str = ""
    version: str = ""
    proxy: str = ""  # the key of the trusted one that vouched for it


class Packer(Protocol):
    """What packs a connection once both sides have agreed to it: net.s2_layer."""

    def begin(self, mode: str) -> None: ...

    def change(self, mode: str) -> None: ...

    def trust(self) -> None: ...
