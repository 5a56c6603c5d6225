"""Where the next message under a subject lies in the hub's stream, as far as that was answered.

Pure. A search looks at one place of the stream after the other, and asks under each subject for the
first message from there on. Nothing lies before that message, so the answer is the same from any
place between. What is stored meanwhile lies behind all that a search looks at.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits

if TYPE_CHECKING:
    from leafnode.uplink.answers import HubMessage

_NEVER: Final = 1 << 64  # behind all sequences


class Next(NamedTuple):
    """The answer from `first` on; from any place up to `last` it is the same."""

    last: int
    first: int
    message: HubMessage | None


class Nexts:
    """Of so many subjects, which have numbers. At UPLINK_NEXTS_MAX answers it begins anew."""

    def __init__(self, subjects: int) -> None:
        self._known: list[list[Next]] = [[] for _ in range(subjects)]  # ascending
        self._count = 0

    def add(self, subject: int, first: int, message: HubMessage | None) -> None:
        """Take the first message from a sequence on, which was not known; None: there is none."""
        if self._count == limits.UPLINK_NEXTS_MAX:
            self._count = 0
            for known in self._known:
                known.clear()
        last = _NEVER if message is None else message.hub_seq
        known = self._known[subject]
        at = bisect_left(known, (last,))
        is_same = at < len(known) and known[at].last == last
        known[at : at + is_same] = [Next(last, first, message)]
        self._count += not is_same

    def find(self, subject: int, first: int) -> Next | None:
        """Return what the answer would be; None: it is not known."""
        known = self._known[subject]
        at = bisect_left(known, (first,))
        return known[at] if at < len(known) and known[at].first <= first else None
