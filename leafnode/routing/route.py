"""Who gets a message: routes for runs of messages, and the general way for one.  HOT

Knows peers, subscriptions and the bytes of MSG, HMSG and LMSG; not sockets, JSON or JetStream.
Truth: nats-server server/client.go processMsgResults; docs/hot-path.md has the shape and the
numbers.

Everything after the subject of "PUB subject [reply] size CRLF payload CRLF" is copied unchanged
behind "MSG subject sid ": that is the tail. A run of messages of one route costs one join per
target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.routing.groups import pick
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import is_reserved, may_deliver
from leafnode.routing.subscription import Delivery
from leafnode.routing.tracing import any_asks, asks

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.sublist import Group, Match
    from leafnode.routing.subscription import Subscription
    from leafnode.routing.tracing import Trace

# Larger payloads stay shared between targets instead of being copied into one buffer for each.
SHARED_TAIL_BYTES: Final = 2048


class Message(NamedTuple):
    """One message on its way. `queues` is set for one from a leaf link: the groups it names.

    `passed` holds the services of other accounts that it came through, so that none comes twice.
    """

    subject: bytes
    reply: bytes
    header_size: int
    body: bytes  # header block and payload
    queues: tuple[bytes, ...] | None = None
    passed: tuple[object, ...] = ()
    trace: Trace | None = None


class Target:
    """One subscription of a connection, with the start of its message line ready."""

    __slots__ = ("peer", "prefix", "sub")

    def __init__(self, sub: Subscription, subject: bytes, *, with_header: bool) -> None:
        if sub.shadow is not None:
            subject = sub.shadow.show(subject)
            sub = sub.shadow.source
        self.sub = sub
        self.peer = sub.peer
        if self.peer.kind is Kind.LEAF:
            verb = b"HMSG" if with_header else b"LMSG"
            self.prefix = b"%b %b " % (verb, subject)
        else:
            verb = b"HMSG" if with_header else b"MSG"
            self.prefix = b"%b %b %b " % (verb, subject, sub.sid)


class Route:
    """What one subject published by one peer leads to, decided once and used for many messages.

    `general` sends each message through `deliver` instead: it was denied, needs an answer to the
    publisher, a header cut off, or a choice among leaf links.
    """

    __slots__ = (
        "general",
        "groups",
        "handlers",
        "internal",
        "match",
        "published",
        "subject",
        "targets",
        "wire",
        "with_header",
    )

    def __init__(self, subject: bytes, match: Match, *, with_header: bool) -> None:
        self.subject = subject
        self.published = subject  # differs where a mapping holds
        self.match = match
        self.with_header = with_header
        self.targets: list[Target] = []
        self.groups: list[tuple[Group, list[Target]]] = []
        self.handlers: list[Subscription] = []
        self.general = False
        self.wire = False  # the run's tails are needed
        self.internal = False  # the run's messages are needed


class Run:
    """Messages in a row with the same route, on their way through a lane.

    `tails` starts with b"" so that a join puts the prefix before each tail. `messages` holds the
    same messages for internal subscriptions, and is empty where there are none.
    """

    __slots__ = ("messages", "payload_bytes", "route", "tails")

    def __init__(self) -> None:
        self.route: Route | None = None
        self.tails: list[bytes] = [b""]
        self.messages: list[tuple[bytes, int, bytes]] = []
        self.payload_bytes = 0


def build(account: Account, origin: Peer, subject: bytes, *, with_header: bool) -> Route:
    """Decide where messages of `origin` on `subject` go, as long as no subscription changes."""
    mappings = account.mappings
    if mappings is None:
        return _build(account, origin, subject, with_header=with_header)
    mapped = mappings.always(subject)
    route = _build(account, origin, mapped or subject, with_header=with_header)
    route.published = subject
    # From a leaf link more than the subject depends on the mapping: see publish.
    if mapped is None or (mapped != subject and origin.kind is Kind.LEAF):
        route.general = True
    return route


def _build(account: Account, origin: Peer, subject: bytes, *, with_header: bool) -> Route:
    match = account.sublist.match(subject)
    route = Route(subject, match, with_header=with_header)
    denied = origin.permissions is not None and not origin.permissions.may_publish(subject)
    if denied or (origin.kind is Kind.CLIENT and is_reserved(subject)):
        route.general = True
        return route
    route.general = origin.verbose or origin.pedantic
    if match.plain or match.groups:
        _build_targets(route, origin)
    if with_header and not all(target.peer.headers for target in _all_targets(route)):
        route.general = True
    if any(target.peer.open_replies is not None for target in _all_targets(route)):
        route.general = True  # each message's reply is to be noted
    route.wire = bool(route.targets or route.groups)
    members = [target for _, targets in route.groups for target in targets]
    route.internal = bool(route.handlers) or any(t.sub.handler is not None for t in members)
    if not (route.wire or route.internal) and origin.no_responders:
        route.general = True
    route.wire = route.wire or with_header  # it may ask for a trace even of what nobody gets
    return route


def _build_targets(route: Route, origin: Peer) -> None:
    subject, with_header = route.subject, route.with_header
    leafs: set[int] = set()
    for sub in route.match.plain:
        if sub.relay is not None:  # whether somebody receives it shows only message by message
            route.general = True
            return
        if not may_deliver(sub, subject, origin):
            continue
        if sub.handler is not None:
            route.handlers.append(sub)
        elif sub.peer.kind is not Kind.LEAF:
            route.targets.append(Target(sub, subject, with_header=with_header))
        elif sub.peer.cid not in leafs:  # one message for each link, however many patterns match
            leafs.add(sub.peer.cid)
            route.targets.append(Target(sub, subject, with_header=with_header))
    if origin.kind is not Kind.LEAF:  # a message from a leaf names its groups itself
        _build_groups(route, origin)


def _build_groups(route: Route, origin: Peer) -> None:
    for group in route.match.groups:
        members = [sub for sub in group.members if may_deliver(sub, route.subject, origin)]
        local = [sub for sub in members if sub.peer.kind is not Kind.LEAF]
        if local:
            targets = [Target(sub, route.subject, with_header=route.with_header) for sub in local]
            route.groups.append((group, targets))
        elif members:
            route.general = True


def _all_targets(route: Route) -> list[Target]:
    return route.targets + [target for _, targets in route.groups for target in targets]


def emit(account: Account, origin: Peer, run: Run) -> None:
    """Deliver a run, if there is one, and empty it."""
    route = run.route
    if route is None:
        return
    run.route = None
    tails = run.tails
    if route.with_header and any_asks(account, tails):
        from leafnode.routing.publish import publish_tails

        publish_tails(origin, route.published, run)
        return
    try:
        count = len(tails) - 1
        if count and route.targets:
            for target in route.targets:
                if target.sub.max_msgs:
                    _emit_limited(account, target, tails[1:])
                else:
                    _emit_plain(account, target, tails, run.payload_bytes)
        if count and route.groups:
            for group, targets in route.groups:
                _emit_group(account, origin, group, targets, run)
        if run.messages:
            for sub in route.handlers:
                call(account, sub, Delivery(route.subject, run.messages, origin))
    finally:
        del tails[1:]
        if run.messages:
            run.messages = []  # a new list: a handler may have kept the other


def _emit_plain(account: Account, target: Target, tails: list[bytes], payload: int) -> None:
    """Write these messages, all of them, and count them."""
    count = len(tails) - 1
    peer = target.peer
    prefix = target.prefix
    if payload < count * SHARED_TAIL_BYTES:
        chunk = prefix.join(tails)
        peer.out.append(chunk)
        peer.pending_bytes += len(chunk)
    else:
        for tail in tails[1:]:
            peer.out += (prefix, tail)
        peer.pending_bytes += sum(map(len, tails)) + count * len(prefix)
    target.sub.delivered += count
    traffic = peer.traffic
    traffic.out_msgs += count
    traffic.out_bytes += payload
    traffic = account.traffic
    traffic.out_msgs += count
    traffic.out_bytes += payload
    if not peer.dirty:
        peer.outbox.mark(peer)


def _emit_group(
    account: Account, origin: Peer, group: Group, targets: list[Target], run: Run
) -> None:
    """Give each message of the run to one member, in turn."""
    tails = run.tails
    members = len(targets)
    turn = group.turn
    group.turn += len(tails) - 1
    if any(target.sub.max_msgs or target.sub.closed for target in targets):
        _emit_in_turn(account, origin, targets, run, turn)
        return
    for index, target in enumerate(targets):
        first = (index - turn - 1) % members  # of the run, counted from 0
        share = [b"", *tails[1 + first :: members]]
        count = len(share) - 1
        if target.sub.handler is not None and count:
            messages = run.messages[first::members]
            call(account, target.sub, Delivery(_subject_of(target), messages, origin))
        elif count:
            _emit_plain(account, target, share, sum(map(_payload_size, share[1:])))


def _emit_in_turn(
    account: Account, origin: Peer, targets: list[Target], run: Run, turn: int
) -> None:
    """Give message by message: a member may reach its UNSUB limit, then the others take over."""
    for index, tail in enumerate(run.tails[1:]):
        open_targets = [target for target in targets if not target.sub.closed]
        if not open_targets:
            return
        target = open_targets[(turn + 1 + index) % len(open_targets)]
        if target.sub.handler is not None:
            one = [run.messages[index]]
            call(account, target.sub, Delivery(_subject_of(target), one, origin))
        else:
            _write(account, target, tail)


def _payload_size(tail: bytes) -> int:
    return len(tail) - tail.index(b"\n") - 3  # the line with its size, the payload, CR LF


def call(account: Account, sub: Subscription, delivery: Delivery) -> None:
    """Give a run to a part of the server.

    Its fault is its own: neither the publisher's connection nor the others who get the run pay for
    it. The account's owner counts and logs it.
    """
    if sub.shadow is not None:
        delivery = delivery._replace(subject=sub.shadow.show(delivery.subject))
        sub = sub.shadow.source
    assert sub.handler is not None
    sub.delivered += len(delivery.messages)
    try:
        sub.handler(delivery)
    except Exception as err:  # noqa: BLE001 -- boundary: background job, told to the owner
        account.on_fault(sub.subject, err)


def _subject_of(target: Target) -> bytes:
    return target.prefix.split(b" ", 2)[1]


def _emit_limited(account: Account, target: Target, tails: list[bytes]) -> None:
    """Deliver no more of these messages than an UNSUB limit leaves."""
    for tail in tails:
        if target.sub.closed:
            return
        _write(account, target, tail)


def _write(account: Account, target: Target, tail: bytes) -> None:
    peer = target.peer
    peer.out += (target.prefix, tail)
    peer.pending_bytes += len(target.prefix) + len(tail)
    peer.outbox.mark(peer)
    _count(account, target.sub, _payload_size(tail))


def emit_once(
    account: Account,
    origin: Peer,
    subject: bytes,
    found: tuple[list[Subscription], list[Group]],
    message: tuple[bytes, bytes, int, int],
) -> bool:
    """Deliver one message whose subject was not seen lately, without building a route for it.

    `found` is what the sublist says of the subject, `message` its tail, reply, header size and
    size; the origin may publish it. False: the general way is needed, nothing was delivered.
    """
    subs, groups = found
    tail, reply, header_size, size = message
    if header_size and asks(account, tail):
        return False
    if groups and origin.kind is not Kind.LEAF:  # a message from a leaf names its groups itself
        if any(sub.peer.kind is Kind.LEAF for group in groups for sub in group.members):
            return False
        picks = [pick(group, origin, subject) for group in groups]
        subs += [sub for sub in picks if sub is not None]
    for sub in subs:
        if sub.shadow is not None or sub.relay is not None or sub.peer.open_replies is not None:
            return False
        if header_size and not sub.peer.headers:
            return False
    received = 0
    links: list[int] = []
    for sub in subs:
        if not may_deliver(sub, subject, origin):
            continue
        peer = sub.peer
        received += 1
        if sub.handler is not None:
            body = tail[len(tail) - size - 2 : -2]
            call(account, sub, Delivery(subject, [(reply, header_size, body)], origin))
            continue
        if peer.kind is not Kind.LEAF:
            start = b"HMSG %b %b " if header_size else b"MSG %b %b "
            prefix = start % (subject, sub.sid)
        elif peer.cid not in links:  # one message for each link, however many patterns match
            links.append(peer.cid)
            prefix = (b"HMSG %b " if header_size else b"LMSG %b ") % subject
        else:
            continue
        peer.out += (prefix, tail)
        peer.pending_bytes += len(prefix) + len(tail)
        if not peer.dirty:
            peer.outbox.mark(peer)
        _count(account, sub, size)
    return received > 0 or not (reply and origin.no_responders)


def _count(account: Account, sub: Subscription, size: int) -> None:
    """Book one delivery, and end a subscription that reached its UNSUB limit."""
    sub.delivered += 1
    traffic = sub.peer.traffic
    traffic.out_msgs += 1
    traffic.out_bytes += size
    traffic = account.traffic
    traffic.out_msgs += 1
    traffic.out_bytes += size
    if sub.max_msgs and sub.delivered >= sub.max_msgs:
        assert sub.peer.account is not None, "it subscribed in an account"
        sub.peer.account.remove(sub)
        sub.peer.subs.pop(sub.sid, None)


def deliver(account: Account, origin: Peer, message: Message, *, once: bool = False) -> int:
    """Route one message the general way and return how many received it; 0 means no responders.

    `once` says that the subject is not expected again (a reply inbox): caches are left alone. The
    caller has judged whether the origin may publish it.
    """
    subject = message.subject
    match = account.sublist.find(subject) if once else account.sublist.match(subject)
    received = 0
    leafs: dict[int, tuple[Subscription, list[bytes]]] = {}
    for sub in match.plain:
        if not may_deliver(sub, subject, origin):
            if message.trace is not None:
                message.trace.is_held_back(sub, origin)
            continue
        if _is_exported_again(sub, message):
            continue
        if sub.peer.kind is Kind.LEAF:
            leafs.setdefault(sub.peer.cid, (sub, []))
        else:
            received += hand_over(account, origin, sub, message)
    for group in match.groups:
        if message.queues is not None and group.queue not in message.queues:
            continue
        picked = pick(group, origin, subject)
        if picked is None or _is_exported_again(picked, message):
            continue
        if picked.peer.kind is Kind.LEAF:
            leafs.setdefault(picked.peer.cid, (picked, []))[1].append(group.queue)
        else:
            received += hand_over(account, origin, picked, message)
    for sub, queues in leafs.values():
        send_to_leaf(account, sub, message, queues)
        received += 1
    return received


def _is_exported_again(sub: Subscription, message: Message) -> bool:
    """What came through a service import goes no further through a stream import."""
    return sub.shadow is not None and bool(message.passed)


def hand_over(account: Account, origin: Peer, sub: Subscription, message: Message) -> int:
    """Give one message to a local subscription; return how many received it.

    The header is cut off for a client without headers.
    """
    if sub.relay is not None:
        return sub.relay.forward(origin, message)
    shadow, trace = sub.shadow, message.trace
    if shadow is not None:
        message = message._replace(subject=shadow.show(message.subject))
        if trace is not None:
            is_followed = trace.is_exported(sub, message.subject)
            if trace.only and not is_followed:
                return 1
            trace = trace if is_followed else None
        sub = shadow.source
    if sub.handler is not None:
        one = (message.reply, message.header_size, message.body)
        call(account, sub, Delivery(message.subject, [one], origin, trace))
        return 1
    if trace is not None:
        trace.goes_to(sub)
        if trace.only:
            return 1
    line = b"%b %b " % (message.subject, sub.sid)
    _send(account, sub, b"MSG ", line, message, message.reply)
    return 1


def send_to_leaf(
    account: Account, sub: Subscription, message: Message, queues: list[bytes]
) -> None:
    """Put one message on a leaf link, naming the queue groups it is for (leaf protocol 2.1)."""
    if sub.shadow is not None:
        message = message._replace(subject=sub.shadow.show(message.subject))
        sub = sub.shadow.source
    if message.trace is not None:
        message = message.trace.sent_on(sub, message)
    middle = message.reply
    if queues:
        names = b" ".join(queues)
        middle = b"+ %b %b" % (message.reply, names) if message.reply else b"| " + names
    _send(account, sub, b"LMSG ", message.subject + b" ", message, middle)


def note_reply(peer: Peer, reply: bytes) -> None:
    """Let a peer answer what it was just sent, where its permissions say so and no more is
    needed.
    """
    if reply and peer.open_replies is not None:
        assert peer.permissions is not None, "open replies come from permissions"
        if not peer.permissions.may_publish(reply):
            peer.open_replies.add(reply)


def _send(
    account: Account, sub: Subscription, verb: bytes, start: bytes, message: Message, middle: bytes
) -> None:
    body = message.body
    if middle:
        middle += b" "
    if message.header_size and sub.peer.headers:
        sizes = b"%d %d" % (message.header_size, len(body))
        data = b"HMSG %b%b%b\r\n%b\r\n" % (start, middle, sizes, body)
    else:
        payload = body[message.header_size :] if message.header_size else body
        data = b"%b%b%b%d\r\n%b\r\n" % (verb, start, middle, len(payload), payload)
    sub.peer.send(data)
    note_reply(sub.peer, message.reply)
    _count(account, sub, len(body))
