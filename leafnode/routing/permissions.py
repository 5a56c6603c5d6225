"""Allow and deny, and the one function that decides whether a message may reach a subscription.

Every path goes through `may_deliver`: plain and queue subscriptions, JetStream deliveries, leaf
links. nats-server had four advisories because such paths decided apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol import subject as subjects
from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription


class Rules:
    """An allow list (None: everything) and a deny list, which wins."""

    __slots__ = ("allow", "deny", "exempt")

    def __init__(
        self,
        allow: Iterable[bytes] | None = None,
        deny: Iterable[bytes] = (),
        *,
        exempt: tuple[bytes, ...] = (),
    ) -> None:
        self.allow = None if allow is None else tuple(allow)
        self.deny = tuple(deny)
        self.exempt = exempt  # prefixes that are never judged

    def allows(self, subject: bytes) -> bool:
        """Judge a literal subject."""
        if self.exempt and subject.startswith(self.exempt):
            return True
        if any(subjects.matches(pattern, subject) for pattern in self.deny):
            return False
        return self.allow is None or any(subjects.matches(p, subject) for p in self.allow)

    def allows_pattern(self, pattern: bytes, *, partly: bool = False) -> bool:
        """Judge a subscription's pattern.

        A pattern inside a deny entry is refused; one that only overlaps a deny entry passes, and
        what is denied is held back at delivery. `partly` accepts a pattern that overlaps an allow
        entry without lying inside it, as leaf links do (nats-server filters the deliveries).
        """
        if self.exempt and pattern.startswith(self.exempt):
            return True
        if any(subjects.is_subset(pattern, denied) for denied in self.deny):
            return False
        if self.allow is None or any(subjects.is_subset(pattern, p) for p in self.allow):
            return True
        return partly and any(subjects.collides(pattern, allowed) for allowed in self.allow)


class Permissions:
    """What a peer may publish into the account, and what it may receive from it."""

    __slots__ = ("publish", "subscribe")

    def __init__(self, publish: Rules, subscribe: Rules) -> None:
        self.publish = publish
        self.subscribe = subscribe

    def may_publish(self, subject: bytes) -> bool:
        return self.publish.allows(subject)

    def may_subscribe(self, subject: bytes, queue: bytes = b"") -> bool:
        """Judge a SUB. Queue names are not restricted yet: `queue` is for the error text's sake."""
        del queue
        return self.subscribe.allows_pattern(subject)

    def may_receive(self, subject: bytes) -> bool:
        return self.subscribe.allows(subject)


def may_deliver(sub: Subscription, subject: bytes, origin: Peer) -> bool:
    """Say whether a message that `origin` published on `subject` may reach this subscription."""
    peer = sub.peer
    if sub.closed or peer.closing:
        return False
    if peer is origin and (not peer.echo or peer.kind is Kind.LEAF):
        return False
    # Both are hubs of ours: a spoke never carries from one to the other (leaf protocol 2.6).
    if peer.kind is Kind.LEAF and origin.kind is Kind.LEAF:
        return False
    return peer.permissions is None or peer.permissions.may_receive(subject)
