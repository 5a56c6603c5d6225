"""An account: one name space of subjects, its subscriptions, and how the server itself takes part
in it.

Knows routing only. JetStream, the uplink and the bridge publish and subscribe here like clients do.
Truth: nats-server server/accounts.go.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from leafnode.limits import (
    DROP_WORK,
    FOUND_WORK,
    LINK_BYTES_A_WORK,
    LINK_WORK,
    OVERLAP_WORK,
    TOKEN_WORK,
    WALK_WORK,
)
from leafnode.metrics import Traffic
from leafnode.routing.acks import publish_acks
from leafnode.routing.answers import is_of_the_api
from leafnode.routing.deliver import Handout, deliver, hand_out, send_aside
from leafnode.routing.leaf_interest import LeafInterest
from leafnode.routing.mapped_interest import MappedInterest
from leafnode.routing.parked import Backlog, in_turns
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.permissions import LOGIN_REQUESTS, may_deliver
from leafnode.routing.replies import deliver_to_client, publish_replies
from leafnode.routing.route import Message, held
from leafnode.routing.sublist import Sublist
from leafnode.routing.subscription import Delivery, Subscription
from leafnode.routing.trie import PAUSE_NODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from leafnode.routing.imports import StreamImports
    from leafnode.routing.leaf_interest import LinkWatcher
    from leafnode.routing.mapping import Mappings
    from leafnode.routing.peer import LeafSide, Outbox
    from leafnode.routing.service_export import Passed
    from leafnode.routing.services import Services
    from leafnode.routing.tracing import Tracer

GLOBAL_ACCOUNT: Final = "$G"
_INBOX: Final = b"_INBOX."


class Limits(NamedTuple):
    """Bounds of an account; -1: none. All but connections and leaf links hold for each client."""

    max_connections: int = -1
    max_subscriptions: int = -1
    max_payload_bytes: int = -1
    max_leafnodes: int = -1


class InterestWatcher(Protocol):
    """Somebody who follows who subscribes to one subject in one group, or in none."""

    def interest_changed(self) -> None:
        """A subscription came, or went: `Account.listens` says whether there is any."""
        ...


class Account:
    """One account of the server."""

    def __init__(
        self,
        name: str,
        outbox: Outbox,
        on_fault: Callable[[bytes, Exception], None] | None = None,
    ) -> None:
        """`on_fault` is told the subject and the exception of a handler that failed.

        Without it the exception goes on to whoever published: for tests.
        """
        self.name = self.title = name  # `title` is for people: where it has one, its tag too
        self.on_fault = on_fault or _raise
        self.sublist = Sublist(outbox)
        self.name_at_hub = ""  # of the account that its link to a hub belongs to there
        self.traffic = Traffic()
        self.backlog = Backlog(outbox)
        self.system = Peer(0, Kind.SYSTEM, outbox)
        self.answering = Peer(0, Kind.SYSTEM, outbox)  # the same where it answers: see `answer`
        self.of_streams = Peer(0, Kind.SYSTEM, outbox)  # the same for what its streams hold
        # The same for what it says to itself: in another gateway of a fleet a stream, its consumer
        # and the subjects of dead letters may be called the same.
        self.to_itself = Peer(0, Kind.SYSTEM, outbox)
        self.to_itself.stays_here = True
        for own in (self.system, self.answering, self.of_streams, self.to_itself):
            own.account = self
        self._last_sid = 0  # of the server's own subscriptions
        self._unheard: set[Subscription] = set()  # that were inserted asleep: no interest yet
        self.local_interest: dict[tuple[bytes, bytes], int] = {}
        self.watchers: dict[tuple[bytes, bytes], list[InterestWatcher]] = {}
        self.leaf_interest = LeafInterest()
        self.links: list[LinkWatcher] = []  # those that are up
        self.mappings: Mappings | None = None  # None: subjects are routed as they are published
        self._mapped = MappedInterest(outbox, self._map_interest)
        self.stream_imports: StreamImports | None = None
        self.tracer: Tracer | None = None  # None: no message is traced
        self.trace_dest = b""  # of messages that carry a traceparent; empty: they are not traced
        self.trace_sampling = 100  # percent of those
        self.services: Services | None = None
        self.limits = Limits()
        self.clients: dict[int, Peer] = {}  # by cid, in the order in which they came
        self.leafs: dict[int, Peer] = {}  # the same of leaf links, dialed or accepted
        self.inboxes: dict[bytes, Subscription] = {}  # by what begins them, see `asker`

    def join(self, peer: Peer) -> bool:
        """Count a client or a leaf link in, unless there are as many as may be."""
        there, most = self.clients, self.limits.max_connections
        if peer.is_leaf:
            there, most = self.leafs, self.limits.max_leafnodes
        if peer.cid not in there and 0 <= most <= len(there):
            return False
        there[peer.cid] = peer
        return True

    def leave(self, peer: Peer) -> None:
        """Count one out; who is not in changes nothing."""
        (self.leafs if peer.is_leaf else self.clients).pop(peer.cid, None)

    def surplus(self) -> list[Peer]:
        """Return the newest clients that are too many."""
        most = self.limits.max_connections
        return list(self.clients.values())[most:] if most >= 0 else []

    def surplus_leafs(self) -> list[Peer]:
        """Return the newest leaf links that are too many."""
        most = self.limits.max_leafnodes
        return list(self.leafs.values())[most:] if most >= 0 else []

    def subscribe(
        self,
        subject: bytes,
        handler: Callable[[Delivery], None],
        *,
        queue: bytes = b"",
        is_private: bool = False,
        is_service: bool = False,
    ) -> Subscription:
        """Subscribe for the server itself; `handler` runs on the publisher's turn of the loop.

        `is_private`: only what is published here is wanted, so no leaf link is told of it. What one
        brings all the same is held back, and no stream import brings anything.
        `is_service`: what comes are requests, which no stream import brings.
        """
        sub = Subscription(self.system, subject, queue=queue, handler=handler)
        sub.is_private, sub.is_service = is_private, is_service
        self.insert(sub)
        return sub

    def unsubscribe(self, sub: Subscription) -> None:
        """End a subscription made with `subscribe`; ending it twice does nothing."""
        self.remove(sub)

    def asker(self, subject: bytes) -> Subscription | None:
        """Return by what the server itself asked for an answer there. It may be larger than a
        payload, since a message that is asked for comes in base64; then it is for nobody else.
        """
        return next((sub for start, sub in self.inboxes.items() if subject.startswith(start)), None)

    def insert(self, sub: Subscription) -> None:
        """Add a subscription of any peer. The server's own are numbered, for monitoring."""
        self._enter(sub)
        if self.stream_imports is not None:
            self.stream_imports.follow(sub)

    def inserting(self, sub: Subscription) -> Iterator[None]:
        """Do the same in steps, the last of which has it get all that the account imports, too."""
        self._enter(sub)
        self.system.outbox.work_left -= max(DROP_WORK, TOKEN_WORK * sub.subject.count(b"."))
        yield
        if self.stream_imports is not None:
            yield from self.stream_imports.following(sub)

    def _enter(self, sub: Subscription) -> None:
        if sub.peer is self.system and not sub.sid:
            self._last_sid += 1
            sub.sid = b"%d" % self._last_sid
        self.sublist.insert(sub)
        if sub.asleep:
            self._unheard.add(sub)
        elif sub.is_private:
            pass
        elif not sub.peer.is_leaf:
            self._change_interest((sub.subject, sub.queue), 1)
        else:
            self._change_leaf_interest(sub, _members(sub))

    def remove(self, sub: Subscription) -> None:
        """Take a subscription out; taking it out twice does nothing."""
        if not sub.closed:
            sub.closed = True
            self.take_out(sub)

    def remove_all(self, subs: Sequence[Subscription]) -> None:
        """Take several out. None gets anything from now on; of many the rest is done in turns."""
        if subs:
            for sub in subs:
                sub.closed = True
            self.spoil()
            in_turns(self.system.outbox, self._taking_out([*reversed(subs)]))

    def replace(self, subs: Sequence[Subscription], fresh: Sequence[Subscription]) -> None:
        """Wake what was inserted asleep in the place of others: from now on those get what comes,
        and these nothing. The interest of many changes in turns, and is there throughout.
        """
        for sub in fresh:
            sub.asleep = False
        for sub in subs:
            sub.closed = True
        self.spoil()
        steps = chain(self._heard(fresh), self._taking_out([*reversed(subs)]))
        in_turns(self.system.outbox, steps)

    def _heard(self, subs: Sequence[Subscription]) -> Iterator[None]:
        for sub in subs:
            self.system.outbox.work_left -= OVERLAP_WORK
            if sub in self._unheard:
                self._unheard.remove(sub)
                self._change_interest((sub.subject, sub.queue), 1)
            yield

    def _taking_out(self, subs: list[Subscription]) -> Iterator[None]:
        while subs:  # each is freed in its step: thousands take a moment, too
            sub = subs.pop()
            work = max(DROP_WORK, TOKEN_WORK * sub.subject.count(b"."))
            self.system.outbox.work_left -= work
            self.take_out(sub)
            yield

    def take_out(self, sub: Subscription) -> None:
        """Take out a subscription that is closed and still here."""
        removed = self.sublist.remove(sub)
        assert removed, "what was not taken out is in the sublist"
        if sub in self._unheard:
            self._unheard.remove(sub)
        elif sub.is_private:
            pass
        elif not sub.peer.is_leaf:
            self._change_interest((sub.subject, sub.queue), -1)
        else:
            self._change_leaf_interest(sub, -_members(sub))
        if self.stream_imports is not None:
            self.stream_imports.forget(sub)
        if self.services is not None:
            self.services.awaited.interest_lost(sub.subject)

    def spoil(self) -> None:
        """Decide anew where messages go, those of imports too, whoever holds what was decided.

        For a peer that closes, or may not do any more what it might.
        """
        self.sublist.spoil(b">")
        if self.stream_imports is not None:
            self.stream_imports.spoil()

    def map_subjects(self, mappings: Mappings | None) -> None:
        """Route what is published from now on by these mappings.

        What they map counts as interest, from one of the next turns on: leaf links are to bring it.
        """
        before, self.mappings = self.mappings, mappings
        self.sublist.spoil(b">")
        self._mapped.follow(mappings, before)

    def _map_interest(self, source: bytes, by: int) -> None:
        self._change_interest((source, b""), by)

    def reweigh(self, sub: Subscription, weight: int) -> None:
        """Let a leaf's queue subscription stand for so many members from now on."""
        by, sub.weight = weight - sub.weight, weight
        if by:
            self._change_leaf_interest(sub, by)

    def wanted_by_others(self, key: tuple[bytes, bytes], to: LeafSide) -> int:
        """Return how many members a leaf link with this side is told of for a key."""
        return self.local_interest.get(key, 0) + self.leaf_interest.count(key, to)

    def wanted(self) -> list[tuple[bytes, bytes]]:
        """Return every key that anybody wants now; what is wanted here and on leafs comes twice."""
        return [*self.local_interest, *self.leaf_interest]

    def _change_leaf_interest(self, sub: Subscription, by: int) -> None:
        key, side = (sub.subject, sub.queue), sub.peer.leaf
        self.leaf_interest.add(key, side, by)
        self._notify(key)
        self._tell([link for link in self.links if link.peer.leaf.origin != side.origin], key)

    def _change_interest(self, key: tuple[bytes, bytes], by: int) -> None:
        count = self.local_interest.get(key, 0) + by
        if count:
            self.local_interest[key] = count
        else:
            del self.local_interest[key]
        if self.watchers:
            self._notify(key)
        if self.links:
            self._tell(self.links, key)

    def listens(self, subject: bytes, queue: bytes = b"") -> bool:
        """Say whether somebody subscribed to just this, here or on a leaf.

        A wildcard is no answer: the inbox of all of a client's requests matches subjects that it
        is about to subscribe to. As nats-server's RegisterNotification (server/sublist.go).
        """
        key = (subject, queue)
        return key in self.local_interest or key in self.leaf_interest

    def watch(self, subject: bytes, watcher: InterestWatcher, *, queue: bytes = b"") -> None:
        """Call `watcher` whenever what `listens` says of this may have changed."""
        self.watchers.setdefault((subject, queue), []).append(watcher)

    def unwatch(self, subject: bytes, watcher: InterestWatcher, *, queue: bytes = b"") -> None:
        """End it; who does not watch changes nothing."""
        key = (subject, queue)
        there = [one for one in self.watchers.get(key, ()) if one is not watcher]
        if there:
            self.watchers[key] = there
        else:
            self.watchers.pop(key, None)

    def _notify(self, key: tuple[bytes, bytes]) -> None:
        for watcher in self.watchers.get(key, ()):
            watcher.interest_changed()

    def _tell(self, links: list[LinkWatcher], key: tuple[bytes, bytes]) -> None:
        work = LINK_WORK + (len(key[0]) + len(key[1])) // LINK_BYTES_A_WORK
        self.system.outbox.work_left -= work * len(links)
        for link in links:
            link.interest_changed(*key)

    def has_interest(self, subject: bytes, peer: Peer | None = None) -> bool:
        """Say whether a message of the server on this literal subject would reach anybody, or one:
        `peer`.

        Where that is not soon said it may.
        """
        match = self.sublist.find_inbox(subject)
        if match.is_wide:
            return True
        groups = (sub for group in match.groups for sub in group.members)
        subs = (sub for sub in (*match.plain, *groups) if peer is None or sub.peer is peer)
        return any(may_deliver(sub, subject, self.system) for sub in subs)

    def is_sole(self, sub: Subscription | None, subject: bytes, origin: Peer) -> bool:
        """Say whether a message of `origin` on this literal subject reaches nobody else than `sub`.

        Where that is not soon said it reaches others.
        """
        match = self.sublist.find_inbox(subject)
        if match.is_wide or match.groups:
            return False
        others = [one for one in match.plain if one is not sub]
        return not any(may_deliver(one, subject, origin) for one in others)

    def is_wide(self, subject: bytes) -> bool:
        """Say whether a message on this literal subject goes to very many, in turns of its own."""
        return self.sublist.find_inbox(subject).is_wide

    def takes_news(self, subject: bytes) -> bool:
        """Say whether what the server tells of itself may go there; what may not is counted.

        It may not where very many listen, and enough waits for such already.
        """
        if not self.backlog.is_full or not self.is_wide(subject):
            return True
        self.backlog.dropped += 1
        return False

    def find_links(self, subject: bytes, then: Callable[[frozenset[int]], None]) -> None:
        """Tell the cids of the leaf links that asked for a literal subject by its first word.

        That is whoever serves it, without those who hear everything. Now, or later where very many
        match.
        """
        steps = self._finding_links(subject, then)
        if self.is_wide(subject):
            self.backlog.take(steps)
        else:
            for _ in steps:
                pass

    def _finding_links(
        self, subject: bytes, then: Callable[[frozenset[int]], None]
    ) -> Iterator[None]:
        word, found, outbox = subject.partition(b".")[0], set[int](), self.system.outbox
        for subs in self.sublist.walk(subject):
            outbox.work_left -= WALK_WORK if subs else WALK_WORK * PAUSE_NODES
            yield
            for sub in list(subs):
                outbox.work_left -= FOUND_WORK
                if sub.peer.is_leaf and sub.subject.partition(b".")[0] == word:
                    found.add(sub.peer.cid)
                yield
        then(frozenset(found))

    def publish(
        self,
        subject: bytes,
        body: bytes = b"",
        *,
        header_size: int = 0,
        reply: bytes = b"",
        origin: Peer | None = None,
        in_order: bool = False,
        passed: tuple[Passed, ...] = (),
    ) -> int:
        """Route one message as if `origin` (default: the server itself) had published it.

        Returns how many received it. No 503 is sent: 0 tells the caller that there was no
        responder. `in_order`: it overtakes nothing that the server is sending to very many.
        `passed`: what it came through until here, so that it goes in no circle.
        """
        message = Message(subject, reply, header_size, body, passed=passed)
        sender = self.system if origin is None else origin
        return deliver(self, sender, message, once=subject.startswith(_INBOX), in_order=in_order)

    def answer(
        self,
        reply: bytes,
        body: bytes,
        *,
        header_size: int = 0,
        further: bytes = b"",
        announced: bool = False,
    ) -> int:
        """Send an answer of the server itself (`announced`: see there) to the reply of a request,
        `further` being its own; return how many got it. Nothing takes it for a request.
        """
        if is_of_the_api(reply):
            return 0
        message = Message(reply, further, header_size, body, announced=announced)
        return deliver(self, self.answering, message, once=reply.startswith(_INBOX))

    def announce(self, subject: bytes, body: bytes = b"", *, header_size: int = 0) -> None:
        """Publish what nats-server sends through its queue of events.

        Clients get it with an empty reply: `MSG subject sid  size`, with two blanks (measured).
        """
        message = Message(subject, b"", header_size, body, announced=True)
        deliver(self, self.system, message, once=subject.startswith(_INBOX))

    def publish_acks(self, subjects: Sequence[bytes], body: bytes) -> None:
        """Route acknowledgements of the server itself, in order, those of one consumer at once."""
        publish_acks(self, subjects, body)

    def publish_replies(self, replies: list[tuple[bytes, bytes]]) -> None:
        """Route many (subject, body) messages of the server to inboxes, in order."""
        publish_replies(self, replies)

    def deliver(
        self,
        deliver_subject: bytes,
        messages: list[tuple[bytes, bytes, int, bytes]],
        *,
        origin: Peer | None = None,
        queues: frozenset[bytes] | None = None,
    ) -> int:
        """Send (message subject, reply, header size, body) to whoever subscribed to
        `deliver_subject`; of queue groups to these, or to all.

        Clients see the message's own subject, on whichever account's subscription it arrives; a
        leaf gets both. Returns the receivers of the last message. `origin`: a leaf that brings it,
        or `answering`; default: a stream, and none gets what it holds as a request of the server's.
        """
        if deliver_subject == LOGIN_REQUESTS or is_of_the_api(deliver_subject):
            return 0
        sender = self.of_streams if origin is None else origin
        match = self.sublist.find_inbox(deliver_subject)
        if sender.kind is Kind.SYSTEM and deliver_to_client(self, deliver_subject, match, messages):
            return 1
        handouts = [
            Handout(self, sender, held(message, deliver_subject, queues)) for message in messages
        ]
        if match.is_wide:
            steps = hand_out(self, deliver_subject, handouts, sender.outbox)
            send_aside(self, sender, steps, [body for _, _, _, body in messages])
            return 1
        return [handout.to_all(match) for handout in handouts][-1]


def _members(sub: Subscription) -> int:
    """Return how many a leaf's subscription counts for, for other leafs.

    A shadow counts once: its source may weigh differently when it goes.
    """
    return sub.weight if sub.shadow is None else 1


def _raise(_: bytes, err: Exception) -> None:
    raise err
