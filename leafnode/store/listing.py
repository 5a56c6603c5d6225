"""The newest sequence of each of very many subjects, ascending, looked for in steps.

What comes between two steps is looked at in the end, so that the list is as of then; what is
removed meanwhile may be in it. Knows keys that stand for subjects, and sequences; not where they
are. Truth: `StreamStore.last_seqs`.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

Key = TypeVar("Key")
_PART: Final = 14  # bits: sequences that are sorted together
_SEARCHES_A_STEP: Final = 64


class Subjects(Protocol[Key]):
    """Those that are listed, of one stream."""

    def keys(self) -> Iterable[Key]:
        """All there are now; what is returned does not change."""
        ...

    def newest(self, key: Key) -> int | None:
        """Its newest sequence, 0 without any; None: it has to be searched for."""
        ...

    def search(self, key: Key) -> int:
        """Search for it."""
        ...

    def since(self, seq: int, most: int) -> tuple[Iterable[Key], int]:
        """Whose messages came from this sequence on, in no more than `most` messages; and the
        sequence behind those.
        """
        ...

    def end(self) -> int:
        """The sequence behind all."""
        ...


def in_steps(subjects: Subjects[Key]) -> Generator[None, None, list[int]]:
    """List them. Raises StoreError."""
    end = began = subjects.end()
    seen: dict[Key, int] = {}
    unsure: list[Key] = []
    keys = iter(subjects.keys())
    while some := list(islice(keys, limits.LISTED_PER_STEP)):
        newest = subjects.newest
        for key in some:
            seq = newest(key)
            if seq is None:
                unsure.append(key)
            elif seq:
                seen[key] = seq
        yield
    for start in range(0, len(unsure), _SEARCHES_A_STEP):
        for key in unsure[start : start + _SEARCHES_A_STEP]:
            seen[key] = subjects.search(key)
        yield
    parts = yield from _sorted(seen)
    later: dict[Key, int] = {}
    while end < subjects.end():
        came, end = subjects.since(end, limits.LISTED_PER_STEP)
        for key in came:
            seq = subjects.newest(key) or subjects.search(key)
            if seq and seq < began:  # what came is gone again: its place is the old one
                continue
            _take_out(parts, seen.pop(key, 0))
            later[key] = seq
        if end < subjects.end():
            yield
    return [*chain(*(parts[one] for one in sorted(parts))), *sorted(filter(None, later.values()))]


def _sorted(seen: dict[Key, int]) -> Generator[None, None, dict[int, list[int]]]:
    """Return the sequences by parts that lie one behind the other, each sorted."""
    parts: dict[int, list[int]] = {}
    seqs = iter(seen.values())
    while some := list(islice(seqs, limits.LISTED_PER_STEP)):
        for seq in some:
            parts.setdefault(seq >> _PART, []).append(seq)
        yield
    for part in parts.values():
        part.sort()
        yield
    return parts


def _take_out(parts: dict[int, list[int]], seq: int) -> None:
    part = parts.get(seq >> _PART, [])
    place = bisect_left(part, seq)
    if place < len(part) and part[place] == seq:
        del part[place]
