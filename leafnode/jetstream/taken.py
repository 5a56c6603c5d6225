"""Which subjects an account's streams have taken: a new stream is held against all of them at once.

One tree of all patterns, followed when it is asked. What a stream had that changed or went counts
no more, and is taken out a slice for each question.
Knows names and subjects; no stores. Truth: nats-server 2.15.1 server/stream.go (subjectsOverlap);
`PatternSet`.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import WalkError
from leafnode.protocol.patterns import PatternSet, Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def have_common(subjects: Iterable[str], others: Iterable[bytes]) -> bool:
    """Say whether any of these overlaps any of those. Raises WalkError."""
    return PatternSet(map(str.encode, subjects)).meet(others, Walk())


class _Owner:
    """A stream with the subjects it had when it was looked at."""

    __slots__ = ("gone", "name", "numbers", "subjects")

    def __init__(self, name: str, subjects: Sequence[str], first: int) -> None:
        self.name = name
        self.numbers = range(first, first + len(subjects))
        self.subjects = subjects
        self.gone = False  # or it has others now


class TakenSubjects:
    """The subjects of streams by their names, as of the last question."""

    __slots__ = ("_leaving", "_owners", "_patterns", "_seen")

    def __init__(self) -> None:
        self._seen: dict[str, _Owner] = {}
        self._patterns = PatternSet()
        self._owners: dict[int, _Owner] = {}  # of the patterns, by their numbers
        self._leaving: deque[Iterator[tuple[int, str]]] = deque()  # to be taken out

    def overlap(
        self, name: str, subjects: Iterable[str], streams: Iterable[tuple[str, Sequence[str]]]
    ) -> bool:
        """Say whether another stream than `name` has a subject in common with these.

        `streams`: all there are, with their subjects. Raises WalkError.
        """
        known = dict(streams)
        self._follow(known)
        mine = [subject.encode() for subject in subjects]
        try:
            owners = (self._owners[number] for number in self._colliding(mine))
            return any(not one.gone and one.name != name for one in owners)
        except WalkError:  # of many streams together; each by itself may be walked
            patterns = PatternSet(mine)
            others = (taken for other, taken in known.items() if other != name)
            return any(patterns.meet(map(str.encode, taken), Walk()) for taken in others)

    def _colliding(self, subjects: list[bytes]) -> Iterator[int]:
        walk = Walk()
        for subject in subjects:
            yield from self._patterns.colliding(subject, walk)

    def _follow(self, streams: dict[str, Sequence[str]]) -> None:
        """Have just these: a stream that changes has another list."""
        seen = self._seen
        for owner in [one for one in seen.values() if streams.get(one.name) is not one.subjects]:
            owner.gone = True
            self._leaving.append(zip(owner.numbers, owner.subjects, strict=True))
            del seen[owner.name]
        added = 0
        for name in [one for one in streams if one not in seen]:
            owner = seen[name] = _Owner(name, streams[name], len(self._patterns))
            for subject in owner.subjects:
                self._owners[self._patterns.add(subject.encode())] = owner
            added += len(owner.subjects)
        # As many as came, so that they do not add up.
        self._take_out(max(added, limits.TAKEN_OUT_PER_QUESTION))

    def _take_out(self, most: int) -> None:
        """Take out so many subjects of streams that went."""
        leaving = self._leaving
        while leaving and most > 0:
            for number, subject in islice(leaving[0], most):
                self._patterns.remove(subject.encode(), number)
                del self._owners[number]
                most -= 1
            if most > 0:
                leaving.popleft()
