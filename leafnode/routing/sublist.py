"""Subject trie: which subscriptions match a subject.  HOT

Knows subjects and opaque subscriptions; not accounts, permissions or connections.
Truth: nats-server server/sublist.go; oracle in tests/oracle/matcher.py.

Results are cached by subject. A literal subscription spoils one cached result, one with a wildcard
all of them at once through the generation number: clearing every cache on any SUB would be fatal
for clients that make an inbox subscription per request (measured).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.limits import MATCH_CACHE_MAX
from leafnode.protocol.subject import is_literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.routing.subscription import Subscription

_SPOILED = -1


class Group:
    """The members of one queue group that match one subject. `turn` picks the next, for all
    publishers.
    """

    __slots__ = ("members", "queue", "turn")

    def __init__(self, queue: bytes, members: list[Subscription], turn: int) -> None:
        self.queue = queue
        self.members = members
        self.turn = turn


class Match:
    """What one subject leads to. Current while its generation is the sublist's; never changed."""

    __slots__ = ("generation", "groups", "plain")

    def __init__(self, generation: int, plain: list[Subscription], groups: list[Group]) -> None:
        self.generation = generation
        self.plain = plain
        self.groups = groups


class _Node:
    __slots__ = ("full", "groups", "literals", "plain", "star")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.star: _Node | None = None
        self.full: _Node | None = None
        self.plain: list[Subscription] = []
        self.groups: dict[bytes, list[Subscription]] = {}

    def is_empty(self) -> bool:
        return not (self.plain or self.groups or self.literals or self.star or self.full)

    def child(self, token: bytes) -> _Node | None:
        if token == b"*":
            return self.star
        if token == b">":
            return self.full
        return self.literals.get(token)

    def grow(self, token: bytes) -> _Node:
        node = self.child(token)
        if node is None:
            node = _Node()
            if token == b"*":
                self.star = node
            elif token == b">":
                self.full = node
            else:
                self.literals[token] = node
        return node

    def prune(self, token: bytes) -> None:
        if token == b"*":
            self.star = None
        elif token == b">":
            self.full = None
        else:
            del self.literals[token]


class Sublist:
    """All subscriptions of one account."""

    __slots__ = (
        "_cache",
        "_root",
        "_turn",
        "count",
        "generation",
        "hits",
        "inserts",
        "misses",
        "removes",
    )

    def __init__(self) -> None:
        self._root = _Node()
        self._cache: dict[bytes, Match] = {}
        self._turn = 0
        self.generation = 0
        self.count = 0
        self.inserts = 0
        self.removes = 0
        self.hits = 0  # looked up and found in the cache
        self.misses = 0

    @property
    def cached(self) -> int:
        return len(self._cache)

    def fanout(self) -> tuple[int, int]:
        """Return the most receivers that a cached result has, and how many all have together."""
        most = total = 0
        for match in self._cache.values():
            count = len(match.plain) + len(match.groups)
            total += count
            most = max(most, count)
        return most, total

    def __iter__(self) -> Iterator[Subscription]:
        """Walk the trie. What comes and goes meanwhile may be among them or not."""
        nodes = [self._root]
        while nodes:
            node = nodes.pop()
            yield from list(node.plain)
            for members in list(node.groups.values()):
                yield from list(members)
            nodes += node.literals.values()
            nodes += [child for child in (node.star, node.full) if child is not None]

    def insert(self, sub: Subscription) -> None:
        """Add a subscription. Its subject must be valid."""
        node = self._root
        for token in sub.subject.split(b"."):
            node = node.grow(token)
        if sub.queue:
            node.groups.setdefault(sub.queue, []).append(sub)
        else:
            node.plain.append(sub)
        self.count += 1
        self.inserts += 1
        self.spoil(sub.subject)

    def remove(self, sub: Subscription) -> bool:
        """Take a subscription out; False when it was not there."""
        path: list[tuple[_Node, bytes]] = []
        node = self._root
        for token in sub.subject.split(b"."):
            path.append((node, token))
            child = node.child(token)
            if child is None:
                return False
            node = child
        members = node.groups.get(sub.queue, []) if sub.queue else node.plain
        if sub not in members:
            return False
        members.remove(sub)
        if sub.queue and not members:
            del node.groups[sub.queue]
        self.count -= 1
        self.removes += 1
        self.spoil(sub.subject)
        while path and node.is_empty():
            node, token = path.pop()
            node.prune(token)
        return True

    def all(self) -> list[Subscription]:
        """Return every subscription there is, walking the whole trie."""
        found: list[Subscription] = []
        nodes = [self._root]
        while nodes:
            node = nodes.pop()
            found += node.plain
            for members in node.groups.values():
                found += members
            nodes += node.literals.values()
            nodes += [child for child in (node.star, node.full) if child is not None]
        return found

    def spoil(self, subject: bytes) -> None:
        """Make every cached result that this subscription subject takes part in be found anew."""
        if is_literal(subject):
            match = self._cache.pop(subject, None)
            if match is not None:
                match.generation = _SPOILED
        else:
            self.generation += 1
            self._cache.clear()

    def match(self, subject: bytes) -> Match:
        """Return what matches a literal subject, from the cache where it is there."""
        match = self._cache.get(subject)
        if match is not None:
            self.hits += 1
            return match
        self.misses += 1
        match = self.find(subject)
        if len(self._cache) >= MATCH_CACHE_MAX:
            # Spoil them all: a route may hold one that no later SUB would find here.
            self.generation += 1
            self._cache.clear()
            match.generation = self.generation
        self._cache[subject] = match
        return match

    @property
    def changes(self) -> int:
        """Differs whenever a subscription was added or removed in between."""
        return self.inserts + self.removes

    def find_children(self, parent: bytes) -> Match | None:
        """Return what matches each subject one token below `parent`, or None where that depends on
        the token.
        """
        plain: list[Subscription] = []
        groups: dict[bytes, list[Subscription]] = {}
        level = [self._root]
        for token in parent.split(b"."):
            level = _step(level, token, plain, groups)
        for node in level:
            if node.literals:
                return None
            if node.full is not None:
                _collect(node.full, plain, groups)
            if node.star is not None:
                _collect(node.star, plain, groups)
        return Match(self.generation, plain, self._groups(groups))

    def find(self, subject: bytes) -> Match:
        """Return what matches, walking the trie and leaving the cache alone: for one-off
        inboxes.
        """
        plain: list[Subscription] = []
        groups: dict[bytes, list[Subscription]] = {}
        level = [self._root]
        for token in subject.split(b"."):
            level = _step(level, token, plain, groups)
            if not level:
                break
        for node in level:
            _collect(node, plain, groups)
        return Match(self.generation, plain, self._groups(groups) if groups else [])

    def _groups(self, groups: dict[bytes, list[Subscription]]) -> list[Group]:
        found = []
        for queue, members in groups.items():
            # A new result starts at another member, so that short-lived results stay fair too.
            self._turn += 1
            found.append(Group(queue, members, self._turn))
        return found


def _step(
    level: list[_Node],
    token: bytes,
    plain: list[Subscription],
    groups: dict[bytes, list[Subscription]],
) -> list[_Node]:
    """Go one token down, collecting what ends in `>` here."""
    following: list[_Node] = []
    for node in level:
        if node.full is not None:
            _collect(node.full, plain, groups)
        literal = node.literals.get(token)
        if literal is not None:
            following.append(literal)
        if node.star is not None:
            following.append(node.star)
    return following


def _collect(
    node: _Node, plain: list[Subscription], groups: dict[bytes, list[Subscription]]
) -> None:
    plain.extend(node.plain)
    for queue, members in node.groups.items():
        groups.setdefault(queue, []).extend(members)
