"""Who gets the messages of one subject: routes, decided once for many of them.  HOT

Knows peers, subscriptions and the bytes of MSG, HMSG and LMSG; not sockets, JSON or JetStream.
Truth: nats-server server/client.go processMsgResults; docs/hot-path.md has the shape and the
numbers.

`emit` writes what the routes made here lead to; `deliver` is the general way, for one message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafnode.limits import GROUP_TARGETS_MAX, ROUTE_WORK, TARGET_WORK, WORK_BYTES
from leafnode.protocol.subject import is_valid_literal
from leafnode.routing.answers import ACK_PREFIX
from leafnode.routing.message_line import start_of
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import is_listed, is_reserved, may_deliver

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.fate import Fate
    from leafnode.routing.match import Group, Match
    from leafnode.routing.peer import Peer
    from leafnode.routing.request_header import RequestHeader
    from leafnode.routing.service_export import Passed
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.routing.tracing import Trace


class Message(NamedTuple):
    """One message on its way. `queues` is set for one from a leaf link: the groups it names.

    `passed` holds the services of other accounts that it came through, so that none comes twice.
    `announced`: see `Account.announce`. `made` is what its header is still to be made into, before
    anybody reads it: however many imports it goes through, that is done once. `fate` is told of
    whoever gets it. `shown` is the subject of what a stream holds, which whoever gets it sees.
    """

    subject: bytes
    reply: bytes
    header_size: int
    body: bytes  # header block and payload
    queues: frozenset[bytes] | None = None
    passed: tuple[Passed, ...] = ()
    trace: Trace | None = None
    sizes: bytes = b""  # as the publisher spelled them, where that is unusual
    announced: bool = False
    made: RequestHeader | None = None
    fate: Fate | None = None
    shown: bytes = b""

    @property
    def is_answer(self) -> bool:
        """Say whether it answers a request to a service, or did on its way."""
        return any(one.is_answer for one in self.passed)

    @property
    def ready(self) -> Message:
        """The message as it is received."""
        if self.made is None:
            return self
        block = self.made.of(self.body[: self.header_size])
        body = block + self.body[self.header_size :]
        # Not by `_replace`, which takes four times as long: this is each request to a service.
        return Message(
            self.subject,
            self.reply,
            len(block),
            body,
            self.queues,
            self.passed,
            self.trace,
            self.sizes,
            self.announced,
            None,
            self.fate,
            self.shown,
        )


def held(
    message: tuple[bytes, bytes, int, bytes], subject: bytes, queues: frozenset[bytes] | None
) -> Message:
    """Return what a stream holds, or a status of its consumer, as it is sent to a subject.

    A status has no name but that: it is told by its reply, which acknowledges nothing.
    """
    own, reply, header_size, body = message
    shown = own if own != subject or reply.startswith(ACK_PREFIX) else b""
    return Message(subject, reply, header_size, body, queues, shown=shown)


class Target:
    """Subscriptions of connections whose message lines start alike, with that start ready.

    There is one at least: `first`.
    """

    __slots__ = ("first", "prefix", "subs")

    def __init__(self, sub: Subscription, prefix: bytes) -> None:
        self.first = sub
        self.subs = [sub]
        self.prefix = prefix


class Route:
    """What one subject published by one peer leads to, decided once and used for many messages.

    `general` sends each message through `deliver` instead: it was denied, needs an answer to the
    publisher, a header cut off, a choice among leaf links, or more than a turn.
    """

    __slots__ = (
        "general",
        "groups",
        "handlers",
        "internal",
        "line_work",
        "match",
        "members",
        "published",
        "receivers",
        "sole",
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
        self.receivers = 0  # of each message on the wire
        self.members = 0  # of its groups
        self.line_work = 0  # for the starts of all their lines, where these are long
        self.sole: Target | None = None  # all there is, where that is one subscription: see pairs


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
        route = _build(account, origin, subject, with_header=with_header)
        if route.receivers == 1 and not (route.general or route.groups or route.internal):
            target = route.targets[0]
            route.sole = target if len(target.prefix) < WORK_BYTES else None
        return route
    mapped = mappings.always(subject)
    route = _build(account, origin, mapped or subject, with_header=with_header)
    route.published = subject
    # From a leaf link more than the subject depends on the mapping: see publish.
    if mapped is None or (mapped != subject and origin.is_leaf):
        route.general = True
    return route


def _build(account: Account, origin: Peer, subject: bytes, *, with_header: bool) -> Route:
    match = account.sublist.match(subject)
    route = Route(subject, match, with_header=with_header)
    origin.outbox.work_left -= ROUTE_WORK
    if not is_listed(origin, subject) or (origin.kind is Kind.CLIENT and is_reserved(subject)):
        route.general = True
        return route
    route.general = origin.verbose or (origin.pedantic and not is_valid_literal(subject))
    if match.is_wide:
        route.general = True
        return route
    if match.plain or match.groups:
        _build_targets(route, origin)
    members = [target for _, targets in route.groups for target in targets]
    receivers = [sub for target in route.targets for sub in target.subs]
    for sub in (*receivers, *[target.first for target in members]):
        # Each message's reply is to be noted, or its header cut off.
        if sub.peer.open_replies is not None or (with_header and not sub.peer.headers):
            route.general = True
            break
    route.wire = bool(route.targets or route.groups)
    route.receivers = len(receivers) + len(route.groups)
    route.members = len(members)
    lines = sum([len(target.prefix) * len(target.subs) for target in route.targets])
    lines += sum([max([len(one.prefix) for one in targets]) for _, targets in route.groups])
    route.line_work = lines // WORK_BYTES
    route.internal = bool(route.handlers) or any(t.first.handler is not None for t in members)
    if not (route.wire or route.internal) and origin.no_responders:
        route.general = True
    route.wire = route.wire or with_header  # it may ask for a trace even of what nobody gets
    return route


def _build_targets(route: Route, origin: Peer) -> None:
    subject, plain = route.subject, route.match.plain
    origin.outbox.work_left -= TARGET_WORK * len(plain)
    leafs: set[int] = set()
    by_sid: dict[bytes, Target] = {}  # of clients, who see the subject as it is
    kept = 0
    for sub in plain:
        if sub.relay is not None:  # whether somebody receives it shows only message by message
            route.general = True
            return
        if not may_deliver(sub, subject, origin):
            continue
        if sub.handler is not None:
            route.handlers.append(sub)
        elif sub.peer.is_leaf:
            if sub.peer.cid not in leafs:  # one message for each link, however many patterns match
                leafs.add(sub.peer.cid)
                route.targets.append(_target(route, sub))
        elif sub.shadow is not None:
            route.targets.append(_target(route, sub))
        else:
            kept += 1
            target = by_sid.get(sub.sid)
            if target is None:
                by_sid[sub.sid] = target = _target(route, sub)
                route.targets.append(target)
            else:
                target.subs.append(sub)
    if kept == len(plain) and len(by_sid) == 1:
        route.targets[0].subs = plain  # which other subjects may share
    if not origin.is_leaf:  # a message from a leaf names its groups itself
        _build_groups(route, origin)


def _target(route: Route, sub: Subscription) -> Target:
    subject = route.subject
    if sub.shadow is not None:
        subject = sub.shadow.by.show(subject)
        sub = sub.shadow.source
    return Target(sub, start_of(sub, subject, with_header=route.with_header))


def _build_groups(route: Route, origin: Peer) -> None:
    for group in route.match.groups:
        if len(group.members) > GROUP_TARGETS_MAX:
            route.general = True
            return
        origin.outbox.work_left -= TARGET_WORK * len(group.members)
        members = [sub for sub in group.members if may_deliver(sub, route.subject, origin)]
        local = [sub for sub in members if not sub.peer.is_leaf]
        if local:
            route.groups.append((group, [_target(route, sub) for sub in local]))
        elif members:
            route.general = True


def call(account: Account, sub: Subscription, delivery: Delivery) -> None:
    """Give a run to a part of the server.

    Its fault is its own: neither the publisher's connection nor the others who get the run pay for
    it. The account's owner counts and logs it.
    """
    if sub.shadow is not None:
        delivery = delivery._replace(subject=sub.shadow.by.show(delivery.subject))
        sub = sub.shadow.source
    assert sub.handler is not None
    sub.delivered += len(delivery.messages)
    try:
        sub.handler(delivery)
    except Exception as err:  # noqa: BLE001 -- boundary: background job, told to the owner
        account.on_fault(sub.subject, err)


def count_out(account: Account, sub: Subscription, size: int) -> None:
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


def count_run(account: Account, sub: Subscription, count: int, payload: int) -> None:
    """Book a run of deliveries to a subscription without an UNSUB limit."""
    sub.delivered += count
    traffic = sub.peer.traffic
    traffic.out_msgs += count
    traffic.out_bytes += payload
    traffic = account.traffic
    traffic.out_msgs += count
    traffic.out_bytes += payload
