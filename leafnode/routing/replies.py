"""Many answers of the server at once: to reply inboxes, and from a stream to one inbox.  HOT

Knows what route.py knows. Each answer has a subject of its own that is not seen again, so nothing
is cached beyond one call; what is saved is finding the same subscriber a thousand times.
Truth: tests/unit/routing/test_replies.py holds it equal to `route.deliver`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol.subject import is_valid
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import may_deliver, may_show
from leafnode.routing.route import Message, deliver, note_reply

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.sublist import Match
    from leafnode.routing.subscription import Subscription


def publish_replies(account: Account, replies: list[tuple[bytes, bytes]]) -> None:
    """Route (subject, body) messages of the server, in order."""
    sublist = account.sublist
    known: dict[bytes, Match | None] = {}
    changes = sublist.changes
    for subject, body in replies:
        if sublist.changes != changes:  # a handler subscribed or unsubscribed meanwhile
            known.clear()
            changes = sublist.changes
        parent = subject[: subject.rfind(b".") + 1]
        if parent in known:
            match = known[parent]
        else:
            match = known[parent] = sublist.find_children(parent[:-1]) if parent else None
        sub = _only_client(match)
        if sub is None or sublist.has_literal(subject) or not is_valid(subject):
            deliver(account, account.system, Message(subject, b"", 0, body), once=True)
        elif may_deliver(sub, subject, account.system):
            line = b"MSG %b %b %d\r\n%b\r\n" % (subject, sub.sid, len(body), body)
            _send(account, sub, [line], len(body))


def _only_client(match: Match | None) -> Subscription | None:
    """Return the subscription if the match is one unlimited subscription of a client."""
    if match is None or match.groups or len(match.plain) != 1:
        return None
    sub = match.plain[0]
    simple = sub.handler is None and not sub.max_msgs and sub.peer.kind is Kind.CLIENT
    simple = simple and sub.shadow is None and sub.relay is None
    return sub if simple else None


def deliver_to_client(
    account: Account,
    deliver_subject: bytes,
    match: Match,
    messages: list[tuple[bytes, bytes, int, bytes]],
) -> bool:
    """Send (subject, reply, header size, body) in one go if one plain client is all there is.

    False: nothing was sent, the general way is needed.
    """
    sub = _only_client(match)
    if sub is None or not sub.peer.headers:
        return False
    if not may_deliver(sub, deliver_subject, account.system):
        return False
    if sub.peer.permissions is not None:
        messages = [message for message in messages if may_show(sub, message[0])]
    lines = []
    sid = sub.sid
    for subject, reply, header_size, body in messages:
        middle = reply + b" " if reply else b""
        if header_size:
            sizes = b"%d %d" % (header_size, len(body))
            lines.append(b"HMSG %b %b %b%b\r\n%b\r\n" % (subject, sid, middle, sizes, body))
        else:
            lines.append(b"MSG %b %b %b%d\r\n%b\r\n" % (subject, sid, middle, len(body), body))
    if sub.peer.open_replies is not None:
        for _, reply, _, _ in messages:
            note_reply(sub.peer, reply)
    _send(account, sub, lines, sum([len(body) for _, _, _, body in messages]))
    return True


def _send(account: Account, sub: Subscription, lines: list[bytes], payload: int) -> None:
    """Hand over lines that carry so many bytes of header and body."""
    peer = sub.peer
    if peer.pending_bytes > peer.max_pending_bytes:
        return  # it is cut when this turn's bytes are written
    count = len(lines)
    peer.out += lines
    peer.pending_bytes += sum(map(len, lines))
    peer.outbox.mark(peer)
    sub.delivered += count
    for traffic in (peer.traffic, account.traffic):
        traffic.out_msgs += count
        traffic.out_bytes += payload
