"""Patterns of permissions and mappings, arranged so that one subject is compared with few of them.

Knows subjects and patterns; not what follows where one matches. Literal patterns of a permission
are a set, a few that only end in `>` prefixes, all others a trie like the sublist's; `crossings`
knows what a pattern has in common with them. Truth: `protocol.subject` has the slow forms of
permissions, tests/oracle/matcher.py the one of mappings; tests/unit/routing/test_subject_set.py
holds both equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.protocol import subject as subjects
from leafnode.routing.crossings import Crossings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from typing import Self

_NO_STAR: Final = frozenset((b"", b">"))  # what no `*` of a mapping stands for
_STARRED: Final = re.compile(rb"(?<![^.])\*[^.]+")
_PREFIXES_MAX: Final = 16  # compared one by one, 20 ns each; more go into the trie


class Node:
    """A token of patterns. `ends` is the first pattern that ends here, `opens` the first behind
    which anything may follow.
    """

    __slots__ = ("ends", "literals", "opens", "star")

    def __init__(self) -> None:
        self.literals: dict[bytes, Node] = {}
        self.star: Node | None = None
        self.opens: int | None = None
        self.ends: int | None = None

    def grown(self, token: bytes) -> Node:
        """Return the child for a token, made if it is not there."""
        if token != b"*":
            node = self.literals.get(token)
            if node is None:
                node = self.literals[token] = Node()
            return node
        if self.star is None:
            self.star = Node()
        return self.star


class SubjectSet:
    """A list of patterns. `visits` is the most nodes of the trie that judging one subject takes."""

    __slots__ = ("_crossings", "_exact", "_prefixes", "_root", "patterns", "visits")

    def __init__(self, patterns: Iterable[bytes]) -> None:
        for _ in self._fill(patterns):
            pass

    @classmethod
    def made(cls, patterns: Iterable[bytes]) -> Generator[None, None, Self]:
        """Return the set of a list that may be long, in small steps."""
        one = cls.__new__(cls)
        yield from one._fill(patterns)
        return one

    def _fill(self, patterns: Iterable[bytes]) -> Iterator[None]:
        self.patterns = tuple(patterns)
        self._exact = frozenset(self.patterns)
        others: list[bytes] = []
        prefixes: list[bytes] = []
        for pattern in self.patterns:
            if not subjects.is_literal(pattern):
                (prefixes if _is_prefix(pattern) else others).append(pattern)
                yield
        # `a.b.>` is a prefix; a subject is never just "a.b.", since no token is empty.
        few = len(prefixes) <= _PREFIXES_MAX
        self._prefixes = tuple(pattern[:-1] for pattern in prefixes) if few else ()
        if not few:
            others += prefixes
        self._root = Node() if others else None
        self.visits = 0
        if self._root is not None:
            yield from grow(self._root, others)
            self.visits = yield from most_visits(self._root)
        self._crossings: Crossings | None = None  # nobody has asked yet

    def matches(self, subject: bytes) -> bool:
        """Say whether a literal subject is one that some pattern stands for."""
        if subject in self._exact:
            return True
        found = subject.startswith(self._prefixes) or self._leads(subject)
        return found and not subjects.has_empty_token(subject)

    def covers(self, pattern: bytes) -> bool:
        """Say whether one of the patterns stands for all that `pattern` stands for."""
        found = (
            pattern in self._exact
            or pattern.startswith(self._prefixes)
            or self._leads(pattern, is_pattern=True)
        )
        return found and not subjects.has_empty_token(pattern)

    def collides(self, pattern: bytes) -> tuple[bool, int]:
        """Say whether some subject matches both `pattern` and one of the patterns, and in how many
        steps beside those of a literal subject that was found.
        """
        if self.covers(pattern):
            return True, 0
        if not self.patterns or subjects.is_literal(pattern):
            return False, 0
        if self._crossings is None:
            for _ in self.prepare():
                pass
        assert self._crossings is not None, "prepared"
        return self._crossings.cross(pattern)

    def prepare(self) -> Iterator[None]:
        """Make what `collides` goes by, in small steps: 1.5 us and 160 B for each pattern."""
        if self._crossings is None:
            crossings = Crossings()
            yield from crossings.fill(self.patterns)
            self._crossings = crossings

    def _leads(self, subject: bytes, *, is_pattern: bool = False) -> bool:
        """Walk the trie, depth first. No `*` stands for the `>` of a pattern."""
        node = self._root
        if node is None:
            return False
        tokens = subject.split(b".")
        count = len(tokens)
        index = 0
        branches: list[tuple[Node, int]] = []  # `*` beside a literal, still to be followed
        while True:
            while index < count:
                if node.opens is not None:
                    return True
                token = tokens[index]
                index += 1
                star = None if is_pattern and token == b">" else node.star
                child = node.literals.get(token)
                if child is not None:
                    if star is not None:
                        branches.append((star, index))
                    node = child
                elif star is not None:
                    node = star
                else:
                    break
            else:
                if node.ends is not None:
                    return True
            if not branches:
                return False
            node, index = branches.pop()


class FirstMatch:
    """Sources of mappings in an order. `visits` is the most nodes of the trie that one subject
    leads to.

    They match as nats-server's isSubsetMatchTokenized has it: a published `>` is for a last `>`
    alone, and every token that begins with `*` is one.
    """

    __slots__ = ("_root", "visits")

    def __init__(self, sources: Iterable[bytes]) -> None:
        for _ in self._fill(sources):
            pass

    @classmethod
    def made(cls, sources: Iterable[bytes]) -> Generator[None, None, Self]:
        """Return what finds the first of sources that may be many, in small steps."""
        one = cls.__new__(cls)
        yield from one._fill(sources)
        return one

    def _fill(self, sources: Iterable[bytes]) -> Iterator[None]:
        self._root = Node()
        yield from grow(self._root, (_STARRED.sub(b"*", source) for source in sources))
        self.visits = yield from most_visits(self._root)

    def of(self, subject: bytes) -> int | None:
        """Return which is the first that a published subject matches, counted from 0."""
        tokens = subject.split(b".")
        found: list[int | None] = []
        branches = [(self._root, 0)]
        while branches:
            node, index = branches.pop()
            if index == len(tokens):
                found.append(node.ends)
                continue
            found.append(node.opens)
            token = tokens[index]
            children = node.literals.get(token), None if token in _NO_STAR else node.star
            branches += [(child, index + 1) for child in children if child is not None]
        return min((number for number in found if number is not None), default=None)

    def let_go(self) -> Iterator[None]:
        """Free it, in steps: nothing is asked of it any more."""
        branch = [self._root]
        while branch:
            node = branch[-1]
            if node.literals:
                branch.append(node.literals.popitem()[1])
            elif node.star is not None:
                branch.append(node.star)
                node.star = None
            else:
                branch.pop()
            yield


def _is_prefix(pattern: bytes) -> bool:
    """Say whether all of it but a last token `>` is literal; in `a>` the `>` is, too."""
    return pattern == b">" or (pattern.endswith(b".>") and subjects.is_literal(pattern[:-2]))


def grow(root: Node, patterns: Iterable[bytes]) -> Iterator[None]:
    """Add patterns to a trie, with a step for each."""
    for number, pattern in enumerate(patterns):
        yield
        node = root
        for token in pattern.split(b"."):
            if token == b">":
                node.opens = number if node.opens is None else node.opens
                break
            node = node.grown(token)
        else:
            node.ends = number if node.ends is None else node.ends


def most_visits(root: Node) -> Generator[None, None, int]:
    """Return how many nodes a walk visits at worst: of literals one each time, and every `*`."""
    nodes = [root]
    for node in nodes:  # parents stand before their children
        yield
        nodes += node.literals.values()
        if node.star is not None:
            nodes.append(node.star)
    visits: dict[Node, int] = {}
    for node in reversed(nodes):
        yield
        literal = max((visits[child] for child in node.literals.values()), default=0)
        visits[node] = 1 + literal + (visits[node.star] if node.star is not None else 0)
    return visits[root]
