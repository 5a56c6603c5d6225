"""What a lane gathered, written to its receivers: a run by its route, or one message at once.  HOT

Knows routes, peers and the bytes of MSG, HMSG and LMSG; not sockets, JSON or JetStream.
Truth: nats-server server/client.go processMsgResults; docs/hot-path.md has the shape and the
numbers.

Everything after the subject of "PUB subject [reply] size CRLF payload CRLF" is copied unchanged
behind "MSG subject sid ": that is the tail. A run of messages of one route costs one join per
target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import (
    DELIVERY_WORK,
    HANDLER_RUN_MAX,
    HANDLER_WORK,
    HEADER_TURN_BYTES,
    PUBLISH_WORK,
    RUN_WORK,
    WORK_BYTES,
)
from leafnode.routing.groups import pick
from leafnode.routing.message_line import start_of
from leafnode.routing.permissions import may_deliver
from leafnode.routing.publish import publish_run
from leafnode.routing.route import Message, Run, call, count_out
from leafnode.routing.subscription import Delivery
from leafnode.routing.tracing import any_asks, asks

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.match import Group
    from leafnode.routing.peer import Peer
    from leafnode.routing.route import Route, Target
    from leafnode.routing.subscription import Subscription

# Larger payloads stay shared between targets instead of being copied into one buffer for each.
SHARED_TAIL_BYTES: Final = 2048


def emit(account: Account, origin: Peer, run: Run) -> bool:
    """Deliver a run, if there is one, and empty it.

    False: the turn is over. What it was too short for stays in the run.
    """
    route = run.route
    outbox = origin.outbox
    if route is None:
        return outbox.work_left > 0
    tails = run.tails
    if route.with_header and any_asks(account, tails):
        return publish_run(origin, run)
    count = len(tails) - 1
    work = route.receivers * (RUN_WORK + count + run.payload_bytes // WORK_BYTES)
    work += route.line_work * count
    if route.members:  # whoever of a group has a part in the run is a receiver of its own
        work += RUN_WORK * min(count * len(route.groups), route.members)
    if run.messages:
        count = len(run.messages)
        work += HANDLER_WORK * count
    if count > 1 and (work > outbox.work_left or len(run.messages) > HANDLER_RUN_MAX):
        once = route.receivers * RUN_WORK
        return _emit_parts(account, origin, run, once, max(1, (work - once) // count))
    outbox.work_left -= work
    run.route = None
    run.payload_bytes, payload = 0, run.payload_bytes
    _deliver(account, origin, route, run, payload)
    return outbox.work_left > 0


def _emit_parts(account: Account, origin: Peer, run: Run, once: int, each: int) -> bool:
    """Deliver the start of a run, as far as the turn goes.

    `once` is the work for a part of it, to which `each` comes for each message.
    """
    route, outbox = run.route, origin.outbox
    assert route is not None, "asked by the caller"
    most = HANDLER_RUN_MAX if run.messages else len(run.tails)
    while run.messages or len(run.tails) > 1:
        count = max(1, min(most, (outbox.work_left - once) // each))
        part = Run()
        part.tails += run.tails[1 : count + 1]
        part.messages = run.messages[:count]
        part.payload_bytes = _payload(part)
        del run.tails[1 : count + 1]
        run.messages = run.messages[count:]
        run.payload_bytes -= part.payload_bytes
        outbox.work_left -= once + count * each
        _deliver(account, origin, route, part, part.payload_bytes)
        if outbox.work_left <= 0:
            break
    if not run.messages and len(run.tails) == 1:
        run.route = None
    return outbox.work_left > 0


def _payload(run: Run) -> int:
    if run.messages:
        return sum([len(body) for _, _, body in run.messages])
    return sum(map(_payload_size, run.tails[1:]))


def _deliver(account: Account, origin: Peer, route: Route, run: Run, payload: int) -> None:
    """Deliver all of these messages."""
    tails = run.tails
    try:
        count = len(tails) - 1
        if count and route.targets:
            for target in route.targets:
                _emit_plain(account, target, tails, payload)
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
    """Write these messages, all of them, to each subscription of the target, and count them."""
    count = len(tails) - 1
    prefix = target.prefix
    # One chunk for all whose lines start alike.
    chunk = prefix.join(tails) if payload < count * SHARED_TAIL_BYTES else b""
    size = len(chunk) or sum(map(len, tails)) + count * len(prefix)
    account_traffic = account.traffic
    for sub in target.subs:
        if sub.max_msgs:
            _emit_limited(account, sub, prefix, tails[1:])
            continue
        peer = sub.peer
        if peer.pending_bytes > peer.max_pending_bytes:
            continue  # it is cut when this turn's bytes are written
        if chunk:
            peer.out.append(chunk)
        else:
            for tail in tails[1:]:
                peer.out += (prefix, tail)
        peer.pending_bytes += size
        # `count_run`, written out: the call made one message to one of many targets 12% slower.
        sub.delivered += count
        traffic = peer.traffic
        traffic.out_msgs += count
        traffic.out_bytes += payload
        account_traffic.out_msgs += count
        account_traffic.out_bytes += payload
        if not peer.dirty:
            peer.outbox.mark(peer)


def _emit_group(
    account: Account, origin: Peer, group: Group, targets: list[Target], run: Run
) -> None:
    """Give each message of the run to one member, in turn."""
    tails = run.tails
    members, count = len(targets), len(tails) - 1
    first = group.turn + 1
    group.turn += count
    takers = [targets[(first + index) % members] for index in range(min(count, members))]
    if any(target.first.max_msgs or target.first.closed for target in takers):
        _emit_in_turn(account, origin, targets, run, first)
        return
    for index, target in enumerate(takers):
        if target.first.handler is not None:
            messages = run.messages[index::members]
            call(account, target.first, Delivery(_subject_of(target), messages, origin))
        else:
            share = [b"", *tails[1 + index :: members]]
            _emit_plain(account, target, share, sum(map(_payload_size, share[1:])))


def _emit_in_turn(
    account: Account, origin: Peer, targets: list[Target], run: Run, first: int
) -> None:
    """Give message by message: a member may reach its UNSUB limit, then the others take over."""
    targets = [*targets]
    for index, tail in enumerate(run.tails[1:]):
        while targets and targets[(first + index) % len(targets)].first.closed:
            del targets[(first + index) % len(targets)]
        if not targets:
            return
        target = targets[(first + index) % len(targets)]
        if target.first.handler is not None:
            one = [run.messages[index]]
            call(account, target.first, Delivery(_subject_of(target), one, origin))
        else:
            _write(account, target.first, target.prefix, tail)


def _payload_size(tail: bytes) -> int:
    return len(tail) - tail.index(b"\n") - 3  # the line with its size, the payload, CR LF


def _subject_of(target: Target) -> bytes:
    return target.prefix.split(b" ", 2)[1]


def _emit_limited(account: Account, sub: Subscription, prefix: bytes, tails: list[bytes]) -> None:
    """Deliver no more of these messages than an UNSUB limit leaves."""
    for tail in tails:
        if sub.closed:
            return
        _write(account, sub, prefix, tail)


def _write(account: Account, sub: Subscription, prefix: bytes, tail: bytes) -> None:
    peer = sub.peer
    if peer.pending_bytes > peer.max_pending_bytes:
        return
    peer.out += (prefix, tail)
    peer.pending_bytes += len(prefix) + len(tail)
    peer.outbox.mark(peer)
    count_out(account, sub, _payload_size(tail))


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
    if groups and not origin.is_leaf:  # a message from a leaf names its groups itself
        picked = [sub for sub in (pick(group, origin, subject) for group in groups) if sub]
        if any(sub.peer.is_leaf for sub in picked):  # it names the groups that are to get it
            account.sublist.turn -= 1  # what is found in place of this begins at the same member
            return False
        subs += picked
    if len(subs) == 1 and subs[0].relay is not None:
        return _relay_once(origin, subs[0], subject, message)
    for sub in subs:
        if (
            sub.shadow is not None
            or sub.relay is not None
            or sub.peer.open_replies is not None
            or (header_size and not sub.peer.headers)
        ):
            return False
    received = 0
    links: set[int] = set()
    work = DELIVERY_WORK + size // WORK_BYTES
    origin.outbox.work_left -= PUBLISH_WORK + work * len(subs)
    for sub in subs:
        if not may_deliver(sub, subject, origin):
            continue
        peer = sub.peer
        received += 1
        if sub.handler is not None:
            body = tail[len(tail) - size - 2 : -2]
            call(account, sub, Delivery(subject, [(reply, header_size, body)], origin))
            continue
        if peer.is_leaf:
            if peer.cid in links:  # one message for each link, however many patterns match
                continue
            links.add(peer.cid)
        if peer.pending_bytes > peer.max_pending_bytes:
            continue
        prefix = start_of(sub, subject, with_header=header_size > 0)
        peer.out += (prefix, tail)
        peer.pending_bytes += len(prefix) + len(tail)
        if not peer.dirty:
            peer.outbox.mark(peer)
        count_out(account, sub, size)
    return received > 0 or not (reply and origin.no_responders)


def _relay_once(
    origin: Peer, sub: Subscription, subject: bytes, message: tuple[bytes, bytes, int, int]
) -> bool:
    """Send one message on to another account: mostly the answer of a service. False: the general
    way is needed.
    """
    tail, reply, header_size, size = message
    if header_size >= HEADER_TURN_BYTES or (reply and origin.no_responders):
        return False
    origin.outbox.work_left -= PUBLISH_WORK + DELIVERY_WORK + size // WORK_BYTES
    if may_deliver(sub, subject, origin):
        assert sub.relay is not None, "asked by the caller"
        sub.delivered += 1
        body = tail[len(tail) - size - 2 : -2]
        sub.relay.forward(origin, Message(subject, reply, header_size, body))
    return True
