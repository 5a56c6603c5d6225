"""One message the general way: judged and written for one receiver after the other.

Knows what `route` knows, and that what goes to very many takes several turns; not how lines are
read. Truth: nats-server server/client.go processMsgResults, processMsgResults for leafs.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from leafnode.limits import (
    DELIVERY_WORK,
    FOUND_WORK,
    GROUP_WORK,
    HEADER_TURN_BYTES,
    MEMBER_WORK,
    TURN_WORK,
    WALK_WORK,
    WORK_BYTES,
)
from leafnode.routing import parked
from leafnode.routing.answers import is_inbox
from leafnode.routing.gateway_replies import (
    ALL_WRAPPED,
    WRAPPED,
    AwaitedElsewhere,
    Way,
    unrouted,
)
from leafnode.routing.groups import pick, receivers
from leafnode.routing.match import Group
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import is_listed, may_deliver, may_show
from leafnode.routing.request_header import renamed
from leafnode.routing.route import call, count_out
from leafnode.routing.subscription import Delivery
from leafnode.routing.trie import PAUSE_NODES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from leafnode.routing.account import Account
    from leafnode.routing.groups import Verdicts
    from leafnode.routing.match import Match
    from leafnode.routing.peer import LeafSide, Outbox, Peer
    from leafnode.routing.route import Message
    from leafnode.routing.subscription import Subscription


_SUBS_A_STEP: Final = 256


class Handout:
    """One message on its way: it is told who is found, and gives it to who may receive it.

    A leaf link gets it at the end, once, with the groups that it is for.
    """

    __slots__ = ("_account", "_message", "_origin", "_ready", "links", "received")

    def __init__(self, account: Account, origin: Peer, message: Message) -> None:
        self._account = account
        self._origin = origin
        self._message = message
        self._ready: Message | None = None  # as it is received, once somebody does
        self.links: dict[int, tuple[Subscription, list[bytes]]] = {}
        self.received = 0

    def to_plain(self, sub: Subscription) -> None:
        """One without a group matches."""
        message, origin = self._message, self._origin
        if not may_deliver(sub, message.subject, origin):
            if message.trace is not None:
                message.trace.is_held_back(sub, origin)
        elif sub.shadow is not None and message.passed:
            pass  # what came through a service import goes no further through a stream import
        elif sub.peer.is_leaf:
            self.links.setdefault(sub.peer.cid, (sub, []))
        else:
            self.received += self._hand_over(sub)

    def to_group(self, group: Group) -> None:
        """A group matches: one of its members gets it."""
        message = self._message
        if message.queues is not None and group.queue not in message.queues:
            return
        picked = pick(group, self._origin, message.subject, of_service=bool(message.passed))
        if picked is None:
            return
        if picked.peer.is_leaf:
            self.links.setdefault(picked.peer.cid, (picked, []))[1].append(group.queue)
        else:
            self.received += self._hand_over(picked)

    def _hand_over(self, sub: Subscription) -> int:
        if sub.relay is not None:
            sub.delivered += 1
            return sub.relay.forward(self._origin, self._message)
        hand_over(self._account, self._origin, sub, self._received())
        return 1

    def to_link(self, sub: Subscription, queues: list[bytes]) -> None:
        """Nobody else is found: send it to a leaf link."""
        message, requesting = self._received(), self._origin.account
        if message.passed and requesting is not None:
            message = renamed(message, requesting)
        send_to_leaf(self._account, sub, message, queues)
        self.received += 1

    def _received(self) -> Message:
        """Somebody gets it: return it as that one does."""
        message = self._ready
        if message is None:
            message = self._ready = self._message.ready
            if message.fate is not None:
                message.fate.is_received()
        return message

    def to_all(self, match: Match) -> int:
        """Give it to all that its subject leads to, which is not wide; return how many got it."""
        for sub in match.plain:
            self.to_plain(sub)
        for group in match.groups:
            self.to_group(group)
        for link, queues in self.links.values():
            self.to_link(link, queues)
        return self.received

    def to_each(self, match: Match) -> Iterator[None]:
        """Do the same, a step for each service import: behind each may be as many as one turn is
        for.
        """
        for sub in match.plain:
            self.to_plain(sub)
            if sub.relay is not None:
                yield
        for group in match.groups:
            self.to_group(group)
        for link, queues in self.links.values():
            self.to_link(link, queues)

    def receivers(self, members: list[Subscription], verdicts: Verdicts) -> list[Subscription]:
        """Return who of some members of a group it may be given to."""
        message = self._message
        if message.passed:  # see `to_plain`
            members = [sub for sub in members if sub.shadow is None]
        return receivers(members, self._origin, message.subject, verdicts)

    @property
    def work(self) -> int:
        """What each receiver costs."""
        return DELIVERY_WORK + len(self._message.body) // WORK_BYTES


def look_up(account: Account, subject: bytes, *, once: bool) -> Match:
    """Return who may get a message. `once`: its subject is not expected again (a reply inbox), and
    caches are left alone.
    """
    return account.sublist.find_inbox(subject) if once else account.sublist.match(subject)


def deliver(
    account: Account,
    origin: Peer,
    message: Message,
    *,
    once: bool = False,
    in_order: bool = False,
) -> int:
    """Route one message the general way and return how many received it; 0 means no responders.

    The caller has judged whether the origin may publish it. What is wide is delivered in turns of
    its own: that is 1, whoever gets it then. What another account's server sends overtakes nothing
    of that, and what this one's does where it is to be `in_order`.
    """
    match = look_up(account, message.subject, once=once)
    waits = account.backlog and (in_order or _is_of_another(account, origin))
    if match.is_wide or waits:
        steps = spread(account, origin, message)
        next(steps)  # it holds its trace before whoever calls lets go of it
        send_aside(account, origin, steps, (message.body,), _copied(message))
        return 1
    if _has_its_own_turn(origin, message):
        steps = spread(account, origin, message, match)
        next(steps)
        later = chain((None,), steps)
        send_aside(account, origin, later, (message.body,), _copied(message))
        return 1
    if is_relayed(account, match):
        received = _deliver_on(match, account, origin, message)
    else:
        received = deliver_to(match, account, origin, message)
    if account.backlog.is_full and origin.kind is not Kind.SYSTEM:
        parked.wait(origin, account.backlog)  # what it brings may have the server send more here
    return received


def is_relayed(account: Account, match: Match) -> bool:
    """Say whether it goes on to several accounts: what is behind each takes a turn, maybe."""
    if account.sublist.relays < 2 or len(match.plain) < 2:
        return False
    return len([sub for sub in match.plain if sub.relay is not None]) > 1


def _deliver_on(
    match: Match,
    account: Account,
    origin: Peer,
    message: Message,
) -> int:
    """Deliver what goes on to several accounts as far as this turn goes, and the rest aside: then
    that is 1, as of what is wide.
    """
    outbox = origin.outbox
    until = outbox.work_left - TURN_WORK if origin.kind is Kind.SYSTEM else 0
    steps = spread(account, origin, message, match)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            received: int = end.value
            return received
        if outbox.work_left <= until:
            later = chain((None,), steps)  # whoever begins with steps takes one
            send_aside(account, origin, later, (message.body,), _copied(message))
            return 1


def _copied(message: Message) -> int:
    """Return of how many bytes a copy is made once it is sent."""
    return len(message.body) if message.made is not None else 0


def _has_its_own_turn(origin: Peer, message: Message) -> bool:
    """Say whether what a connection sent through a service is too much for the rest of this turn:
    each import searches its header, and in the end it is written anew.
    """
    if message.header_size < HEADER_TURN_BYTES or not message.passed:
        return False
    return origin.kind is not Kind.SYSTEM and origin.outbox.work_left <= 0


def _is_of_another(account: Account, origin: Peer) -> bool:
    return origin.kind is Kind.SYSTEM and origin.account is not account


def send_aside(
    account: Account,
    origin: Peer,
    steps: Iterator[object],
    bodies: Sequence[bytes],
    copied: int = 0,
) -> None:
    """Take these steps, which send these bodies, as far as this turn goes and in others, and make
    a copy of so many bytes.

    A connection waits for those that it brought about; the server does not wait.
    """
    if origin.kind is not Kind.SYSTEM:
        parked.begin(origin, steps, bodies, copied)
        return
    account.backlog.add(steps, sum(map(len, bodies)))


def deliver_to(match: Match, account: Account, origin: Peer, message: Message) -> int:
    """Do what `deliver` does, to what its subject leads to; that is not wide."""
    handout = Handout(account, origin, message)
    origin.outbox.work_left -= handout.work * (len(match.plain) + len(match.groups))
    return handout.to_all(match)


def spread(
    account: Account,
    origin: Peer,
    message: Message,
    match: Match | None = None,
) -> Generator[None, None, int]:
    """Do what `deliver` does, in steps: return how many received it. The first one does nothing.
    `match` is what it leads to, where that is known.

    Between two of them anything may happen. Who was there all the time gets the message, once; who
    comes or goes meanwhile may, as if a reader of nats-server were at it at the same time.
    """
    trace, fate = message.trace, message.fate
    if trace is not None:
        trace.hold()
    if fate is not None:
        fate.hold()
    try:
        yield
        handout = Handout(account, origin, message)
        if match is None:
            yield from hand_out(account, message.subject, [handout], origin.outbox)
        else:
            outbox = origin.outbox
            outbox.work_left -= handout.work * (len(match.plain) + len(match.groups))
            yield from handout.to_each(match)
        return handout.received
    finally:
        if trace is not None:
            trace.release()
        if fate is not None:
            fate.release()


def hand_out(
    account: Account, subject: bytes, handouts: Sequence[Handout], outbox: Outbox
) -> Generator[None, None, None]:
    """Find who is to get messages, of one sender, and have each of these given to them, in steps.

    Of a queue group those are kept who may receive: among these the first that is asked may.
    """
    verdicts: Verdicts = {}
    works = [(handout, handout.work) for handout in handouts]
    groups: dict[bytes, list[Subscription]] = {}
    for subs in account.sublist.walk(subject):
        outbox.work_left -= WALK_WORK if subs else WALK_WORK * PAUSE_NODES
        yield
        there = list(subs)
        for first in range(0, len(there), _SUBS_A_STEP):
            some = there[first : first + _SUBS_A_STEP]
            members = [sub for sub in some if sub.queue]
            outbox.work_left -= MEMBER_WORK * len(members)
            for sub in handouts[0].receivers(members, verdicts):
                if sub.queue not in groups:
                    outbox.work_left -= GROUP_WORK
                    groups[sub.queue] = []
                groups[sub.queue].append(sub)
            yield
            for sub in some:
                if not sub.queue:
                    for handout, work in works:
                        outbox.work_left -= work
                        handout.to_plain(sub)
                        yield
    account.sublist.turn += 1
    turn = account.sublist.turn
    for queue, members in groups.items():
        group = Group(queue, members, turn)
        for handout, work in works:
            outbox.work_left -= work + GROUP_WORK
            handout.to_group(group)
            yield
    for handout, work in works:
        for link, queues in handout.links.values():
            outbox.work_left -= work
            handout.to_link(link, queues)
            yield


def hand_over(account: Account, origin: Peer, sub: Subscription, message: Message) -> None:
    """Give one message to a local subscription that is no relay.

    The header is cut off for a client without headers. What a stream holds is shown under its own
    subject, behind a stream import, too.
    """
    found, shadow, trace, subject = sub, sub.shadow, message.trace, message.subject
    if shadow is not None:
        subject = shadow.by.show(subject)
        if trace is not None:
            is_followed = trace.is_exported(sub, subject)
            if trace.only and not is_followed:
                return
            trace = trace if is_followed else None
        sub = shadow.source
    if message.shown:
        subject = message.shown
        if not may_show(sub, subject):
            return
    if sub.handler is not None:
        one = (message.reply, message.header_size, message.body)
        call(account, sub, Delivery(subject, [one], origin, trace, 0, message.passed))
        return
    if trace is not None:
        trace.goes_to(found)  # by the exporter's subject
        if trace.only:
            return
    if message.reply.startswith(WRAPPED):
        message = message._replace(reply=_shown_reply(sub.peer, origin, message.reply))
    line = (b"%b %b  " if message.announced else b"%b %b ") % (subject, sub.sid)
    _send(account, sub, b"MSG ", line, message, message.reply)


def send_to_leaf(
    account: Account, sub: Subscription, message: Message, queues: list[bytes]
) -> None:
    """Put one message on a leaf link, naming the queue groups it is for (leaf protocol 2.1).

    The subject of what a stream holds stands behind an `@` in its ack reply (leaf protocol 3.3).
    """
    if sub.shadow is not None:
        message = message._replace(subject=sub.shadow.by.show(message.subject))
        sub = sub.shadow.source
    if message.trace is not None:
        sent = message.trace.sent_on(sub, message)
        if sent is None:
            return
        message = sent
    middle = reply = message.reply
    if reply and message.shown:
        middle = reply = b"%b@%b" % (reply, message.shown)
    if queues:
        names = b" ".join(queues)
        middle = b"+ %b %b" % (reply, names) if reply else b"| " + names
    _send(account, sub, b"LMSG ", message.subject + b" ", message, middle)


def send_back(account: Account, origin: Peer, message: Message, side: LeafSide) -> None:
    """Send an answer to a request of another cluster by the links that lead there, to nobody else:
    to all hubs, as one may have gone since, or to the cluster below that asked.

    `account` is that of the link that brought the request: by a stream import it is not the one of
    `origin`, who answers. Source: nats-server 2.15.1 server/client.go handleGWReplyMap, which looks
    through the links of the whole server; it sends to hubs alone.
    """
    origin.outbox.work_left -= FOUND_WORK * len(account.leafs)
    for link in account.leafs.values():
        leads_there = link.leaf.is_hub if side.is_hub else link.leaf == side
        sub = link.subs.get(ALL_WRAPPED) if leads_there else None
        if sub is not None and may_deliver(sub, message.subject, origin):
            origin.outbox.work_left -= DELIVERY_WORK + len(message.body) // WORK_BYTES
            send_to_leaf(account, sub, message, [])


def _shown_reply(peer: Peer, origin: Peer, reply: bytes) -> bytes:
    """Return a wrapped reply as this client sees it, whose answer goes back by it from now on.

    What the client publishes is not diverted at the word of a link that has no gateways behind it,
    that may not hear the answer, or that is no hub and names no inbox: then it goes by interest.
    """
    shown = unrouted(reply)
    if shown == reply:
        return reply
    back = origin.subs.get(ALL_WRAPPED) if origin.is_leaf else None
    if back is None or not (origin.leaf.is_hub or is_inbox(shown)):
        return shown
    if may_deliver(back, reply, peer):
        assert origin.account is not None, "it brought a message"
        if peer.elsewhere is None:
            peer.elsewhere = AwaitedElsewhere()
        peer.elsewhere.add(Way(peer.outbox.now[0], reply, origin.account, origin.leaf))
    return shown


def note_reply(peer: Peer, reply: bytes) -> None:
    """Let a peer answer what it was just sent, where its permissions say so and no more is
    needed.
    """
    if reply and peer.open_replies is not None and not is_listed(peer, reply):
        peer.open_replies.add(reply)


def _send(
    account: Account, sub: Subscription, verb: bytes, start: bytes, message: Message, middle: bytes
) -> None:
    peer, body = sub.peer, message.body
    if peer.pending_bytes > peer.max_pending_bytes:
        return  # it is cut when this turn's bytes are written
    if middle:
        middle += b" "
    if message.header_size and peer.headers:
        sizes = message.sizes or b"%d %d" % (message.header_size, len(body))
        data = b"HMSG %b%b%b\r\n%b\r\n" % (start, middle, sizes, body)
    else:
        payload = body[message.header_size :] if message.header_size else body
        size = b"%d" % len(payload)
        if message.sizes and not message.header_size:
            size = message.sizes.rpartition(b" ")[2]
        data = b"%b%b%b%b\r\n%b\r\n" % (verb, start, middle, size, payload)
    peer.send(data)
    note_reply(peer, message.reply)
    count_out(account, sub, len(body))
