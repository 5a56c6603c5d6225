"""Since when nobody upstream wants what is published under a subject, of those that wait for it.

What waits behind the first of them is looked at, too: its minute begins as soon, while it is seen
to be wanted by nobody each time. Each would take one of its own otherwise, where each message has a
subject of its own. Truth: docs/uplink.md, "Dead letters".
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.uplink.link import Link

_LOOK_NS: Final = limits.UPLINK_RETRY_MAX_NS + 10 * NS_PER_S  # at most between two looks


class Untaken:
    """Of one stream, over the link of now. Times are monotonic."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._since_ns: dict[bytes, int] = {}  # of what was tried
        self._behind: dict[bytes, int] = {}  # of what waited behind that
        self._looked_ns = 0  # at that

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

    def taken(self, subject: bytes) -> None:
        """Somebody wants it, and maybe what waited with it."""
        self._since_ns.pop(subject, None)
        if subject in self._behind:
            self._behind.clear()

    def not_taken(self, subject: bytes, behind: Iterable[bytes], now_ns: int) -> int:
        """Nobody wants this one, which was tried: return since when. `behind`: under these others
        wait, the first first; they are looked at until its minute is over.
        """
        if now_ns - self._looked_ns > _LOOK_NS:
            self._behind.clear()
        since_ns = self._since_ns.get(subject, self._behind.get(subject, now_ns))
        self._note(subject, since_ns)
        if since_ns + limits.UPLINK_UNTAKEN_NS > now_ns:
            looked_at = dict.fromkeys(islice(behind, limits.UPLINK_UNTAKEN_LOOK_MAX))
            unwanted = [one for one in looked_at if not self._link.asks_for(one)]
            self._behind = {one: self._behind.get(one, now_ns) for one in unwanted}
        self._looked_ns = now_ns
        return since_ns

    def _note(self, subject: bytes, since_ns: int) -> None:
        """The oldest is forgotten: most likely nothing waits under it any more."""
        if subject not in self._since_ns and len(self._since_ns) >= limits.UPLINK_UNTAKEN_MAX:
            del self._since_ns[next(iter(self._since_ns))]
        self._since_ns[subject] = since_ns
