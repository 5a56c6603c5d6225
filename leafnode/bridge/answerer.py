"""Whose stream stores what a port publishes, and whose answer says so: this server's, or a link's.

This server's says that it refuses a message before it is given the next one (jetstream/ingest), and
takes the others of a turn in one COMMIT. Another's may take the next one all the same, and be heard
later. It is looked up for each message: what holds for one subject, or held before, says nothing of
another. Knows who gets a message, and where an answer comes from; not what that says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.routing.deliver import is_relayed
from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer


def is_own(account: Account, subject: bytes, stream: str = "") -> bool:
    """Say whether this server's stream, or that of this name, gets a message, and in this turn."""
    match = account.sublist.match(subject)
    if match.is_wide or is_relayed(account, match):
        return False
    names = [sub.stream for sub in match.plain if sub.stream]
    return stream in names if stream else bool(names)


def may_answer(account: Account, origin: Peer, subject: bytes, stream: str = "") -> bool:
    """Say whether what comes from there may be a stream's answer to a message on this subject.

    Clients see the message, and may publish to inboxes: theirs is none. So it is with links where
    this server's stream has it.
    """
    if origin.kind is Kind.SYSTEM:
        return True
    return origin.kind is Kind.LEAF and not is_own(account, subject, stream)
