"""The leafs that have connected to us: for limits, twins, monitoring and shutdown.

Knows how many there are and what became of the others; not what they say. Truth: nats-server 2.15.1
server/leafnode.go addLeafNodeConnection; the bounds are ours.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from leafnode.clients.log_lines import ErrorLines
from leafnode.crowd import Crowd
from leafnode.limits import (
    AUTH_LOG_NS,
    CROWD_PATIENCE_NS,
    LEAFS_ACCEPTED_MAX,
    LOGINS_WAITING_MAX,
)
from leafnode.protocol.errors import AuthenticationTimeout, ConnectionThrottled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.clock import Clock
    from leafnode.leaf.accepted import AcceptedLink

log = logging.getLogger(__name__)


class LeafWatcher(Protocol):
    """Somebody who follows leafs as they come and go: the events of the system account."""

    def leaf_accepted(self, link: AcceptedLink) -> None: ...

    def leaf_refused(self, link: AcceptedLink, reason: str) -> None:
        """Its login did not hold."""
        ...

    def leaf_turned_away(self, link: AcceptedLink) -> None:
        """It proved who it is, and its account has connections enough."""
        ...

    def leaf_lost(self, link: AcceptedLink) -> None:
        """A link that was up is over."""
        ...


class LeafRegistry:
    """Open connections of leafs by their cid, and counters since start."""

    def __init__(self, clock: Clock) -> None:
        self.watcher: LeafWatcher | None = None
        self.open: dict[int, AcceptedLink] = {}
        self.refused = 0  # for LEAFS_ACCEPTED_MAX
        self.auth_failures = 0
        self.slow_consumers = 0
        self.stale_connections = 0
        self.interest_ignored = 0  # of those that are gone
        self.waiting: Crowd[int] = Crowd(LOGINS_WAITING_MAX, CROWD_PATIENCE_NS)
        self._clock = clock
        self._complaints = ErrorLines("leafs")
        self._logged_ns = 0
        self._unlogged = 0

    def links(self) -> Iterator[AcceptedLink]:
        """Those that are up, in the order in which they came."""
        return (link for link in self.open.values() if link.linked_ns)

    def admit(self, link: AcceptedLink) -> bool:
        """Keep a new connection, unless there are as many as may be."""
        if len(self.open) >= LEAFS_ACCEPTED_MAX:
            self.refused += 1
            return False
        self.open[link.peer.cid] = link
        return True

    def await_login(self, link: AcceptedLink, address: str) -> None:
        """Let a new one wait for its login; another one may go for it, or itself."""
        cid = link.peer.cid
        out = self.waiting.enter(cid, address, self._clock.monotonic_ns())
        if out is not None:
            is_new = out == cid
            self.open[out].refuse(ConnectionThrottled() if is_new else AuthenticationTimeout())

    def twin_of(self, link: AcceptedLink) -> AcceptedLink | None:
        """Return the link that the same server has already, for the same two accounts.

        It is lost there, or both would bring every message twice.
        """
        claim = link.session.claim
        assert claim is not None, "it said who it is"
        if not claim.name or not claim.remote_account:
            return None
        for other in self.open.values():
            theirs = other.session.claim
            if (
                other is not link
                and not other.over
                and theirs is not None
                and other.peer.account is link.peer.account
                and (theirs.name, theirs.cluster, theirs.remote_account)
                == (claim.name, claim.cluster, claim.remote_account)
            ):
                log.warning("Replacing connection from same server: name=%s", claim.name)
                return other
        return None

    def linked(self, link: AcceptedLink) -> None:
        """Note that a leaf is up."""
        row = link.leafz()
        log.info(
            "Leaf accepted: lid=%d name=%s account=%s address=%s",
            *(row.id, _printable(row.name), row.account, link.address()),
        )
        if self.watcher is not None:
            self.watcher.leaf_accepted(link)

    def rejected(self, link: AcceptedLink, reason: str) -> None:
        """Note that a login did not hold; say it, at most once in a second."""
        self.auth_failures += 1
        if self.watcher is not None:
            self.watcher.leaf_refused(link, reason)
        now_ns = self._clock.monotonic_ns()
        if self._logged_ns and now_ns - self._logged_ns < AUTH_LOG_NS:
            self._unlogged += 1
            return
        log.warning(
            "Leaf refused: lid=%d address=%s reason=%s unlogged=%d",
            *(link.peer.cid, link.address(), reason, self._unlogged),
        )
        self._logged_ns, self._unlogged = now_ns, 0

    def complained(self, link: AcceptedLink, text: str, cause: str) -> None:
        """Write into the log what a leaf calls an error, as far as it is not too many."""
        if self._complaints.has_room(self._clock.monotonic_ns()):
            log.info("Leaf complains: lid=%d text=%s meaning=%s", link.peer.cid, text, cause)

    def discard(self, link: AcceptedLink) -> None:
        """Forget a connection that is over."""
        if self.open.pop(link.peer.cid, None) is None:
            return
        self.waiting.leave(link.peer.cid)
        self.slow_consumers += link.slow
        self.stale_connections += link.stale
        self.interest_ignored += link.interest_ignored
        if not link.linked_ns:
            if link.is_turned_away and self.watcher is not None:
                self.watcher.leaf_turned_away(link)
            return
        log.info(
            "Leaf lost: lid=%d name=%s reason=%s",
            *(link.peer.cid, _printable(link.peer.name), link.reason),
        )
        if self.watcher is not None:
            self.watcher.leaf_lost(link)

    def close_all(self, reason: str) -> Iterator[None]:
        """End every connection, sending what it has pending; in steps."""
        while (link := next(iter(self.open.values()), None)) is not None:
            link.close(reason)
            yield


def _printable(text: str) -> str:
    """Return a name that a leaf gave itself, fit for a line of the log."""
    return "".join(char if char.isprintable() else "?" for char in text)
