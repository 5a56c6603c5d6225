"""Allow and deny, and the one function that decides whether a message may reach a subscription.

Every path goes through `may_deliver`: plain and queue subscriptions, JetStream deliveries, leaf
links. nats-server had four advisories because such paths decided apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from leafnode.limits import WALK_WORK
from leafnode.routing.peer import Kind
from leafnode.routing.queue_entries import QueueEntries
from leafnode.routing.subject_set import SubjectSet

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from typing import Self

    from leafnode.routing.peer import Outbox, Peer
    from leafnode.routing.subscription import Subscription


# Subjects and replies between servers: a client that could use them would answer for others.
RESERVED_SUBJECTS: Final = (b"_GR_.", b"$GR.", b"$NRG.")
RESERVED_REPLIES: Final = (b"_R_.", b"_GR_.", b"$GR.", b"$JS.ACK.")
# Questions to a service that decides on logins: only the server itself asks them. `auth.callout`
# denies them to whoever shares the service's account; here is what lists say nothing of.
LOGIN_REQUESTS: Final = b"$SYS.REQ.USER.AUTH"
_NO_QUEUES: Final = QueueEntries()
_FREE_VISITS: Final = 16  # of a trie: in what a line or a delivery costs anyway
_BARE: Final = (b"_GR_.", b"$GR.", b"$JS.ACK.")  # with nothing behind: taken, as on nats-server


def is_reserved(subject: bytes) -> bool:
    """Say whether no client may publish there, whatever its permissions."""
    return subject.startswith(RESERVED_SUBJECTS) and subject not in _BARE


def is_reserved_reply(reply: bytes) -> bool:
    """Say whether no client may ask for an answer there."""
    return reply.startswith(RESERVED_REPLIES) and reply not in _BARE


class Rules:
    """An allow list (None: everything) and a deny list, which wins.

    An entry `subject queue` holds for subscriptions of that queue group only; the queue may have
    wildcards, too. Where queue entries allow a subject they replace the entry without a queue for
    queue groups: `["a", "a v1"]` lets anybody subscribe to `a`, and of the groups only `v1`.
    """

    __slots__ = (
        "_allow",
        "_deny",
        "_last",
        "_more",
        "_queue_allow",
        "_queue_deny",
        "exempt",
        "work",
    )

    unlisted: ClassVar[tuple[bytes, ...]] = ()  # prefixes that need to be on no allow list

    def __init__(
        self,
        allow: Iterable[bytes] | None = None,
        deny: Iterable[bytes] = (),
        *,
        exempt: tuple[bytes, ...] = (),
    ) -> None:
        """`exempt` are prefixes that are never judged."""
        for _ in self._fill(allow, deny, exempt):
            pass

    @classmethod
    def made(
        cls, allow: Iterable[bytes] | None = None, deny: Iterable[bytes] = ()
    ) -> Generator[None, None, Self]:
        """Return the rules of lists that may be long, in small steps."""
        one = cls.__new__(cls)
        yield from one._fill(allow, deny, ())
        return one

    @classmethod
    def over(
        cls,
        of: Rules,
        *,
        allow: SubjectSet | None = None,
        deny: SubjectSet | None = None,
        exempt: tuple[bytes, ...] = (),
        is_plain: bool = False,
    ) -> Self:
        """Return the same lists with a few more denied, without a look at each entry: they are
        shared. `allow` takes the place of the allow list. `is_plain`: what they say of queue groups
        is left out. A few only: what `of` has of these is copied.
        """
        one = cls.__new__(cls)
        one._allow, one._deny = allow or of._allow, of._deny
        one._queue_allow = _NO_QUEUES if is_plain or allow else of._queue_allow
        one._queue_deny = _NO_QUEUES if is_plain else of._queue_deny
        one._more = _both(of._more, deny)
        one.exempt = exempt
        one.work = one._most_work()
        one._last = None
        return one

    def _fill(
        self, allow: Iterable[bytes] | None, deny: Iterable[bytes], exempt: tuple[bytes, ...]
    ) -> Iterator[None]:
        plain_allow, queue_allow = _split(allow or ())
        plain_deny, queue_deny = _split(deny)
        self._queue_allow = self._queue_deny = _NO_QUEUES
        if queue_allow:
            self._queue_allow = yield from QueueEntries.made(queue_allow)
        if queue_deny:
            self._queue_deny = yield from QueueEntries.made(queue_deny)
        self._allow = None
        if allow is not None:
            self._allow = yield from SubjectSet.made(plain_allow)
        self._deny = yield from SubjectSet.made(plain_deny)
        self._more: SubjectSet | None = None  # denied, too, beside what is shared with others
        self.exempt = exempt
        self.work = self._most_work()
        self._last: tuple[bytes, bytes, bool] | None = None  # that `judge` judged, and how

    def _most_work(self) -> int:
        """Of judging one subject, where that takes more than a few steps: whoever asks counts."""
        several = (self._allow, self._deny, self._more, self._queue_allow, self._queue_deny)
        visits = sum(one.visits for one in several if one is not None)
        return WALK_WORK * visits if visits > _FREE_VISITS else 0

    def prepare(self) -> Iterator[None]:
        """Make what patterns that overlap are judged by, in small steps."""
        if self._allow is not None:
            yield from self._allow.prepare()

    @property
    def allowed(self) -> list[bytes] | None:
        """The entries of the allow list, `subject` or `subject queue`; None: everything."""
        return (
            None
            if self._allow is None
            else _joined(self._allow.patterns, self._queue_allow.entries)
        )

    @property
    def denied(self) -> list[bytes]:
        more = () if self._more is None else self._more.patterns
        return _joined((*self._deny.patterns, *more), self._queue_deny.entries)

    def allows(self, subject: bytes, queue: bytes = b"") -> bool:
        """Judge a literal subject, on its way to or from a member of `queue` if one is given."""
        if self.exempt and subject.startswith(self.exempt):
            return True
        if self.denies(subject, queue):
            return False
        if self._allow is None or self._allow.matches(subject):
            return True
        if self.unlisted and subject.startswith(self.unlisted):
            return True
        return bool(queue) and self._queue_allow.cover(subject, queue)

    def judge(self, subject: bytes, queue: bytes, payer: Outbox) -> bool:
        """Do what `allows` does, as work of `payer`'s turn where that takes more than a few steps.
        The last verdict of such is remembered: each subscription of a peer asks for the same one,
        and 2,000 of them took 28 ms. Rules do not change.
        """
        if not self.work:
            return self.allows(subject, queue)
        last = self._last
        if last is not None and last[0] == subject and last[1] == queue:
            return last[2]
        payer.work_left -= self.work
        verdict = self.allows(subject, queue)
        self._last = subject, queue, verdict
        return verdict

    def denies(self, subject: bytes, queue: bytes = b"") -> bool:
        """Say whether a deny entry matches, token by token."""
        if self._deny.matches(subject) or (self._more is not None and self._more.matches(subject)):
            return True
        return bool(queue) and self._queue_deny.match(subject, queue)

    def allows_pattern(self, pattern: bytes, queue: bytes = b"") -> bool:
        """Judge a subscription's pattern.

        A pattern that a deny entry matches, its wildcards taken for tokens like others, is refused
        as on nats-server: `a.>` by `a.*`. One that only overlaps a deny entry passes, and what is
        denied is held back at delivery. No such thing gets by an allow entry.
        """
        if self.exempt and pattern.startswith(self.exempt):
            return True
        if self.denies(pattern, queue):
            return False
        if self._allow is None:
            return True
        if queue and self._queue_allow.name(pattern):
            if self._queue_allow.cover(pattern, queue):
                return True
            if not self._queue_allow.match(pattern, queue):
                return False
        return self._allow.covers(pattern)

    def allows_partly(self, pattern: bytes, payer: Outbox) -> bool:
        """Judge a pattern that a leaf link is told of: it may overlap an allow entry without lying
        inside it (nats-server filters the deliveries). What that takes is work of `payer`'s turn.
        """
        if self.exempt and pattern.startswith(self.exempt):
            return True
        payer.work_left -= self.work
        return not self.denies(pattern) and self._overlaps(pattern, payer)

    def may_let(self, pattern: bytes, payer: Outbox) -> bool:
        """Say whether a message that `pattern` stands for may be allowed, judged when it comes.
        What that takes is work of `payer`'s turn.
        """
        if self.exempt and pattern.startswith(self.exempt):
            return True
        payer.work_left -= self.work
        if self._deny.covers(pattern) or (self._more is not None and self._more.covers(pattern)):
            return False
        return self._overlaps(pattern, payer)

    def _overlaps(self, pattern: bytes, payer: Outbox) -> bool:
        if self._allow is None or (self.unlisted and pattern.startswith(self.unlisted)):
            return True
        found, visited = self._allow.collides(pattern)
        if visited > _FREE_VISITS:
            payer.work_left -= WALK_WORK * visited
        return found


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
        """Judge by the lists alone; nothing is counted."""
        return self.publish.allows(subject)

    def may_subscribe(self, subject: bytes, queue: bytes = b"") -> bool:
        return self.subscribe.allows_pattern(subject, queue)


def may_publish(peer: Peer, subject: bytes) -> bool:
    """Say whether a message of this peer may enter its account, and count an answer it gives."""
    if is_listed(peer, subject):
        return True
    if peer.open_replies is None or subject == LOGIN_REQUESTS:
        return False  # nobody is asked to answer there but by who wants to ask himself
    return peer.open_replies.take(subject)


def is_listed(peer: Peer, subject: bytes) -> bool:
    """Say whether the lists alone let a peer publish, whatever it may answer."""
    permissions = peer.permissions
    if permissions is None:
        return True
    peer.outbox.work_left -= permissions.publish.work
    return permissions.may_publish(subject)


def may_subscribe(peer: Peer, subject: bytes, queue: bytes) -> bool:
    """Say whether a peer may subscribe to a pattern."""
    permissions = peer.permissions
    if permissions is None:
        return True
    peer.outbox.work_left -= permissions.subscribe.work
    return permissions.may_subscribe(subject, queue)


def may_deliver(sub: Subscription, subject: bytes, origin: Peer) -> bool:
    """Say whether a message that `origin` published on `subject` may reach this subscription."""
    peer = sub.peer
    if is_over(sub) or peer.closing:
        return False
    if peer is origin and (not peer.echo or peer.is_leaf):
        return False
    if sub.is_private and origin.is_leaf:
        return False
    if peer.is_leaf and (
        origin.stays_here or (origin.is_leaf and not origin.leaf.passes_to(peer.leaf))
    ):
        return False
    permissions = peer.permissions
    if permissions is None:
        return True
    if peer.sifted_by is not None and not _may_stand(sub):
        return False
    # Permissions speak of the subjects that a subscriber sees.
    shown = subject if sub.shadow is None else sub.shadow.by.show(subject)
    return permissions.subscribe.judge(shown, sub.queue, origin.outbox)


def is_over(sub: Subscription) -> bool:
    """Say whether nothing reaches it any more, or nothing yet. A shadow goes by what it stands for
    and by its import: these end, or wake, at once, and shadows may be thousands.
    """
    if sub.shadow is not None:
        source = sub.shadow.source
        return source.closed or source.asleep or sub.shadow.by.is_mute
    return sub.closed or sub.asleep


def _may_stand(sub: Subscription) -> bool:
    """Say whether a client could have this subscription now, whatever it is to bring.

    Its subjects may be allowed and it is not: `["a", "a v1"]` shuts out other groups, and a deny
    entry `a.*` all of `a.>`.
    """
    source = sub if sub.shadow is None else sub.shadow.source
    return may_subscribe(sub.peer, source.subject, source.queue)


def may_show(sub: Subscription, stored: bytes) -> bool:
    """Say whether a message that a stream holds under `stored` may be shown to this subscription.

    It was delivered on a subject that `may_deliver` judged, mostly an inbox. What a user is denied
    it does not get by way of a stream either; an allow list need not name what streams hold.
    """
    permissions = sub.peer.permissions
    if permissions is None or sub.peer.kind is not Kind.CLIENT:
        return True
    return not permissions.subscribe.denies(stored, sub.queue)


def _both(one: SubjectSet | None, other: SubjectSet | None) -> SubjectSet | None:
    if one is None or other is None:
        return other if one is None else one
    return SubjectSet((*one.patterns, *other.patterns))


def _joined(plain: tuple[bytes, ...], with_queue: list[tuple[bytes, bytes]]) -> list[bytes]:
    return [*plain, *(b"%b %b" % entry for entry in with_queue)]


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
