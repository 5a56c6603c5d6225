"""The tags of a user or an account, found by what they begin with.

Knows tags; not templates. Sorted, those with one beginning stand side by side: two searches,
however many there are. What is returned has the order of the JWT.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

from leafnode.limits import TEMPLATE_TAGS_AT_ONCE

_BEHIND_COLON: Final = chr(ord(":") + 1)


class Tags:
    """Arranged when somebody first asks, once."""

    __slots__ = ("_arranged", "_tags")

    def __init__(self, tags: tuple[str, ...]) -> None:
        self._tags = tags
        self._arranged: tuple[list[str], list[int]] | None = None  # sorted, and where each was

    @property
    def is_soon_asked(self) -> bool:
        """Whether asking takes no moment: arranging very many does."""
        return self._arranged is not None or len(self._tags) <= TEMPLATE_TAGS_AT_ONCE

    def count(self, name: str) -> int:
        """Return how many values a tag has."""
        first, end = self._span(name)
        return end - first

    def values(self, name: str) -> list[str]:
        """Return the values of a tag, in the order in which they were given."""
        first, end = self._span(name)
        start = len(name) + 1
        return [self._tags[number][start:] for number in sorted(self._sorted()[1][first:end])]

    def _span(self, name: str) -> tuple[int, int]:
        tags = self._sorted()[0]
        first = bisect_left(tags, f"{name}:")
        return first, bisect_left(tags, f"{name}{_BEHIND_COLON}", first)

    def _sorted(self) -> tuple[list[str], list[int]]:
        if self._arranged is None:
            order = sorted(range(len(self._tags)), key=self._tags.__getitem__)
            self._arranged = [self._tags[number] for number in order], order
        return self._arranged
