"""What other imports change, found out in steps before it holds: of thousands mostly none is new.

Knows lists; not what is imported.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

EntryT = TypeVar("EntryT")
T = TypeVar("T")


class Plan(NamedTuple, Generic[EntryT, T]):
    """All that is to be there, in order; what of that is new; and what goes."""

    all: list[EntryT]
    fresh: list[T]
    gone: list[T]

    @property
    def changes_nothing(self) -> bool:
        return not (self.fresh or self.gone)
