"""Whom a turn of the loop had no time for: those whose bytes wait to be read, and who comes next.

Knows what reads of each cost until now, which is all that can be known before it is read. Who costs
little goes before who costs much, and who was never read before them: whoever asks for little does
not wait for a crowd that asks for a lot. Every other time it is who waits longest, so that nobody
waits for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LEVELS: Final = 10
_LEVEL_SHIFT: Final = 14  # of nanoseconds: 16 us, no read costs less; each level is twice as much


class Unread:
    """Reads that wait, each at most once."""

    __slots__ = ("_entered", "_levels", "_takes_oldest")

    def __init__(self) -> None:
        # By what they cost; in each in the order of coming, with the number of the coming.
        self._levels: Final[list[dict[Callable[[], None], int]]] = [{} for _ in range(_LEVELS)]
        self._entered = 0
        self._takes_oldest = False

    def __bool__(self) -> bool:
        return any(self._levels)

    def enter(self, read: Callable[[], None], cost_ns: int) -> None:
        """Let one wait that does not; `cost_ns` is what a read of it costs, 0 before the first."""
        level = min((cost_ns >> _LEVEL_SHIFT).bit_length(), _LEVELS - 1)
        self._entered += 1
        self._levels[level][read] = self._entered

    def take(self) -> Callable[[], None]:
        """Take out whose turn it is; somebody waits.

        Of those who cost as little the last that came is the first: a crowd that comes at once has
        to wait for itself.
        """
        used = [level for level in self._levels if level]
        if self._takes_oldest:
            level = min(used, key=lambda level: next(iter(level.values())))
            read = next(iter(level))
        else:
            level = used[0]
            read = next(reversed(level))
        self._takes_oldest = not self._takes_oldest
        del level[read]
        return read
