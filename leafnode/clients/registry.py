"""The open client connections of a server: for limits, for monitoring, for shutdown.

Knows how many there are and what became of the others; not what they say.
Truth: nats-server 2.15.1 server/server.go createClient, server/monitor.go Connz.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from leafnode.auth.identity import PROXY_NOT_TRUSTED, PROXY_REQUIRED, REFUSED
from leafnode.clients.closed import ClosedRing
from leafnode.clients.facts import ClosedConnection, subscription_facts
from leafnode.clients.log_lines import ErrorLines
from leafnode.crowd import Crowd
from leafnode.limits import (
    CLOSED_SUBSCRIPTIONS_MAX,
    CROWD_PATIENCE_NS,
    LOGINS_WAITING_MAX,
    MAX_CLOSED_CLIENTS,
)
from leafnode.metrics import Traffic
from leafnode.net.outbound import SLOW_PENDING
from leafnode.protocol.errors import AuthenticationTimeout, ConnectionThrottled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.auth.identity import LoginRefused
    from leafnode.clients.facts import ConnectionFacts
    from leafnode.clients.handler import ClientHandler
    from leafnode.errors import ProtocolError
    from leafnode.protocol.errors import PermissionsViolation
    from leafnode.routing.peer import Peer

log = logging.getLogger(__name__)

_LOGIN_FAILURES: Final = {REFUSED, PROXY_REQUIRED, PROXY_NOT_TRUSTED, "Authentication Timeout"}


class Watcher(Protocol):
    """Somebody who follows clients as they come and go: the events of the system account."""

    def client_accepted(self, client: ClientHandler) -> None:
        """It proved who it is and is bound to its account."""
        ...

    def client_refused(
        self, client: ClientHandler, reason: str, refusal: LoginRefused | None
    ) -> None:
        """Its login did not hold; `client_closed` follows. `refusal`: credentials were judged."""
        ...

    def client_late(self, client: ClientHandler) -> None:
        """It did not take in time what was written; it may go on."""
        ...

    def client_closed(self, client: ClientHandler, reason: str) -> None:
        """It ended for `reason`, one of nats-server's closed states."""
        ...


class Registry:
    """Open connections by their cid, and counters since start."""

    __slots__ = (
        "auth_failures",
        "closed",
        "closed_ring",
        "closed_traffic",
        "errors",
        "max_connections",
        "open",
        "refused",
        "slow_deadline",
        "slow_pending",
        "stale",
        "total",
        "waiting",
        "watcher",
    )

    def __init__(self, *, max_connections: int, max_closed: int = MAX_CLOSED_CLIENTS) -> None:
        self.max_connections = max_connections
        self.watcher: Watcher | None = None
        self.open: dict[int, ClientHandler] = {}
        self.total = 0  # accepted since start
        self.refused = 0  # of them, for max_connections
        self.closed = 0
        self.closed_ring = ClosedRing(max_closed)
        self.closed_traffic = Traffic()  # of all connections that are gone
        self.stale = 0
        self.auth_failures = 0
        self.slow_pending = 0
        self.slow_deadline = 0
        # By cid, who has not logged in yet where that is required.
        self.waiting: Crowd[int] = Crowd(LOGINS_WAITING_MAX, CROWD_PATIENCE_NS)
        self.errors = ErrorLines()

    @property
    def slow_consumers(self) -> int:
        """Clients that were cut for what waits for them, and write deadlines that passed."""
        return self.slow_pending + self.slow_deadline

    def count_gone(self) -> None:
        """Count one that gave up before anything was begun with it."""
        self.total += 1

    def admit(self, handler: ClientHandler) -> bool:
        """Count a new connection and keep it, unless max_connections are open."""
        self.total += 1
        if len(self.open) >= self.max_connections:
            self.refused += 1
            return False
        self.open[handler.peer.cid] = handler
        return True

    def await_login(self, handler: ClientHandler, address: str, now_ns: int) -> None:
        """Let a new connection wait for its login; another one may go for it, or itself."""
        cid = handler.peer.cid
        out = self.waiting.enter(cid, address, now_ns)
        if out is not None:
            is_new = out == cid
            self.open[out].refuse(ConnectionThrottled() if is_new else AuthenticationTimeout())

    def remember(self, handler: ClientHandler, reason: str, now_ns: int) -> None:
        """Keep what monitoring shows of a connection that ends, while it has its subscriptions."""
        account = handler.peer.account
        name = account.name if account is not None else ""
        subs = islice(handler.peer.subs.values(), CLOSED_SUBSCRIPTIONS_MAX)
        listed = tuple(subscription_facts(sub, account=name) for sub in subs)
        facts = handler.facts(with_certificates=False)
        self.closed_ring.add(ClosedConnection(facts, now_ns, reason, listed))

    def keep(self, gone: ClosedConnection) -> None:
        """Keep what monitoring shows of a leaf link that ended, among the clients."""
        try:
            self.closed_ring.add(gone)
        except Exception:  # boundary: monitoring, which must not keep a connection
            log.exception("Leaf link is not remembered: cid=%d", gone.facts.cid)

    def discard(self, handler: ClientHandler, reason: str) -> None:
        """Forget a connection that ended for `reason`, one of nats-server's closed states."""
        if self.open.pop(handler.peer.cid, None) is None:
            return
        self.waiting.leave(handler.peer.cid)
        self.closed += 1
        self.closed_traffic.add(handler.peer.traffic)
        match reason:
            case "Stale Connection":
                self.stale += 1
            case _ if reason in _LOGIN_FAILURES:
                self.auth_failures += 1
            case _ if reason == SLOW_PENDING:
                self.slow_pending += 1
            case _:
                pass
        if self.watcher is not None:
            self.watcher.client_closed(handler, reason)

    def note_late(self, handler: ClientHandler) -> None:
        """Count that a client did not take in time what was written."""
        self.slow_deadline += 1
        if self.watcher is not None:
            self.watcher.client_late(handler)

    def accepted(self, handler: ClientHandler) -> None:
        """Note that a client's CONNECT held."""
        if self.watcher is not None:
            self.watcher.client_accepted(handler)

    def rejected(
        self, handler: ClientHandler, reason: str, refusal: LoginRefused | None = None
    ) -> None:
        """Note that a client's CONNECT did not hold."""
        if self.watcher is not None:
            self.watcher.client_refused(handler, reason, refusal)

    def traffic(self) -> tuple[Traffic, list[Traffic]]:
        """Messages and bytes since start: of all that are gone, and of each client that is here."""
        gone = Traffic()
        gone.add(self.closed_traffic)
        return gone, [handler.peer.traffic for handler in self.open.values()]

    def tell(self, handler: ClientHandler, error: ProtocolError, now_ns: int) -> None:
        """Write into the log what a client did wrong."""
        self.errors.tell(handler, error, now_ns)

    def tell_violation(self, peer: Peer, violation: PermissionsViolation, now_ns: int) -> None:
        """Write into the log what a client may not publish."""
        if (handler := self.open.get(peer.cid)) is not None:
            self.errors.tell(handler, violation, now_ns)

    def facts(self) -> list[ConnectionFacts]:
        """What monitoring shows of every open connection, in the order of cid."""
        return [handler.facts() for _, handler in sorted(self.open.items())]

    def close_all(self, reason: str) -> Iterator[None]:
        """End every connection, sending what it has pending; in steps."""
        for handler in list(self.open.values()):
            handler.close(reason)
            yield
