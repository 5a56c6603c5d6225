"""One message of a peer that the runs cannot carry: judged, delivered the general way, answered.

Knows peers, accounts and the answers that a publisher may get; not lines or buffers: `lane` cuts
them. Truth: nats-server server/client.go processInboundClientMsg.
"""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from leafnode.limits import (
    FOUND_WORK,
    HEADER_BYTES_A_WORK,
    HEADER_TURN_BYTES,
    PUBLISH_WORK,
    WALK_WORK,
)
from leafnode.protocol import header
from leafnode.protocol.errors import (
    InvalidPublishSubject,
    PermissionsViolation,
    ReplyViolation,
    wire_line,
)
from leafnode.protocol.leaf_errors import LeafViolation
from leafnode.protocol.subject import is_valid_literal
from leafnode.routing import parked, tracing
from leafnode.routing.answers import ACK_PREFIX
from leafnode.routing.deliver import deliver_to, is_relayed, look_up, send_back, spread
from leafnode.routing.fate import Fate
from leafnode.routing.gateway_replies import unrouted
from leafnode.routing.message_args import Args, usual_args
from leafnode.routing.message_line import HMSG
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import is_reserved, is_reserved_reply, may_publish
from leafnode.routing.route import Message, call
from leafnode.routing.subscription import Delivery
from leafnode.routing.trie import PAUSE_NODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.routing.account import Account
    from leafnode.routing.match import Match
    from leafnode.routing.peer import Peer
    from leafnode.routing.route import Run
    from leafnode.routing.subscription import Subscription
    from leafnode.routing.tracing import Trace

# Subjects that are not seen again would push everything else out of the caches.
ONE_OFF: Final = (b"_INBOX.", ACK_PREFIX)


def publish(peer: Peer, subject: bytes, args: Args, body: bytes) -> None:
    """Deliver one message, and answer the publisher where it asked.

    What is wide goes on in turns of its own: until then it is `peer.parked`, and the work of this
    turn is used up.
    """
    account = peer.account
    assert account is not None
    peer.outbox.work_left -= PUBLISH_WORK
    block = body[: args.header_size]
    if not block or not tracing.asks(account, block):
        _publish(account, peer, subject, args, body)
        return
    try:
        begun = tracing.begin(account, peer, subject, block, args.size)
    except tracing.Refused as refusal:
        tracing.refuse(peer, refusal)
        return
    if begun.block is not block:
        body = begun.block + body[args.header_size :]
        before, args = args, Args(args.reply, len(begun.block), len(body))
        args.queues, args.only_for = before.queues, before.only_for
    trace = begun.trace
    try:
        _publish(account, peer, subject, args, body, trace)
    finally:
        if trace is not None:
            trace.release()


def judge(peer: Peer, subject: bytes) -> None:
    """Tell a pedantic publisher of a bad subject: its line says enough, the message goes on."""
    if peer.pedantic and not is_valid_literal(subject):
        peer.send(wire_line(InvalidPublishSubject()))


def publish_run(peer: Peer, run: Run) -> bool:
    """Publish one by one what a lane gathered, and empty the run.

    False: the turn is over, and the rest stays in the run if there is one.
    """
    route = run.route
    assert route is not None, "it has something to publish"
    tails, messages = run.tails[1:], run.messages
    count = max(len(tails), len(messages))
    done = 0
    while done < count and (peer.outbox.work_left > 0 or not done):
        if tails:
            tail = tails[done]
            line = tail.index(b"\n") + 1
            reply, header_size, size = usual_args(tail[:line], with_header=route.with_header)
            body = tail[line : line + size]
        else:
            reply, header_size, body = messages[done]
        done += 1
        run.payload_bytes -= len(body)
        publish(peer, route.published, Args(reply, header_size, len(body)), body)
    run.tails[1:], run.messages = tails[done:], messages[done:]
    if done == count:
        run.route = None
    return peer.outbox.work_left > 0


def trace_too_large(peer: Peer, parts: list[bytes], rest: bytes) -> None:
    """Tell of an HPUB that is refused for its size, as far as its header has come.

    `parts` are the words of its line, `rest` is what was read behind it.
    """
    account = peer.account
    assert account is not None
    block = rest[: int(parts[-2])]
    if peer.kind is not Kind.CLIENT or not tracing.asks(account, block):
        return
    try:
        trace = tracing.begin(account, peer, parts[1], block, int(parts[-1])).trace
    except tracing.Refused as refusal:
        tracing.refuse(peer, refusal)
        return
    if trace is not None:
        trace.refused("maximum payload exceeded")
        trace.release()


def _publish(
    account: Account,
    peer: Peer,
    subject: bytes,
    args: Args,
    body: bytes,
    trace: Trace | None = None,
) -> None:
    published = subject
    if account.mappings is not None:
        subject = account.mappings.choose(published)
        if trace is not None and account.mappings.holds(published):
            trace.was_mapped(subject)
    # A leaf link's rules speak of what its hub sent, a client's of where that leads.
    violation = _violation(peer, published if peer.is_leaf else subject, args.reply)
    if violation is not None:
        _refuse(peer, published, violation, trace)
        return
    if peer.verbose:
        peer.send(b"+OK\r\n")
    if peer.elsewhere:
        way = peer.elsewhere.way_to(subject, peer.outbox.now[0])
        if way is not None:
            message = Message(way.reply, args.reply, args.header_size, body, trace=trace)
            send_back(way.account, peer, message, way.side)
            return
    fate = None
    if args.reply and peer.no_responders and not peer.is_leaf:
        fate = Fate(partial(_tell_of_nobody, account, peer, subject, args.reply))
    message = Message(
        subject,
        args.reply,
        args.header_size,
        body,
        args.queues,
        trace=trace,
        sizes=args.sizes,
        fate=fate,
    )
    if peer.is_leaf:
        _from_leaf(account, peer, message, args.only_for, is_mapped=subject != published)
        return
    match = look_up(account, subject, once=subject.startswith(ONE_OFF))
    if match.is_wide:
        _send_in_steps(account, peer, message)
    elif is_relayed(account, match):
        _send_in_steps(account, peer, message, match)
    elif message.header_size >= HEADER_TURN_BYTES and any(sub.relay for sub in match.plain):
        # A service may search all of it, so it is read in this turn and sent on in the next.
        peer.outbox.work_left -= message.header_size // HEADER_BYTES_A_WORK
        _send_in_steps(account, peer, message, match)
    else:
        deliver_to(match, account, peer, message)
    if fate is not None:
        fate.release()


def _send_in_steps(
    account: Account, peer: Peer, message: Message, match: Match | None = None
) -> None:
    """Deliver what may take more than this turn; `match`: it leads there."""
    steps = spread(account, peer, message, match)
    next(steps)  # it holds its trace and its fate before whoever calls lets go of them
    parked.begin(peer, chain((None,), steps), (message.body,))


def _refuse(
    peer: Peer, published: bytes, violation: PermissionsViolation, trace: Trace | None
) -> None:
    """Tell the publisher what is forbidden, if it is told such things."""
    peer.outbox.work_left -= len(violation.wire_text) // 2
    if trace is not None:
        trace.refused(violation.wire_text.decode("utf-8", "replace"))
    if peer.kind is Kind.CLIENT:
        peer.send(wire_line(violation))
        peer.outbox.on_violation(peer, violation)
    elif peer.is_leaf and not peer.leaf.is_hub:
        raise LeafViolation(b"Publish", published)  # it was told what it may, and is cut off


def _violation(peer: Peer, subject: bytes, reply: bytes) -> PermissionsViolation | None:
    """Return what forbids the message, if anything does."""
    if peer.kind is Kind.CLIENT:
        if is_reserved(subject) or not may_publish(peer, subject):
            return PermissionsViolation(b"Publish", subject)
        if is_reserved_reply(reply):
            return ReplyViolation(reply)
        return None
    return None if may_publish(peer, subject) else PermissionsViolation(b"Publish", subject)


def _from_leaf(
    account: Account,
    peer: Peer,
    message: Message,
    only_for: Subscription | None,
    *,
    is_mapped: bool,
) -> None:
    subject, reply = message.subject, message.reply
    if only_for is not None:
        answer = (reply, message.header_size, message.body)
        call(account, only_for, Delivery(subject, [answer], peer, message.trace))
        return
    # Groups get a message from a leaf only when it names them (leaf protocol 2.2), but no hub knows
    # of those behind a mapping.
    if message.queues is None and not is_mapped:
        message = message._replace(queues=frozenset())
    if b"@" in reply and unrouted(reply).startswith(ACK_PREFIX):
        reply, _, shown = reply.partition(b"@")
        one = (shown, reply, message.header_size, message.body)
        account.deliver(subject, [one], origin=peer, queues=message.queues)
        return
    match = look_up(account, subject, once=subject.startswith(ONE_OFF))
    if match.is_wide:
        _send_in_steps(account, peer, message)
    elif is_relayed(account, match):
        _send_in_steps(account, peer, message, match)
    else:
        deliver_to(match, account, peer, message)


def _tell_of_nobody(account: Account, peer: Peer, subject: bytes, reply: bytes) -> None:
    parked.begin(peer, _no_responders(account, peer, subject, reply))


def _no_responders(account: Account, peer: Peer, subject: bytes, reply: bytes) -> Iterator[None]:
    """Tell the requester itself, on its own subscription for the reply, that nobody is there."""
    for subs in account.sublist.walk(reply):
        for sub in list(subs):
            if sub.peer is peer and not (sub.queue or sub.closed):
                # A line of the protocol, not a delivery: UNSUB limits do not count it (measured).
                block = header.no_responders(subject)
                peer.send(HMSG % (reply, sub.sid, b"", len(block), len(block), block))
                return
            peer.outbox.work_left -= FOUND_WORK
            yield
        peer.outbox.work_left -= WALK_WORK if subs else WALK_WORK * PAUSE_NODES
        yield
