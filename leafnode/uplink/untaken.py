"""Since when nobody upstream wants what is published under a subject, of those that wait for it.

What waits behind the first of them is looked at, too: its minute begins as soon. Each would take
one of its own otherwise, where each message has a subject of its own. It ends for all that the hub
asks for, however short. Truth: docs/uplink.md, "Dead letters".
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.protocol.subject import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leafnode.routing.leaf_interest import LeafInterest
    from leafnode.uplink.link import Link

_WILDCARD: Final = re.compile(rb"[*>]")


class Untaken:
    """Of one stream, over the link of now. Times are monotonic."""

    def __init__(self, link: Link, interest: LeafInterest) -> None:
        """`interest` is listened to while there is any such subject: `clear` it at the end."""
        self._link = link
        self._interest = interest
        self._since_ns: dict[bytes, int] = {}  # of what was tried
        self._behind: dict[bytes, int] = {}  # of what waited behind that
        self.wanted: Callable[[], None] = lambda: None  # what was tried may go now

    def __contains__(self, subject: bytes) -> bool:
        return subject in self._since_ns

    def __len__(self) -> int:
        return len(self._since_ns)

    @property
    def oldest_ns(self) -> int | None:
        """Since when nobody wants the first of them."""
        return min(self._since_ns.values(), default=None)

    def clear(self) -> None:
        self._since_ns.clear()
        self._behind.clear()
        self._interest.listeners.discard(self._asked)

    def _asked(self, pattern: bytes) -> None:
        """A link asks for this, the hub's or another one."""
        count, (start, *parts) = len(self._since_ns), _WILDCARD.split(pattern)
        for noted in (self._since_ns, self._behind):
            if start == pattern:
                found = [pattern] if pattern in noted else []
            else:
                likely = [one for one in noted if one.startswith(start)]
                for part in filter(None, parts):  # most of what does not fit lacks one
                    likely = [one for one in likely if part in one]
                found = [one for one in likely if matches(pattern, one)]
            for subject in filter(self._link.asks_for, found):
                del noted[subject]
        if len(self._since_ns) < count:
            self.wanted()
        if not self._since_ns and not self._behind:
            self.clear()

    def taken(self, subject: bytes) -> None:
        """Somebody wants it: its link may do more than before."""
        self._since_ns.pop(subject, None)
        self._behind.pop(subject, None)

    def not_taken(self, subject: bytes, behind: Iterable[bytes], now_ns: int) -> int:
        """Nobody wants this one, which was tried: return since when. `behind`: under these others
        wait, the first first; they are looked at until its minute is over.
        """
        self._interest.listeners.add(self._asked)
        since_ns = self._since_ns.get(subject, self._behind.get(subject, now_ns))
        self._note(subject, since_ns)
        if since_ns + limits.UPLINK_UNTAKEN_NS > now_ns:
            looked_at = dict.fromkeys(islice(behind, limits.UPLINK_UNTAKEN_LOOK_MAX))
            known = self._behind  # of these it would be heard
            unwanted = (one for one in looked_at if one in known or not self._link.asks_for(one))
            self._behind = {one: known.get(one, now_ns) for one in unwanted}
        return since_ns

    def _note(self, subject: bytes, since_ns: int) -> None:
        """The oldest is forgotten: most likely nothing waits under it any more."""
        if subject not in self._since_ns and len(self._since_ns) >= limits.UPLINK_UNTAKEN_MAX:
            del self._since_ns[next(iter(self._since_ns))]
        self._since_ns[subject] = since_ns
