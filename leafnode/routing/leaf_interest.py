"""Interest that came over leaf links, and which of an account's interest a link is told of.

Knows keys, counts and sides of links; not connections, rules or lines. A hub tells each leaf what
everybody else wants; a spoke tells its hub what is wanted here and below, never what another hub
wants. Who came from one cluster is one origin: it is not told of itself. Truth: nats-server 2.15.1
server/leafnode.go initLeafNodeSmapAndSendSubs, updateLeafNodesEx (leaf protocol 2.4, 2.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.routing.peer import LeafSide, Peer

    Key = tuple[bytes, bytes]

# Loops are found by it, so it goes everywhere but back.
LOOP_PREFIX: Final = b"$LDS."


class LinkWatcher(Protocol):
    """A leaf link that keeps its peer in step with an account's interest."""

    peer: Peer

    def interest_changed(self, subject: bytes, queue: bytes) -> None:
        """The count of this key may be another one now."""
        ...


class _Wants:
    """Who wants one key: members below and above, in all and by origin."""

    __slots__ = ("above", "below", "by_origin")

    def __init__(self) -> None:
        self.below = 0
        self.above = 0
        self.by_origin: dict[str, tuple[int, int]] = {}

    def add(self, side: LeafSide, by: int) -> None:
        below, above = (0, by) if side.is_hub else (by, 0)
        self.below += below
        self.above += above
        before = self.by_origin.get(side.origin, (0, 0))
        now = before[0] + below, before[1] + above
        if any(now):
            self.by_origin[side.origin] = now
        else:
            self.by_origin.pop(side.origin, None)

    def count(self, to: LeafSide, *, is_loop: bool) -> int:
        below, above = self.by_origin.get(to.origin, (0, 0))
        others = self.below - below
        return others if to.is_hub and not is_loop else others + self.above - above


class LeafInterest:
    """All interest of one account that leaf links brought. Bounded by what each link may have."""

    __slots__ = ("_wants", "listeners")

    def __init__(self) -> None:
        self._wants: dict[Key, _Wants] = {}
        self.listeners: set[Callable[[bytes], None]] = set()  # hear each subject that one asks for

    def __iter__(self) -> Iterator[Key]:
        return iter(self._wants)

    def __contains__(self, key: Key) -> bool:
        return key in self._wants

    def add(self, key: Key, side: LeafSide, by: int) -> None:
        """Count members in, or out where `by` is negative."""
        wants = self._wants.get(key)
        if wants is None:
            wants = self._wants[key] = _Wants()
        wants.add(side, by)
        if not wants.by_origin:
            del self._wants[key]
        if by > 0:
            for listener in tuple(self.listeners):
                listener(key[0])

    def count(self, key: Key, to: LeafSide) -> int:
        """Return how many of them a link with this side is told of."""
        wants = self._wants.get(key)
        if wants is None or to.is_isolated:
            return 0
        return wants.count(to, is_loop=key[0].startswith(LOOP_PREFIX))
