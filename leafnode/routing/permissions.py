"""Allow and deny, and the one function that decides whether a message may reach a subscription.

Every path goes through `may_deliver`: plain and queue subscriptions, JetStream deliveries, leaf
links. nats-server had four advisories because such paths decided apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.protocol import subject as subjects
from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription


# Subjects and replies between servers: a client that could use them would answer for others.
RESERVED_SUBJECTS: Final = (b"_GR_.", b"$GR.", b"$NRG.")
RESERVED_REPLIES: Final = (b"_R_.", b"_GR_.", b"$GR.", b"$JS.ACK.")
_BARE: Final = (b"_GR_.", b"$GR.", b"$JS.ACK.")  # with nothing behind: taken, as on nats-server


def is_reserved(subject: bytes) -> bool:
    """Say whether no client may publish there, whatever its permissions."""
    return subject.startswith(RESERVED_SUBJECTS) and subject not in _BARE


def is_reserved_reply(reply: bytes) -> bool:
    """Say whether no client may ask for an answer there."""
    return reply.startswith(RESERVED_REPLIES) and reply not in _BARE


class SubjectSet:
    """Patterns, arranged so that judging a literal subject costs little however many there are."""

    __slots__ = ("_exact", "_others", "_prefixes", "patterns")

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self.patterns = tuple(patterns)
        self._exact = frozenset(self.patterns)
        # `a.b.>` is a prefix; a subject is never just "a.b.", since no token is empty.
        prefixes = [pattern[:-1] for pattern in self.patterns if _is_prefix(pattern)]
        self._prefixes = tuple(prefixes)
        self._others = tuple(
            pattern
            for pattern in self.patterns
            if not _is_prefix(pattern) and not subjects.is_literal(pattern)
        )

    def matches(self, subject: bytes) -> bool:
        """Say whether a literal subject is one that some pattern stands for."""
        if subject in self._exact:
            return True
        found = subject.startswith(self._prefixes) or any(
            subjects.matches(pattern, subject) for pattern in self._others
        )
        return found and not subjects.has_empty_token(subject)

    def covers(self, pattern: bytes) -> bool:
        """Say whether one of the patterns stands for all that `pattern` stands for."""
        found = any(subjects.is_subset(pattern, of) for of in self.patterns)
        return found and not subjects.has_empty_token(pattern)


class Rules:
    """An allow list (None: everything) and a deny list, which wins.

    An entry `subject queue` holds for subscriptions of that queue group only; the queue may have
    wildcards, too. Where queue entries allow a subject they replace the entry without a queue for
    queue groups: `["a", "a v1"]` lets anybody subscribe to `a`, and of the groups only `v1`.
    """

    __slots__ = ("_allow", "_deny", "_queue_allow", "_queue_deny", "exempt", "size")

    def __init__(
        self,
        allow: Collection[bytes] | None = None,
        deny: Collection[bytes] = (),
        *,
        exempt: tuple[bytes, ...] = (),
    ) -> None:
        plain_allow, self._queue_allow = _split(allow or ())
        plain_deny, self._queue_deny = _split(deny)
        self._allow = None if allow is None else SubjectSet(plain_allow)
        self._deny = SubjectSet(plain_deny)
        self.exempt = exempt  # prefixes that are never judged
        self.size = 1 + len(allow or ()) + len(deny)  # how long it takes to judge

    @property
    def allowed(self) -> list[bytes] | None:
        """The entries of the allow list, `subject` or `subject queue`; None: everything."""
        return None if self._allow is None else _joined(self._allow, self._queue_allow)

    @property
    def denied(self) -> list[bytes]:
        return _joined(self._deny, self._queue_deny)

    def allows(self, subject: bytes, queue: bytes = b"") -> bool:
        """Judge a literal subject, on its way to or from a member of `queue` if one is given."""
        if self.exempt and subject.startswith(self.exempt):
            return True
        if self.denies(subject, queue):
            return False
        if self._allow is None or self._allow.matches(subject):
            return True
        return bool(queue) and _names(self._queue_allow, subject, queue)

    def denies(self, subject: bytes, queue: bytes = b"") -> bool:
        """Say whether a deny entry matches, token by token."""
        if self._deny.matches(subject):
            return True
        return bool(queue) and any(
            subjects.matches(of, subject) and _is_queue(queue, name)
            for of, name in self._queue_deny
        )

    def allows_pattern(self, pattern: bytes, queue: bytes = b"", *, partly: bool = False) -> bool:
        """Judge a subscription's pattern.

        A pattern that a deny entry matches, its wildcards taken for tokens like others, is refused
        as on nats-server: `a.>` by `a.*`. One that only overlaps a deny entry passes, and what is
        denied is held back at delivery. No such thing gets by an allow entry. `partly` accepts a
        pattern that overlaps an allow entry without lying inside it, as leaf links do (nats-server
        filters the deliveries).
        """
        if self.exempt and pattern.startswith(self.exempt):
            return True
        if self.denies(pattern, queue):
            return False
        if self._allow is None:
            return True
        if queue and any(subjects.matches(of, pattern) for of, _ in self._queue_allow):
            return _names(self._queue_allow, pattern, queue)
        if self._allow.covers(pattern):
            return True
        return partly and any(subjects.collides(pattern, p) for p in self._allow.patterns)


class ResponseRule(NamedTuple):
    """How many messages may answer one request, and for how long. 0: no limit."""

    max_msgs: int
    expires_ns: int


class Permissions:
    """What a peer may publish into the account, and what it may receive from it.

    `responses`: it may also answer what it received, see `routing.responses`.
    """

    __slots__ = ("publish", "responses", "subscribe")

    def __init__(
        self, publish: Rules, subscribe: Rules, responses: ResponseRule | None = None
    ) -> None:
        self.publish = publish
        self.subscribe = subscribe
        self.responses = responses

    def may_publish(self, subject: bytes) -> bool:
        """Judge by the lists alone; `may_publish` of this module also knows open replies."""
        return self.publish.allows(subject)

    def may_subscribe(self, subject: bytes, queue: bytes = b"") -> bool:
        return self.subscribe.allows_pattern(subject, queue)

    def may_receive(self, subject: bytes, queue: bytes = b"") -> bool:
        return self.subscribe.allows(subject, queue)


def may_publish(peer: Peer, subject: bytes) -> bool:
    """Say whether a message of this peer may enter its account, and count an answer it gives."""
    if peer.permissions is None or peer.permissions.may_publish(subject):
        return True
    return peer.open_replies is not None and peer.open_replies.take(subject)


def may_deliver(sub: Subscription, subject: bytes, origin: Peer) -> bool:
    """Say whether a message that `origin` published on `subject` may reach this subscription."""
    peer = sub.peer
    if sub.closed or peer.closing:
        return False
    if peer is origin and (not peer.echo or peer.is_leaf):
        return False
    if peer.is_leaf and origin.is_leaf and not origin.leaf.passes_to(peer.leaf):
        return False
    if peer.permissions is None:
        return True
    # Permissions speak of the subjects that a subscriber sees.
    shown = subject if sub.shadow is None else sub.shadow.show(subject)
    return peer.permissions.may_receive(shown, sub.queue)


def may_show(sub: Subscription, stored: bytes) -> bool:
    """Say whether a message that a stream holds under `stored` may be shown to this subscription.

    It was delivered on a subject that `may_deliver` judged, mostly an inbox. What a user is denied
    it does not get by way of a stream either; an allow list need not name what streams hold.
    """
    permissions = sub.peer.permissions
    if permissions is None or sub.peer.kind is not Kind.CLIENT:
        return True
    return not permissions.subscribe.denies(stored, sub.queue)


def _is_prefix(pattern: bytes) -> bool:
    """Say whether all of it but a last token `>` is literal; in `a>` the `>` is, too."""
    return pattern == b">" or (pattern.endswith(b".>") and subjects.is_literal(pattern[:-2]))


def _joined(plain: SubjectSet, with_queue: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [*plain.patterns, *(b"%b %b" % entry for entry in with_queue)]


def _split(patterns: Iterable[bytes]) -> tuple[list[bytes], list[tuple[bytes, bytes]]]:
    """Part the entries without a queue from those with one."""
    plain: list[bytes] = []
    with_queue: list[tuple[bytes, bytes]] = []
    for pattern in patterns:
        subject, _, queue = pattern.partition(b" ")
        if queue:
            with_queue.append((subject, queue))
        else:
            plain.append(subject)
    return plain, with_queue


def _names(entries: list[tuple[bytes, bytes]], pattern: bytes, queue: bytes) -> bool:
    """Say whether an entry stands for this pattern and for this queue."""
    return any(_is_queue(queue, name) and subjects.is_subset(pattern, of) for of, name in entries)


def _is_queue(queue: bytes, name: bytes) -> bool:
    """Say whether a queue is the one of this name, or one that the name's wildcards cover."""
    return queue == name or subjects.is_subset(queue, name)
