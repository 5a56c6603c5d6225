"""Patterns of permissions and mappings, arranged so that one subject is compared with few of them.

Knows subjects and patterns; not what follows where one matches. Literal patterns of a permission
are a set, a few that only end in `>` prefixes, all others a trie like the sublist's. Truth:
`protocol.subject` has the slow forms of permissions, tests/oracle/matcher.py the one of mappings;
tests/unit/routing/test_subject_set.py holds both equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.protocol import subject as subjects

if TYPE_CHECKING:
    from collections.abc import Iterable

_NO_STAR: Final = frozenset((b"", b">"))  # what no `*` of a mapping stands for
_STARRED: Final = re.compile(rb"(?<![^.])\*[^.]+")
_PREFIXES_MAX: Final = 16  # compared one by one, 20 ns each; more go into the trie


class _Node:
    """A token of patterns. `ends` is the first pattern that ends here, `opens` the first behind
    which anything may follow.
    """

    __slots__ = ("ends", "literals", "opens", "star")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.star: _Node | None = None
        self.opens: int | None = None
        self.ends: int | None = None

    def grown(self, token: bytes) -> _Node:
        """Return the child for a token, made if it is not there."""
        if token != b"*":
            node = self.literals.get(token)
            if node is None:
                node = self.literals[token] = _Node()
            return node
        if self.star is None:
            self.star = _Node()
        return self.star


class SubjectSet:
    """A list of patterns. `visits` is the most nodes of the trie that judging one subject takes."""

    __slots__ = ("_exact", "_prefixes", "_root", "_whole", "patterns", "visits")

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self.patterns = tuple(patterns)
        self._exact = frozenset(self.patterns)
        others = [pattern for pattern in self.patterns if not subjects.is_literal(pattern)]
        prefixes = [pattern for pattern in others if _is_prefix(pattern)]
        # `a.b.>` is a prefix; a subject is never just "a.b.", since no token is empty.
        few = len(prefixes) <= _PREFIXES_MAX
        self._prefixes = tuple(pattern[:-1] for pattern in prefixes) if few else ()
        if few:
            others = [pattern for pattern in others if not _is_prefix(pattern)]
        self._root = _grown(others) if others else None
        # A trie of all patterns, once somebody asks which of them collide with another.
        self._whole = self._root if len(others) == len(self.patterns) else None
        self.visits = 0 if self._root is None else _most_visits(self._root)

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
        """Say whether some subject matches both `pattern` and one of the patterns, and how many
        nodes of a trie of all patterns that took: a `*` of `pattern` leads to all there are.
        """
        if self.covers(pattern):
            return True, 0
        if not self.patterns or subjects.is_literal(pattern):
            return False, 0
        if self._whole is None:
            self._whole = _grown(self.patterns)
        tokens = pattern.split(b".")
        count = len(tokens)
        branches = [(self._whole, 0)]
        visited = 1
        while branches:
            node, index = branches.pop()
            if index == count:
                if node.ends is not None:
                    return True, visited
                continue
            below = _below(node, tokens[index])
            if below is None:
                return True, visited
            visited += len(below)
            branches += [(child, index + 1) for child in below]
        return False, visited

    def _leads(self, subject: bytes, *, is_pattern: bool = False) -> bool:
        """Walk the trie, depth first. No `*` stands for the `>` of a pattern."""
        node = self._root
        if node is None:
            return False
        tokens = subject.split(b".")
        count = len(tokens)
        index = 0
        branches: list[tuple[_Node, int]] = []  # `*` beside a literal, still to be followed
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
        self._root = _grown(_STARRED.sub(b"*", source) for source in sources)
        self.visits = _most_visits(self._root)

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


def _is_prefix(pattern: bytes) -> bool:
    """Say whether all of it but a last token `>` is literal; in `a>` the `>` is, too."""
    return pattern == b">" or (pattern.endswith(b".>") and subjects.is_literal(pattern[:-2]))


def _grown(patterns: Iterable[bytes]) -> _Node:
    root = _Node()
    for number, pattern in enumerate(patterns):
        node = root
        for token in pattern.split(b"."):
            if token == b">":
                node.opens = number if node.opens is None else node.opens
                break
            node = node.grown(token)
        else:
            node.ends = number if node.ends is None else node.ends
    return root


def _below(node: _Node, token: bytes) -> list[_Node] | None:
    """Return which children collide with a token, or None where all that follows does."""
    star = [] if node.star is None else [node.star]
    if node.opens is not None or (token == b">" and (star or node.literals)):
        return None
    if token == b"*":
        return [*node.literals.values(), *star]
    child = node.literals.get(token)
    return star if child is None else [child, *star]


def _most_visits(root: _Node) -> int:
    """Return how many nodes a walk visits at worst: of literals one each time, and every `*`."""
    nodes = [root]
    for node in nodes:  # parents stand before their children
        nodes += node.literals.values()
        if node.star is not None:
            nodes.append(node.star)
    visits: dict[_Node, int] = {}
    for node in reversed(nodes):
        literal = max((visits[child] for child in node.literals.values()), default=0)
        visits[node] = 1 + literal + (visits[node.star] if node.star is not None else 0)
    return visits[root]
