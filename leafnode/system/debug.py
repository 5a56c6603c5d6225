"""How many clients listen to a subject: `$SYS.DEBUG.SUBSCRIBERS`.

Pure. Truth: nats-server 2.15.1 server/events.go debugSubscribers; measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.protocol import subject as subjects
from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from leafnode.routing.account import Account


def subscribers(account: Account, body: bytes) -> int:
    """Count the subscriptions of clients for `subject [queue]`, within it where it is a pattern."""
    words = body.split()
    if not words or not subjects.is_valid(words[0]):
        return 0
    wanted, queue = words[0], words[1] if len(words) > 1 else None
    if subjects.is_literal(wanted):
        match = account.sublist.find(wanted)
        found = [sub for group in match.groups for sub in group.members]
        found += match.plain if queue is None else []
    else:
        found = [sub for sub in account.sublist if subjects.is_subset(sub.subject, wanted)]
    return sum(sub.peer.kind is Kind.CLIENT and queue in {None, sub.queue} for sub in found)
