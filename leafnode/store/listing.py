"""The newest sequence of each of very many subjects, ascending, looked for in steps.

What comes between two steps is looked at in the end, so that the list is as of then; what is
removed since the second look at its subject may be in it. Knows keys that stand for subjects, and
sequences; not where they are. Truth: `StreamStore.last_seqs`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

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
    """List them. Raises StoreError.

    Each is looked at twice: of one whose newest message goes meanwhile an older one is listed.
    """
    end = subjects.end()
    seen: dict[Key, int] = {}
    yield from _walk(subjects, subjects.keys(), seen.__setitem__)
    places = _Places(seen, (yield from _sorted(seen)))
    yield from _walk(subjects, seen, places.put)
    while end < subjects.end():
        came, end = subjects.since(end, limits.LISTED_PER_STEP)
        for key in came:
            places.put(key, subjects.newest(key) or subjects.search(key))
        if end < subjects.end():
            yield
    return places.all()


def _walk(
    subjects: Subjects[Key], keys: Iterable[Key], note: Callable[[Key, int], None]
) -> Generator[None, None, None]:
    """Note the newest sequence of each, 0 without any."""
    unsure: list[Key] = []
    left, newest = iter(keys), subjects.newest
    while some := list(islice(left, limits.LISTED_PER_STEP)):
        for key in some:
            seq = newest(key)
            if seq is None:
                unsure.append(key)
            else:
                note(key, seq)
        yield
    for start in range(0, len(unsure), _SEARCHES_A_STEP):
        for key in unsure[start : start + _SEARCHES_A_STEP]:
            note(key, subjects.search(key))
        yield


def _sorted(seen: dict[Key, int]) -> Generator[None, None, dict[int, list[int]]]:
    """Return the sequences by parts that lie one behind the other, each sorted."""
    parts: dict[int, list[int]] = {}
    seqs = filter(None, seen.values())
    while some := list(islice(seqs, limits.LISTED_PER_STEP)):
        for seq in some:
            parts.setdefault(seq >> _PART, []).append(seq)
        yield
    for part in parts.values():
        part.sort()
        yield
    return parts


class _Places(Generic[Key]):
    """Where the sequence of each key is among all of them."""

    def __init__(self, seqs: dict[Key, int], parts: dict[int, list[int]]) -> None:
        self._seqs = seqs
        self._parts = parts

    def put(self, key: Key, seq: int) -> None:
        """It is this one now, 0: none."""
        before = self._seqs.get(key, 0)
        if seq == before:
            return
        if before:
            part = self._parts[before >> _PART]
            del part[bisect_left(part, before)]
        if seq:
            insort(self._parts.setdefault(seq >> _PART, []), seq)
        self._seqs[key] = seq

    def all(self) -> list[int]:
        parts = self._parts
        return [*chain.from_iterable(parts[one] for one in sorted(parts))]
