"""What SUB and UNSUB of a client change in its account, and the end of its interest.

Knows the peer, its account and the bounds on subscriptions; not the session's states and not
logins. Truth: nats-server 2.15.1 server/client.go processSub, processUnsub.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from leafnode.limits import (
    CONTROL_LINE_WORK,
    DROP_WORK,
    MAX_SUBJECT_TOKENS,
    TOKEN_WORK,
    TURN_WORK,
)
from leafnode.protocol import errors
from leafnode.protocol.subject import is_valid
from leafnode.routing import parked
from leafnode.routing.permissions import may_subscribe
from leafnode.routing.subscription import Subscription

if TYPE_CHECKING:
    from leafnode.clients.bounds import Bounds
    from leafnode.protocol.op import Sub, Unsub
    from leafnode.routing.peer import Peer

SYSTEM_QUEUE: Final = b"_sys_"  # nats-server's own queue group: no client may join it
_OK: Final = b"+OK\r\n"


def subscribe(peer: Peer, op: Sub, bounds: Bounds) -> None:
    """Add a subscription. Raises the ProtocolError that the client is told.

    The error of the configured bound on tokens differs from that of our own one.
    """
    account = peer.account
    assert account is not None, "only an open session gets here"
    peer.active = peer.outbox.now
    subject, queue, sid, subs = op.subject, op.queue, op.sid, peer.subs
    if not may_subscribe(peer, subject, queue) or queue == SYSTEM_QUEUE:
        raise errors.PermissionsViolation(b"Subscription", subject, queue, sid=sid)
    tokens = subject.count(b".") + 1
    max_tokens = bounds.max_subscription_tokens
    if max_tokens and tokens > max_tokens:
        raise errors.TooManyTokens(subject, sid=sid)
    most = bounds.max_subscriptions
    if most is not None and len(subs) >= most:
        raise errors.MaxSubscriptionsExceeded
    if sid not in subs:  # a sid in use keeps its first subject
        if not is_valid(subject) or tokens > (max_tokens or MAX_SUBJECT_TOKENS):
            raise errors.InvalidSubject
        if tokens > CONTROL_LINE_WORK:
            peer.outbox.work_left -= TOKEN_WORK * tokens
        subs[sid] = sub = Subscription(peer, subject, sid=sid, queue=queue)
        account.insert(sub)
    if peer.verbose:
        peer.send(_OK)


def unsubscribe(peer: Peer, op: Unsub) -> None:
    """End a subscription, at once or after so many deliveries."""
    peer.active = peer.outbox.now
    sub = peer.subs.get(op.sid)
    if sub is not None:
        if op.max_msgs > sub.delivered:
            sub.max_msgs = op.max_msgs
        else:
            drop(sub)
    if peer.verbose:
        peer.send(_OK)


def drop(sub: Subscription) -> None:
    """Take a subscription out of its account and of what its peer holds."""
    account = sub.peer.account
    assert account is not None, "subscriptions are in an account"
    del sub.peer.subs[sub.sid]
    account.remove(sub)


def drop_all(peer: Peer) -> None:
    """Take a closing peer's subscriptions out, as many in a turn as others can wait for. What it
    was sending to very many goes on.
    """
    account = peer.account
    if account is None:
        return
    account.leave(peer)
    parked.leave(peer)
    drop_some(peer)
    if peer.subs:
        # Whatever was decided before is decided anew, and a closing peer is given nothing then.
        account.spoil()
        peer.outbox.end_later(lambda: drop_all(peer))


def drop_some(peer: Peer) -> None:
    """Take out as many of a peer's subscriptions as others can wait for."""
    outbox = peer.outbox
    until = outbox.work_left - TURN_WORK
    for sub in list(islice(peer.subs.values(), TURN_WORK // DROP_WORK)):
        if outbox.work_left <= until:
            break
        outbox.work_left -= max(DROP_WORK, TOKEN_WORK * sub.subject.count(b"."))
        drop(sub)
