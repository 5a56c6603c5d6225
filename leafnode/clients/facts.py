"""What monitoring sees of a client connection, and what it calls the end of one.

Knows a connection's parts from outside; not how an answer is written, and no credential. Truth:
nats-server 2.15.1 server/monitor.go ConnInfo, server/client.go ClosedState.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from leafnode.auth.identity import ConnectionType
from leafnode.limits import CERTIFICATE_SHOWN_BYTES_MAX
from leafnode.protocol import errors, leaf_errors
from leafnode.protocol.info import DEFAULT_CONNECT, raw_user
from leafnode.sha256 import sha256

if TYPE_CHECKING:
    from leafnode.auth.identity import Identity
    from leafnode.clients.login import Login
    from leafnode.clock import Clock
    from leafnode.errors import ProtocolError
    from leafnode.net.outbound import Outbound
    from leafnode.net.transport import TlsFacts
    from leafnode.protocol.client_session import ClientSession
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription

CLIENT_CLOSED: Final = "Client Closed"
PROTOCOL_VIOLATION: Final = "Protocol Violation"
ACCOUNT_FULL: Final = "Maximum Account Connections Exceeded"

CLOSED_STATES: Final[dict[type[ProtocolError], str]] = {
    errors.AuthenticationTimeout: "Authentication Timeout",
    errors.AuthorizationViolation: "Authentication Failure",
    errors.Complaint: "Parse Error",
    errors.CredentialsChanged: "Authentication Failure",
    errors.UserAuthenticationExpired: "Authentication Expired",
    errors.AccountAuthenticationExpired: "Authentication Expired",
    errors.UserAuthenticationRevoked: "Credentials Revoked",
    errors.InvalidClientProtocol: "Bad Client Protocol Version",
    errors.MaxAccountConnectionsExceeded: ACCOUNT_FULL,
    errors.MaxConnectionsExceeded: "Maximum Connections Exceeded",
    errors.ConnectionThrottled: "Maximum Connections Exceeded",
    errors.MaxControlLine: "Maximum Control Line Exceeded",
    errors.MaxSubscriptionsExceeded: "Maximum Subscriptions Exceeded",
    errors.MaxPayloadViolation: "Maximum Message Payload Exceeded",
    errors.NoRespondersRequiresHeaders: "No Responders Requires Headers",
    errors.StaleConnection: "Stale Connection",
    leaf_errors.DuplicateLeafConnection: "Duplicate Remote LeafNode Connection",
    leaf_errors.GatewayOnLeafPort: "Wrong Gateway",
    leaf_errors.LeafVersionTooOld: "Minimum Version Required",
    leaf_errors.NotALeafNode: "Incorrect Port",
    leaf_errors.SameClusterName: "Cluster Names Identical",
}


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """A certificate that a client showed. The digests are SHA-256, in hexadecimal."""

    subject: str
    spki_sha256: str
    cert_sha256: str


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
    kind: str = "Client"  # or Leafnode
    type: str = "nats"  # or websocket; leaf links have none
    stalls: int = 0
    tls_version: str = ""
    tls_cipher: str = ""
    tls_first: bool = False
    tls_peer_certs: tuple[PeerCertificate, ...] = ()
    jwt: str = ""  # never one that is a credential by itself (a bearer's)
    issuer_key: str = ""
    name_tag: str = ""  # what people call the user
    tags: tuple[str, ...] = ()
    unproved_key: str = ""  # that CONNECT named beside what let its user in

    @property
    def authorized_user(self) -> str:
        """What nats-server calls the user: by a key that nothing proves rather than by `user`.

        For who asks about himself, and for who looks at connections. Services and events are told
        of `user`: they may go by it.
        """
        return self.unproved_key or self.user


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """One subscription of a connection, as monitoring shows it."""

    subject: bytes
    queue: bytes
    sid: bytes
    msgs: int
    max_msgs: int = 0
    account: str = ""
    cid: int = 0


@dataclass(frozen=True, slots=True)
class ClosedConnection:
    """A connection that is gone: what it was at its end, at `stop_ns` of wall time, and why."""

    facts: ConnectionFacts
    stop_ns: int
    reason: str
    subscriptions: tuple[SubscriptionFacts, ...] = ()


def subscription_facts(sub: Subscription, *, account: str = "") -> SubscriptionFacts:
    """Return a subscription as it is now. `account` where it is shown beside those of others: that
    of a stream import's is whose subscription it brings messages to.
    """
    if account and sub.shadow is not None and sub.peer.account is not None:
        account = sub.peer.account.name
    return SubscriptionFacts(
        subject=sub.subject,
        queue=sub.queue,
        sid=sub.sid,
        msgs=sub.delivered,
        max_msgs=sub.max_msgs,
        account=account,
        cid=sub.peer.cid,
    )


def closed_state(error: type[ProtocolError]) -> str:
    """Return what monitoring calls the end of a connection for this error."""
    return CLOSED_STATES.get(error, PROTOCOL_VIOLATION)


def connection_facts(
    peer: Peer,
    session: ClientSession,
    *,
    login: Login,
    address: str,
    start_ns: int,
    outbound: Outbound | None,
    clock: Clock,
) -> ConnectionFacts:
    """Return the connection as it is now. `address` is its peer's, `start_ns` wall time.

    Of a client whose CONNECT is not in force yet, or never was, it shows what that says.
    """
    now_ns = clock.monotonic_ns()
    active_ns, active_wall_ns = peer.active
    identity, outside = login.identity, login.outside
    known = identity or outside
    connect = session.connect if login.claimed is DEFAULT_CONNECT else login.claimed
    user = identity.user if identity is not None else ""
    ip, _, port = address.rpartition(":")
    return ConnectionFacts(
        cid=peer.cid,
        ip=ip,
        port=int(port or 0),
        account=account_of(peer, outside),
        user=user or raw_user(connect),  # what nothing proves is shown, too
        name=connect.name,
        lang=connect.lang,
        version=connect.version,
        start_ns=start_ns,
        last_activity_ns=active_wall_ns,
        rtt_ns=session.rtt_ns,
        uptime_ns=now_ns - session.start_ns,
        idle_ns=now_ns - active_ns,
        pending_bytes=outbound.pending_bytes() if outbound is not None else 0,
        in_msgs=peer.traffic.in_msgs,
        out_msgs=peer.traffic.out_msgs,
        in_bytes=peer.traffic.in_bytes,
        out_bytes=peer.traffic.out_bytes,
        subscriptions=len(peer.subs),
        type="websocket" if login.kind is ConnectionType.WEBSOCKET else "nats",
        stalls=outbound.stalls if outbound is not None else 0,
        jwt=known.jwt if known is not None else "",
        issuer_key=_issuer(identity) if identity is not None else "",
        name_tag=identity.name_tag if identity is not None else "",
        tags=identity.tags if identity is not None else (),
        unproved_key=connect.nkey if identity is not None and not identity.key else "",
    )


def account_of(peer: Peer, outside: Identity | None) -> str:
    """Return whose connection it is: `outside` is in none, its account has enough of them."""
    if peer.account is not None:
        return peer.account.name
    return outside.account if outside is not None else ""


def _issuer(identity: Identity) -> str:
    """Return who vouches for a user with a key: who signed it or, where nobody did, the account."""
    return identity.issuer or (identity.account if identity.key else "")


def certificates(tls: TlsFacts) -> tuple[PeerCertificate, ...]:
    """Return what is shown of the certificates that a client came with. Ask once: it hashes."""
    sent = tls.sent()
    if not sent:
        return ()
    return tuple(_shown(der) for der in sent)


def _shown(der: bytes) -> PeerCertificate:
    """Only the first one was verified: the others are whatever the client sent behind it."""
    from leafnode.auth.certificate import go_name
    from leafnode.tls.x509 import attributes, key_digest

    subject = key = ""
    if len(der) <= CERTIFICATE_SHOWN_BYTES_MAX:
        with suppress(ValueError):  # the digest of it all says which one it is
            subject, key = go_name(attributes(der)), key_digest(der)
    return PeerCertificate(subject, key, sha256(der).hex())


class ShowsTls:
    """A connection that may be encrypted, as monitoring shows it."""

    __slots__ = ("_certificates", "_tls_first")

    def __init__(self) -> None:
        self._certificates: tuple[PeerCertificate, ...] = ()  # once somebody asked
        self._tls_first = False  # the handshake came before INFO, and that is said of it

    def _with_tls(
        self, facts: ConnectionFacts, tls: TlsFacts | None, *, with_certificates: bool
    ) -> ConnectionFacts:
        """Return the facts with what TLS tells, in Go's names; as they are where there is none."""
        if tls is None:
            return facts
        if with_certificates and not self._certificates:
            self._certificates = certificates(tls)
        version, cipher = gos_names(tls)
        return replace(
            facts,
            tls_version=version,
            tls_cipher=cipher,
            tls_first=self._tls_first and facts.type != "websocket",  # where it always is
            tls_peer_certs=self._certificates if with_certificates else (),
        )


def gos_names(tls: TlsFacts) -> tuple[str, str]:
    """Return version and cipher suite as Go and so nats-server names them."""
    from leafnode.config.tls import go_suite

    return tls.version().removeprefix("TLSv"), go_suite(tls.cipher())
