"""The trie of patterns with wildcards: a node for each token, with what ends there.  HOT

Knows tokens and opaque subscriptions; not what is cached of a look-up, nor literal subjects:
`sublist` has them in a table. Truth: nats-server server/sublist.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leafnode.routing.subscription import Subscription

PAUSE_NODES: Final = 32  # of a walk: each for itself would take as long as three of them
Members = list["Subscription"] | dict["Subscription", None]


class Node:
    """A token of patterns with wildcards; `subs` are those that end here."""

    __slots__ = ("full", "literals", "star", "subs")

    def __init__(self) -> None:
        # Shared until something is put in: most nodes lack one of the two, and a flood of
        # subscriptions has three nodes each (100,000 of `f.N.*.>`: 25 MB less).
        self.literals: dict[bytes, Node] = _NO_NODES
        self.star: Node | None = None
        self.full: Node | None = None
        self.subs: Members = NO_SUBS

    def is_empty(self) -> bool:
        return not (self.subs or self.literals or self.star or self.full)

    def child(self, token: bytes) -> Node | None:
        # Most tokens are literal: a pattern's other one is found second.
        node = self.literals.get(token)
        if node is None:
            if token == b"*":
                return self.star
            if token == b">":
                return self.full
        return node

    def grow(self, token: bytes) -> Node:
        """Add the child for a token that has none."""
        node = Node()
        if token == b"*":
            self.star = node
        elif token == b">":
            self.full = node
        elif self.literals is _NO_NODES:
            self.literals = {token: node}
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


_NO_NODES: Final[dict[bytes, Node]] = {}
NO_SUBS: Final[list[Subscription]] = []
_LIST_MAX: Final = 16  # more members of one subject are a table: taking one out costs no walk


def with_one(members: Members, sub: Subscription) -> Members:
    """Return the members with one more, in the order in which they came."""
    if isinstance(members, dict):
        members[sub] = None
        return members
    members.append(sub)
    return members if len(members) <= _LIST_MAX else dict.fromkeys(members)


def without(members: Members, sub: Subscription) -> bool:
    """Take one out; False when it was not there."""
    if sub not in members:
        return False
    if isinstance(members, dict):
        del members[sub]
    else:
        members.remove(sub)
    return True


def walk(root: Node, subject: bytes) -> Iterator[Iterable[Subscription]]:
    """Yield what matches a literal subject, a node at a time, depth first; nothing for each
    `PAUSE_NODES` that were passed.

    Between two of them anything may come and go. The nodes that lead to a subscription stand as
    long as it does, and no other way leads to it: so what stays is found, once, and what is found
    was there when the walk came by. Who takes time over one piece copies it.
    """
    tokens = subject.split(b".")
    count = len(tokens)
    branches = [(root, 0)]
    passed = 0
    while branches:
        node, index = branches.pop()
        passed += 1
        if passed % PAUSE_NODES == 0:
            yield ()
        if index == count:
            if node.subs:
                yield node.subs
            continue
        if node.full is not None and node.full.subs:
            yield node.full.subs
        token = tokens[index]
        index += 1
        if node.star is not None:
            branches.append((node.star, index))
        child = node.literals.get(token)
        if child is not None:
            branches.append((child, index))
