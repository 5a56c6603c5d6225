"""Many patterns in one tree: which of them include a subject, and which have a subject in common.

What one pattern is asked of another (`protocol.subject`) is asked of thousands in one walk, so that
an account with thousands of exports costs no quadratic time. Knows bytes and numbers; not what is
exported or imported. Truth: `is_subset` and `collides`, which the tests compare it with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.errors import WalkError
from leafnode.limits import PATTERN_WALK_NODES, PATTERN_WALK_NODES_EACH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class _Node:
    __slots__ = ("children", "numbers")

    def __init__(self) -> None:
        self.children: dict[bytes, _Node] = {}
        self.numbers: list[int] = []  # of the patterns that end here


class Walk:
    """What all questions of one check may walk together: little more than there are questions.

    Patterns of many levels can cross in so many ways that each question passes all of them.
    """

    __slots__ = ("_nodes_left",)

    def __init__(self) -> None:
        self._nodes_left = PATTERN_WALK_NODES

    def ask(self) -> None:
        """Count one more question."""
        self._nodes_left += PATTERN_WALK_NODES_EACH

    def pass_nodes(self, count: int) -> None:
        """Count nodes. Raises WalkError where they are too many."""
        self._nodes_left -= count
        if self._nodes_left < 0:
            raise WalkError("wildcards that cross in too many ways to be compared")


class PatternSet:
    """Patterns, each under the number of its place: the first one added is 0."""

    __slots__ = ("_root", "_size")

    def __init__(self, patterns: Iterable[bytes] = ()) -> None:
        self._root = _Node()
        self._size = 0
        for pattern in patterns:
            self.add(pattern)

    def __len__(self) -> int:
        """How many were added."""
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

    def remove(self, pattern: bytes, number: int) -> None:
        """Take out the one that was added under this number."""
        node = self._root
        above: list[tuple[_Node, bytes]] = []
        for token in pattern.split(b"."):
            above.append((node, token))
            node = node.children[token]
        node.numbers.remove(number)
        while above and not (node.numbers or node.children):
            node, token = above.pop()
            del node.children[token]

    def let_go(self) -> Iterator[None]:
        """Free it in steps: nothing is asked of it any more. Thousands take milliseconds."""
        branch = [self._root]
        while branch:
            children = branch[-1].children
            if children:
                branch.append(children.popitem()[1])
            else:
                branch.pop()
            yield

    def which(self, literal: bytes) -> int | None:
        """Return the number of a pattern that stands for a literal subject; None: there is none.

        Passes each node once at most.
        """
        nodes = [self._root]
        for token in literal.split(b"."):
            following: list[_Node] = []
            for node in nodes:
                children = node.children
                if (rest := children.get(b">")) is not None and rest.numbers:
                    return rest.numbers[0]
                if (star := children.get(b"*")) is not None:
                    following.append(star)
                if token != b"*" and (same := children.get(token)) is not None:
                    following.append(same)
            nodes = following
        return next((node.numbers[0] for node in nodes if node.numbers), None)

    def including(self, subject: bytes, walk: Walk, *, stars_take_all: bool = False) -> list[int]:
        """Return the numbers of the patterns that include a subject or pattern, in order.

        `stars_take_all`: a last `*` includes `>`, too, as the JWT library has it. Raises WalkError.
        """
        walk.ask()
        tokens = subject.split(b".")
        last = len(tokens)
        found: list[int] = []
        open_nodes = [(self._root, 0)]
        while open_nodes:
            node, index = open_nodes.pop()
            walk.pass_nodes(1)
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

    def colliding(self, subject: bytes, walk: Walk) -> Iterator[int]:
        """Yield the numbers of the patterns that have a subject in common with it, in no order.

        One at a time: thousands that cross thousands cost who needs only one of them no more.
        Raises WalkError.
        """
        walk.ask()
        tokens = subject.split(b".")
        last = len(tokens)
        levels: list[Iterator[_Node]] = [iter((self._root,))]
        while levels:
            node = next(levels[-1], None)
            index = len(levels) - 1
            if node is None:
                levels.pop()
                continue
            walk.pass_nodes(1)
            if index == last:
                yield from node.numbers
                continue
            children, token = node.children, tokens[index]
            if token == b">":
                yield from _all_below(node, walk)
                continue
            if (rest := children.get(b">")) is not None:
                yield from rest.numbers
            if token == b"*":
                levels.append(child for name, child in children.items() if name != b">")
            else:
                levels.append(iter([children[name] for name in (token, b"*") if name in children]))

    def meet(self, others: Iterable[bytes], walk: Walk) -> bool:
        """Say whether any of them has a subject in common with any of the others. Raises
        WalkError.
        """
        return any(True for other in others for _ in self.colliding(other, walk))


def _all_below(top: _Node, walk: Walk) -> Iterator[int]:
    levels: list[Iterator[_Node]] = [iter(top.children.values())]
    while levels:
        node = next(levels[-1], None)
        if node is None:
            levels.pop()
            continue
        walk.pass_nodes(1)
        yield from node.numbers
        levels.append(iter(node.children.values()))
