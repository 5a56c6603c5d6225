"""Since when nobody upstream wants what is published under a subject, of those that wait for it.

What waits behind the first of them is looked at, too: its minute begins as soon. Each would take
one of its own otherwise, where each message has a subject of its own.
Truth: docs/uplink.md, "Dead letters".
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.uplink.link import Link


class Untaken:
    """Of one stream, over the link of now. Times are monotonic."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._since_ns: dict[bytes, int] = {}

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

    def taken(self, subject: bytes) -> None:
        """Somebody wants it."""
        self._since_ns.pop(subject, None)

    def not_taken(self, subject: bytes, behind: Iterable[bytes], now_ns: int) -> int:
        """Nobody wants this one: return since when. `behind`: under these others wait; they are
        looked at until its minute is over.
        """
        since_ns = self._since_ns.get(subject, now_ns)
        if since_ns + limits.UPLINK_UNTAKEN_NS <= now_ns:
            return since_ns
        waiting = dict.fromkeys([subject, *islice(behind, limits.UPLINK_UNTAKEN_MAX - 1)])
        others = iter([one for one in self._since_ns if one not in waiting])
        for one in waiting:
            if one in self._since_ns or (one != subject and self._link.asks_for(one)):
                continue
            if len(self._since_ns) >= limits.UPLINK_UNTAKEN_MAX:
                del self._since_ns[next(others)]  # the oldest: its message is not here any more
            self._since_ns[one] = now_ns
        return since_ns
