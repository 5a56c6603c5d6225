"""What a look-up finds: who gets the messages of one subject, as the sublist says it.  HOT

Knows opaque subscriptions; not how they were found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leafnode.routing.subscription import Subscription

# A result with so many plain subscriptions shares the list with the others that have the same.
WIDE: Final = 16
_MATCH_BYTES: Final = 340  # with its lists and its place in a table
_GROUP_BYTES: Final = 180
SUB_BYTES: Final = 8  # each in a list


class Group:
    """The members of one queue group that match one subject. `turn` picks the next, for all
    publishers.
    """

    __slots__ = ("members", "queue", "turn")

    def __init__(self, queue: bytes, members: list[Subscription], turn: int) -> None:
        self.queue = queue
        self.members = members
        self.turn = turn


class Match:
    """What one subject leads to. Current while its generation is the sublist's; never changed.

    `is_wide`: to more than one turn is for, or only a walk of so many nodes tells. Then it says
    nothing more; `Sublist.walk` finds who gets a message.
    """

    __slots__ = ("generation", "groups", "is_wide", "plain")

    def __init__(
        self,
        generation: int,
        plain: list[Subscription],
        groups: list[Group],
        *,
        is_wide: bool = False,
    ) -> None:
        self.generation = generation
        self.plain = plain
        self.groups = groups
        self.is_wide = is_wide


def size_of_match(match: Match) -> int:
    """Return what a result takes in memory, without its subject and a list that it may share."""
    size = _MATCH_BYTES
    if len(match.plain) < WIDE:
        size += SUB_BYTES * len(match.plain)
    for group in match.groups:
        size += _GROUP_BYTES + SUB_BYTES * len(group.members)
    return size
