"""Which patterns match all subjects below another, for inboxes and acknowledgements.  HOT

Knows results and what they take in memory; not the trie: `sublist` finds them. They have bytes of
their own: what comes once and is long must not push out the results that every message needs.
Truth: docs/memory.md, "Hot path caches".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import BELOW_BYTES_MAX, BELOW_CACHE_MAX
from leafnode.routing.budget import Share

if TYPE_CHECKING:
    from leafnode.routing.budget import Budget
    from leafnode.routing.match import Match

_ENTRY_BYTES: Final = 340  # with its key and its place in a table
_SUB_BYTES: Final = 8  # each in a list

Key = tuple[bytes, int]  # a subject, and how many tokens below it


class Below(Share):
    """What one account remembers. None: what matches depends on the tokens."""

    __slots__ = ("known",)

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget, BELOW_BYTES_MAX)
        self.known: dict[Key, Match | None] = {}

    def keep(self, key: Key, match: Match | None) -> None:
        """Remember one more, unless it is too large for that."""
        size = _ENTRY_BYTES + len(key[0]) + (_SUB_BYTES * len(match.plain) if match else 0)
        if len(self.known) >= BELOW_CACHE_MAX:
            self.empty()
        if self.make_room(size):
            self.known[key] = match
            self.hold(size)

    def drop(self) -> None:
        """Let go of all of it."""
        self.known.clear()
