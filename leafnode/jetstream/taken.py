"""Which subjects an account's streams have taken: a new stream is held against all of them at once.

One tree of all patterns, followed when it is asked; made anew where a stream changed or went.
Knows names and subjects; no stores. Truth: nats-server 2.15.1 server/stream.go (subjectsOverlap);
`PatternSet`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.errors import WalkError
from leafnode.protocol.patterns import PatternSet, Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def have_common(subjects: Iterable[str], others: Iterable[bytes]) -> bool:
    """Say whether any of these overlaps any of those. Raises WalkError."""
    return PatternSet(map(str.encode, subjects)).meet(others, Walk())


class TakenSubjects:
    """The subjects of streams by their names, as of the last question."""

    __slots__ = ("_owners", "_patterns", "_seen")

    def __init__(self) -> None:
        self._seen: dict[str, Sequence[str]] = {}
        self._patterns = PatternSet()
        self._owners: list[str] = []  # of the patterns, by their numbers

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
            return any(self._owners[number] != name for number in self._colliding(mine))
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
        new = {name: taken for name, taken in streams.items() if seen.get(name) is not taken}
        if len(seen) + len(new) != len(streams):
            self._seen, self._patterns, self._owners, new = {}, PatternSet(), [], streams
        for name, taken in new.items():
            self._seen[name] = taken
            for subject in taken:
                self._patterns.add(subject.encode())
                self._owners.append(name)
