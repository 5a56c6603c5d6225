"""Many patterns in one tree: which of them include a subject, and which have a subject in common.

What one pattern is asked of another (`protocol.subject`) is asked of thousands in one walk, so that
an account with thousands of exports costs no quadratic time. Knows bytes and numbers; not what is
exported or imported. Truth: `is_subset` and `collides`, which the tests compare it with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Node:
    __slots__ = ("children", "numbers")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node] = {}
        self.numbers: list[int] = []  # of the patterns that end here


class PatternSet:
    """Patterns, each under the number of its place: the first one added is 0."""

    __slots__ = ("_root", "_size")

    def __init__(self, patterns: Iterable[bytes] = ()) -> None:
        self._root = _Node()
        self._size = 0
        for pattern in patterns:
            self.add(pattern)

    def __len__(self) -> int:
        return self._size

    def add(self, pattern: bytes) -> int:
        """Add one, also where it is there already; return its number."""
        node = self._root
        for token in pattern.split(b"."):
            following = node.children.get(token)
            if following is None:
                following = node.children[token] = _Node()
            node = following
        node.numbers.append(self._size)
        self._size += 1
        return self._size - 1

    def including(self, subject: bytes, *, stars_take_all: bool = False) -> list[int]:
        """Return the numbers of the patterns that include a subject or pattern, in order.

        `stars_take_all`: a last `*` includes `>`, too, as the JWT library has it.
        """
        tokens = subject.split(b".")
        last = len(tokens)
        found: list[int] = []
        open_nodes = [(self._root, 0)]
        while open_nodes:
            node, index = open_nodes.pop()
            if index == last:
                found += node.numbers
                continue
            children, token = node.children, tokens[index]
            if (rest := children.get(b">")) is not None:
                found += rest.numbers
            if (star := children.get(b"*")) is not None and (token != b">" or stars_take_all):
                open_nodes.append((star, index + 1))
            if token not in {b"*", b">"} and (same := children.get(token)) is not None:
                open_nodes.append((same, index + 1))
        return sorted(found)

    def colliding(self, subject: bytes) -> list[int]:
        """Return the numbers of the patterns that have a subject in common with it, in order."""
        tokens = subject.split(b".")
        last = len(tokens)
        found: list[int] = []
        open_nodes = [(self._root, 0)]
        while open_nodes:
            node, index = open_nodes.pop()
            if index == last:
                found += node.numbers
                continue
            children, token = node.children, tokens[index]
            if token == b">":
                for child in children.values():
                    found += _all_in(child)
                continue
            if (rest := children.get(b">")) is not None:
                found += rest.numbers
            if token == b"*":
                nodes = [child for name, child in children.items() if name != b">"]
            else:
                nodes = [children[name] for name in (token, b"*") if name in children]
            open_nodes += [(child, index + 1) for child in nodes]
        return sorted(found)


def _all_in(top: _Node) -> list[int]:
    found: list[int] = []
    nodes = [top]
    while nodes:
        node = nodes.pop()
        found += node.numbers
        nodes += node.children.values()
    return found
