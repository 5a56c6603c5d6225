"""Whose stream stores what a port publishes: this server's, or one behind a link.

This server's takes all of a turn or nothing. Another's may refuse a message and take the next one.
Knows where answers come from, and who would get a message; not what they say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer


class Answerer:
    """Who answers the readings of one port."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._is_own: bool | None = None  # None: nobody answered yet, or any more

    def heard(self, origin: Peer) -> None:
        """Its answer came from here."""
        self._is_own = origin.kind is Kind.SYSTEM

    def forget(self) -> None:
        """It answers no more: the next may be another."""
        self._is_own = None

    def is_own(self, subject: bytes) -> bool:
        """Say whether it is this server. Before it answered: whether nobody else can."""
        if self._is_own is not None:
            return self._is_own
        match = self._account.sublist.match(subject)
        return not match.is_wide and all(one.peer.kind is Kind.SYSTEM for one in match.plain)
