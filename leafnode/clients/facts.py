"""What monitoring sees of a client connection, and what it calls the end of one.

Knows a connection's parts from outside; not how an answer is written, and no credential. Truth:
nats-server 2.15.1 server/monitor.go ConnInfo, server/client.go ClosedState.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.protocol import errors

if TYPE_CHECKING:
    from leafnode.auth.identity import Identity
    from leafnode.clock import Clock
    from leafnode.errors import ProtocolError
    from leafnode.net.outbound import Outbound
    from leafnode.protocol.client_session import ClientSession
    from leafnode.routing.peer import Peer

PROTOCOL_VIOLATION: Final = "Protocol Violation"

CLOSED_STATES: Final[dict[type[ProtocolError], str]] = {
    errors.AuthenticationTimeout: "Authentication Timeout",
    errors.AuthorizationViolation: "Authentication Failure",
    errors.CredentialsChanged: "Authentication Failure",
    errors.UserAuthenticationExpired: "Authentication Expired",
    errors.AccountAuthenticationExpired: "Authentication Expired",
    errors.UserAuthenticationRevoked: "Credentials Revoked",
    errors.InvalidClientProtocol: "Bad Client Protocol Version",
    errors.MaxConnectionsExceeded: "Maximum Connections Exceeded",
    errors.MaxControlLine: "Maximum Control Line Exceeded",
    errors.MaxPayloadViolation: "Maximum Message Payload Exceeded",
    errors.NoRespondersRequiresHeaders: "No Responders Requires Headers",
    errors.ParserError: "Parse Error",
    errors.StaleConnection: "Stale Connection",
    errors.UnknownOperation: "Parse Error",
}


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """One connection as monitoring shows it. Times of day are wall time, spans are monotonic."""

    cid: int
    ip: str
    port: int
    account: str
    user: str
    name: str
    lang: str
    version: str
    start_ns: int
    last_activity_ns: int
    rtt_ns: int
    uptime_ns: int
    idle_ns: int
    pending_bytes: int
    in_msgs: int
    out_msgs: int
    in_bytes: int
    out_bytes: int
    subscriptions: int


def closed_state(error: ProtocolError) -> str:
    """Return what monitoring calls the end of a connection for this error."""
    return CLOSED_STATES.get(type(error), PROTOCOL_VIOLATION)


def connection_facts(
    peer: Peer,
    session: ClientSession,
    *,
    identity: Identity | None,
    address: str,
    start_ns: int,
    outbound: Outbound | None,
    clock: Clock,
) -> ConnectionFacts:
    """Return the connection as it is now. `address` is its peer's, `start_ns` wall time."""
    now_ns = clock.monotonic_ns()
    idle_ns = session.idle_ns(now_ns)
    ip, _, port = address.rpartition(":")
    return ConnectionFacts(
        cid=peer.cid,
        ip=ip,
        port=int(port or 0),
        account=peer.account.name if peer.account is not None else "",
        user=identity.user if identity is not None else "",
        name=peer.name,
        lang=session.connect.lang,
        version=session.connect.version,
        start_ns=start_ns,
        last_activity_ns=clock.wall_ns() - idle_ns,
        rtt_ns=session.rtt_ns,
        uptime_ns=now_ns - session.start_ns,
        idle_ns=idle_ns,
        pending_bytes=outbound.pending_bytes() if outbound is not None else 0,
        in_msgs=peer.traffic.in_msgs,
        out_msgs=peer.traffic.out_msgs,
        in_bytes=peer.traffic.in_bytes,
        out_bytes=peer.traffic.out_bytes,
        subscriptions=len(peer.subs),
    )
