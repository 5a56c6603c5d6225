"""Many answers of the server at once: to reply inboxes, and from a stream to one inbox.  HOT

Knows what route.py knows. Each answer has a subject of its own that is not seen again: what is
remembered is who takes all that is one token below an inbox (`Sublist.find_below`).
Truth: tests/unit/routing/test_replies.py holds it equal to `deliver`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol.subject import has_no_space, is_valid
from leafnode.routing.answers import is_of_the_api
from leafnode.routing.deliver import deliver, note_reply
from leafnode.routing.message_line import HMSG, MSG
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import may_deliver, may_show
from leafnode.routing.route import Message, count_run

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.match import Match
    from leafnode.routing.sublist import Sublist
    from leafnode.routing.subscription import Subscription


def publish_replies(account: Account, replies: list[tuple[bytes, bytes]]) -> None:
    """Route (subject, body) messages of the server, in order."""
    sublist = account.sublist
    has_literal = sublist.has_literal
    clean = has_no_space(b"".join([subject for subject, _ in replies]))
    known: dict[bytes, Subscription | None] = {}
    changes = sublist.changes
    gathered: dict[Subscription, tuple[list[bytes], list[bytes]]] = {}  # lines and bodies
    parent: bytes | None = None  # of the subject before, unless it has to be looked at anew
    sub: Subscription | None = None
    lines: list[bytes] = []
    bodies: list[bytes] = []
    for subject, body in replies:
        size = subject.rfind(b".") + 1
        if subject[:size] != parent:
            parent = subject[:size]
            if parent not in known:
                known[parent] = _taker(sublist, parent)
            sub = known[parent]
            if sub is not None:
                lines, bodies = gathered.setdefault(sub, ([], []))
        if sub is None or not clean or size == len(subject) or has_literal(subject):
            _send_all(account, gathered)
            if not is_of_the_api(subject):
                deliver(account, account.answering, Message(subject, b"", 0, body), once=True)
            parent = None
            if sublist.changes != changes:  # a handler subscribed or unsubscribed meanwhile
                known.clear()
                changes = sublist.changes
        elif may_deliver(sub, subject, account.system):
            lines.append(MSG % (subject, sub.sid, b"", len(body), body))
            bodies.append(body)
    _send_all(account, gathered)


def _taker(sublist: Sublist, parent: bytes) -> Subscription | None:
    """Return the client's subscription that alone takes what is one token below `parent`, but for
    literal subscriptions; None where that is not so, or takes a closer look.
    """
    if not parent or not is_valid(parent + b"x"):
        return None
    return _only_client(sublist.find_below(parent[:-1]))


def _send_all(
    account: Account, gathered: dict[Subscription, tuple[list[bytes], list[bytes]]]
) -> None:
    """Hand over what was gathered for each subscription."""
    for sub, (lines, bodies) in gathered.items():
        if lines:
            _send(account, sub, lines, sum(map(len, bodies)))
    gathered.clear()


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
            lines.append(HMSG % (subject, sid, middle, header_size, len(body), body))
        else:
            lines.append(MSG % (subject, sid, middle, len(body), body))
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
    count_run(account, sub, count, payload)
