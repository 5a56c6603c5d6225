"""How many bytes caches may hold: each of them, and all of a kind together.

Knows sizes; not what is cached. Of all together the cache that has been holding something for
longest is emptied when another one needs room: that costs its owner what it takes to fill it again,
and whoever floods comes round to itself. Truth: docs/memory.md.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
_NOTHING: Final = -1  # not even an entry without bytes


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

    def end(self) -> None:
        """Hold nothing from now on: whose cache it is goes."""
        self.empty()
        self._most_bytes = _NOTHING

    def drop(self) -> None:
        """Let go of all entries."""
        raise NotImplementedError


class SharedLists(Generic[Item]):
    """Long lists that several entries of a cache have in common: each counts once, for as long as
    one of them uses it.
    """

    __slots__ = ("_alike", "_used")

    def __init__(self) -> None:
        self._used: dict[int, tuple[list[Item], int]] = {}  # by identity, with how many use it
        self._alike: dict[tuple[int, int, int], list[Item]] = {}  # one of those with such ends

    def use(self, items: list[Item]) -> int:
        """Note that one more entry uses a list; return how many items are held more for it."""
        _, uses = self._used.get(id(items), (items, 0))
        self._used[id(items)] = items, uses + 1
        return 0 if uses else len(items)

    def alike(self, items: list[Item]) -> list[Item]:
        """Return a list of the same items that is in use, or else this one."""
        key = _ends(items)
        known = self._alike.get(key)
        if known == items:
            return known
        self._alike[key] = items
        return items

    def release(self, items: list[Item]) -> int:
        """Note that an entry uses a list no more; return how many items are held less for it."""
        _, uses = self._used[id(items)]
        if uses > 1:
            self._used[id(items)] = items, uses - 1
            return 0
        del self._used[id(items)]
        if self._alike.get(_ends(items)) is items:
            del self._alike[_ends(items)]
        return len(items)

    def clear(self) -> None:
        self._used.clear()
        self._alike.clear()


def _ends(items: list[Item]) -> tuple[int, int, int]:
    return len(items), id(items[0]), id(items[-1])
