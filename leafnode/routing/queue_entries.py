"""Entries `subject queue` of permissions, arranged so that one question looks at few of them.

Knows subjects, queues and patterns of both; not what is allowed or denied. Entries of one subject
are a set of queues, the subjects a trie as those of entries without a queue are. Truth: one entry
after the other, as nats-server 2.15.1 server/client.go queueMatches has it;
tests/unit/routing/test_queue_entries.py holds both equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.protocol import subject as subjects
from leafnode.routing.subject_set import Node, SubjectSet, grow, most_visits

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import Self


_FEW: Final = 16  # queues of one subject, looked at one by one


class _Queues(NamedTuple):
    """A subject's pattern and the queues that it is named with; where they are many, as a set."""

    of: bytes
    names: list[bytes]
    known: SubjectSet | None

    def hold(self, queue: bytes) -> bool:
        """Say whether a queue is one of them, or one that wildcards of theirs cover."""
        if self.known is not None and not subjects.has_empty_token(queue):
            return self.known.covers(queue)
        return any(queue == name or subjects.is_subset(queue, name) for name in self.names)

    def stand_for(self, subject: bytes) -> bool:
        """Say whether the pattern matches, token by token; nothing stands for an empty token."""
        return subjects.matches(self.of, subject) and not subjects.has_empty_token(subject)


class QueueEntries:
    """A list of them. `visits` is the most nodes of the trie that one question takes."""

    __slots__ = ("_root", "_several", "entries", "visits")

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, bytes]] = []
        self.visits = 0
        self._several: list[_Queues] = []
        self._root = Node()

    @classmethod
    def made(cls, entries: list[tuple[bytes, bytes]]) -> Generator[None, None, Self]:
        """Return what a list says that may be long, in small steps."""
        one = cls()
        one.entries = entries
        queues: dict[bytes, list[bytes]] = {}
        for of, name in entries:
            yield
            queues.setdefault(of, []).append(name)
        for of, names in queues.items():
            known = (yield from SubjectSet.made(names)) if len(names) > _FEW else None
            one._several.append(_Queues(of, names, known))
        if queues:
            yield from grow(one._root, queues)
            one.visits = yield from most_visits(one._root)
        return one

    def cover(self, pattern: bytes, queue: bytes) -> bool:
        """Say whether an entry stands for all that this pattern does, and for this queue."""
        return bool(self._several) and any(
            subjects.is_subset(pattern, one.of) and one.hold(queue) for one in self._near(pattern)
        )

    def match(self, subject: bytes, queue: bytes) -> bool:
        """Say whether an entry matches this subject, token by token, and stands for this queue."""
        return bool(self._several) and any(
            one.stand_for(subject) and one.hold(queue) for one in self._near(subject)
        )

    def name(self, subject: bytes) -> bool:
        """Say whether an entry matches this subject, whatever the queue."""
        return bool(self._several) and any(one.stand_for(subject) for one in self._near(subject))

    def _near(self, subject: bytes) -> Iterator[_Queues]:
        """Yield those whose pattern matches this one, whose wildcards are tokens as others are."""
        tokens = subject.split(b".")
        branches = [(self._root, 0)]
        while branches:
            node, index = branches.pop()
            if index == len(tokens):
                if node.ends is not None:
                    yield self._several[node.ends]
                continue
            if node.opens is not None:
                yield self._several[node.opens]
            child = node.literals.get(tokens[index])
            branches += [(one, index + 1) for one in (child, node.star) if one is not None]
