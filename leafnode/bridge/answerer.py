"""Whose stream stores what a port publishes: this server's, or one behind a link.

This server's says that it refuses a message before it is given the next one (jetstream/ingest), and
takes the others of a turn in one COMMIT. Another's may take the next one all the same, and be heard
later. Knows who would get a message; not what they say. It is asked for each message: what holds
for one subject, or held before, says nothing of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.routing.deliver import is_relayed

if TYPE_CHECKING:
    from leafnode.routing.account import Account


def is_own(account: Account, subject: bytes, stream: str = "") -> bool:
    """Say whether this server's stream, or that of this name, gets a message, and in this turn."""
    match = account.sublist.match(subject)
    if match.is_wide or is_relayed(account, match):
        return False
    names = [sub.stream for sub in match.plain if sub.stream]
    return stream in names if stream else bool(names)
