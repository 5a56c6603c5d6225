"""How many bytes caches may hold: each of them, and all of a kind together.

Knows sizes; not what is cached. Of all together the cache that has been holding something for
longest is emptied when another one needs room: that costs its owner what it takes to fill it again,
and whoever floods comes round to itself. Truth: docs/memory.md.
"""

from __future__ import annotations


class Budget:
    """What all caches of one kind may hold together."""

    __slots__ = ("_holders", "evicted", "held_bytes", "most_bytes")

    def __init__(self, most_bytes: int) -> None:
        self._holders: dict[Share, None] = {}  # that hold something, longest first
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self.evicted = 0  # caches that were emptied for the sake of others

    def make_room(self, size: int) -> None:
        """Empty caches until so many bytes more fit, or nothing is held."""
        while self._holders and self.held_bytes + size > self.most_bytes:
            self.evicted += 1
            next(iter(self._holders)).empty()

    def change(self, holder: Share, by: int) -> None:
        """Note that a cache holds more, or less, and whether it holds anything."""
        self.held_bytes += by
        if holder.held_bytes:
            self._holders[holder] = None
        else:
            self._holders.pop(holder, None)


class Share:
    """A cache's part of a budget. A subclass says with `drop` how it is emptied."""

    __slots__ = ("_budget", "_most_bytes", "held_bytes")

    def __init__(self, budget: Budget, most_bytes: int) -> None:
        self._budget = budget
        self._most_bytes = most_bytes
        self.held_bytes = 0

    def make_room(self, size: int) -> bool:
        """Say whether so many bytes may be held beside what is held; this or others may be emptied
        for it.
        """
        if size > self._most_bytes:
            return False
        if self.held_bytes + size > self._most_bytes:
            self.empty()
        self._budget.make_room(size)
        return True

    def hold(self, size: int) -> None:
        """Count so many bytes more; negative: less."""
        self.held_bytes += size
        self._budget.change(self, size)

    def empty(self) -> None:
        """Hold nothing any more."""
        self.drop()
        self.hold(-self.held_bytes)

    def drop(self) -> None:
        """Let go of all entries."""
        raise NotImplementedError
