"""Which subscriptions match a subject: a table for the literal ones, a trie for wildcards.  HOT

Knows subjects and opaque subscriptions; not accounts, permissions or connections.
Truth: nats-server server/sublist.go; oracle in tests/oracle/matcher.py.

Most subscriptions are literal: one look-up finds them, and the trie is walked for wildcards alone.
Results are cached by subject. A literal subscription spoils one cached result, one with a wildcard
all of them at once through the generation number: clearing every cache on any SUB would be fatal
for clients that make an inbox subscription per request (measured).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import (
    BELOW_CACHE_MAX,
    FOUND_WORK,
    MATCHES_ALL_BYTES_MAX,
    MATCHES_BYTES_MAX,
    SEEN_SUBJECTS,
    WALK_WORK,
)
from leafnode.protocol.subject import is_literal, is_routable
from leafnode.routing.budget import Budget, Share, SharedLists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.routing.peer import Outbox
    from leafnode.routing.subscription import Subscription

_SPOILED = -1
# A result with so many plain subscriptions shares the list with the others that have the same.
WIDE: Final = 16
_MATCH_BYTES: Final = 340  # with its lists and its place in a table
_GROUP_BYTES: Final = 180
_SUB_BYTES: Final = 8  # each in a list
_FOUND_FREE: Final = 16  # in what is counted for their deliveries
_ACK_PREFIX: Final = b"$JS.ACK."  # numbers end such a subject: none comes twice
_ACK_NUMBERS: Final = 5

Members = list["Subscription"] | dict["Subscription", None]
_SEEN_MASK = SEEN_SUBJECTS - 1
_SEEN_BITS = SEEN_SUBJECTS.bit_length() - 1


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


def size_of_match(match: Match) -> int:
    """Return what a result takes in memory, without its subject and a list that it may share."""
    size = _MATCH_BYTES
    if len(match.plain) < WIDE:
        size += _SUB_BYTES * len(match.plain)
    for group in match.groups:
        size += _GROUP_BYTES + _SUB_BYTES * len(group.members)
    return size


class _Node:
    """A token of patterns with wildcards; `subs` are those that end here."""

    __slots__ = ("full", "literals", "star", "subs")

    def __init__(self) -> None:
        # Shared until something is put in: most nodes lack one of the two, and a flood of
        # subscriptions has three nodes each (100,000 of `f.N.*.>`: 25 MB less).
        self.literals: dict[bytes, _Node] = _NO_NODES
        self.star: _Node | None = None
        self.full: _Node | None = None
        self.subs: Members = _NO_SUBS

    def is_empty(self) -> bool:
        return not (self.subs or self.literals or self.star or self.full)

    def child(self, token: bytes) -> _Node | None:
        # Most tokens are literal: a pattern's other one is found second.
        node = self.literals.get(token)
        if node is None:
            if token == b"*":
                return self.star
            if token == b">":
                return self.full
        return node

    def grow(self, token: bytes) -> _Node:
        """Add the child for a token that has none."""
        node = _Node()
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


_NO_NODES: Final[dict[bytes, _Node]] = {}
_NO_SUBS: Final[list[Subscription]] = []
_LIST_MAX: Final = 16  # more members of one subject are a table: taking one out costs no walk


def _with(members: Members, sub: Subscription) -> Members:
    """Return the members with one more, in the order in which they came."""
    if isinstance(members, dict):
        members[sub] = None
        return members
    members.append(sub)
    return members if len(members) <= _LIST_MAX else dict.fromkeys(members)


def _without(members: Members, sub: Subscription) -> bool:
    """Take one out; False when it was not there."""
    if sub not in members:
        return False
    if isinstance(members, dict):
        del members[sub]
    else:
        members.remove(sub)
    return True


class Sublist(Share):
    """All subscriptions of one account. What it caches of their results is its share."""

    __slots__ = (
        "_below",
        "_below_bytes",
        "_cache",
        "_literals",
        "_payer",
        "_queued",
        "_root",
        "_seen",
        "_wide",
        "generation",
        "hits",
        "inserts",
        "misses",
        "removes",
        "turn",
    )

    def __init__(self, payer: Outbox | None = None) -> None:
        """What a look-up finds, and a walk with many branches, is work of the payer's turn."""
        budget = Budget(MATCHES_ALL_BYTES_MAX) if payer is None else payer.matches
        super().__init__(budget, MATCHES_BYTES_MAX)
        self._payer = payer
        self._literals: dict[bytes, Members] = {}
        self._root = _Node()
        self._queued = 0  # subscriptions with a queue
        self._cache: dict[bytes, Match] = {}
        self._below: dict[tuple[bytes, int], Match | None] = {}  # see `find_below`
        self._below_bytes = 0
        self._wide: SharedLists[Subscription] = SharedLists()  # long ones of several results
        self._seen = bytearray()  # see `look_once`
        self.turn = 0  # where the groups of the next result begin
        self.generation = 0
        self.inserts = 0
        self.removes = 0
        self.hits = 0  # looked up and found in the cache
        self.misses = 0

    @property
    def count(self) -> int:
        """How many there are now."""
        return self.inserts - self.removes

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
        """Walk them all, each once. What comes and goes meanwhile may be among them or not.

        Of what stays nothing is missed: each table is walked as it was when the walk came to it. To
        take hold of one takes 2 ms for 100,000 subjects on a PC, once; the walk is in slices.
        """
        for members in list(self._literals.values()):
            yield from list(members)
        walk = [iter([self._root])]
        while walk:
            node = next(walk[-1], None)
            if node is None:
                walk.pop()
                continue
            yield from list(node.subs)
            wild = [child for child in (node.star, node.full) if child is not None]
            walk += [iter(wild), iter(list(node.literals.values()))]

    def insert(self, sub: Subscription) -> None:
        """Add a subscription. Its subject must be valid."""
        subject = sub.subject
        literal = is_literal(subject)
        if literal:
            members = self._literals.get(subject)
            self._literals[subject] = [sub] if members is None else _with(members, sub)
        else:
            node = self._root
            for token in subject.split(b"."):
                node = node.child(token) or node.grow(token)
            node.subs = [sub] if node.subs is _NO_SUBS else _with(node.subs, sub)
        self._queued += bool(sub.queue)
        self.inserts += 1
        if self._cache or self._below:
            self._spoil(subject, literal=literal)

    def remove(self, sub: Subscription) -> bool:
        """Take a subscription out; False when it was not there."""
        members = self._literals.get(sub.subject)
        literal = members is not None
        taken = self._drop_pattern(sub) if members is None else _without(members, sub)
        if not taken:
            return False
        if literal and not members:
            del self._literals[sub.subject]
        if sub.queue:
            self._queued -= 1
        self.removes += 1
        if self._cache or self._below:
            self._spoil(sub.subject, literal=literal)
        return True

    def _drop_pattern(self, sub: Subscription) -> bool:
        path: list[tuple[_Node, bytes]] = []
        node = self._root
        for token in sub.subject.split(b"."):
            path.append((node, token))
            child = node.child(token)
            if child is None:
                return False
            node = child
        if not _without(node.subs, sub):
            return False
        while path and node.is_empty():
            node, token = path.pop()
            node.prune(token)
        return True

    def spoil(self, subject: bytes) -> None:
        """Make every cached result that this subscription subject takes part in be found anew.

        Where nothing was looked up since the last time, nothing is left to spoil: a reload does it
        for each of 10,000 clients.
        """
        self._spoil(subject, literal=is_literal(subject))

    def _spoil(self, subject: bytes, *, literal: bool) -> None:
        if literal:
            match = self._cache.pop(subject, None)
            if match is not None:
                match.generation = _SPOILED
                size = size_of_match(match) + len(subject)
                if len(match.plain) >= WIDE:
                    size += _SUB_BYTES * self._wide.release(match.plain)
                self.hold(-size)
            return
        if self._cache or self._below:
            self.empty()

    def drop(self) -> None:
        """Spoil all cached results: a route may hold one that no later SUB would find here."""
        if self._cache:
            self.generation += 1
            self._cache.clear()
        self._below.clear()
        self._below_bytes = 0
        self._wide.clear()

    def match(self, subject: bytes) -> Match:
        """Return what matches a literal subject, from the cache where it is there."""
        match = self._cache.get(subject)
        if match is not None:
            self.hits += 1
            return match
        self.misses += 1
        plain, groups = self.look(subject)
        match = Match(_SPOILED, plain, groups)
        size = size_of_match(match) + len(subject)
        # Where even this one is too large it is held beyond the bound, alone: a SUB must find it.
        if not self.make_room(size + _SUB_BYTES * len(plain)):
            self.empty()
        if len(plain) >= WIDE:
            match.plain = self._wide.alike(plain)
            size += _SUB_BYTES * self._wide.use(match.plain)
        match.generation = self.generation
        self._cache[subject] = match
        self.hold(size)
        return match

    @property
    def changes(self) -> int:
        """Differs whenever a subscription was added or removed in between."""
        return self.inserts + self.removes

    def has_literal(self, subject: bytes) -> bool:
        """Say whether there is a literal subscription to this subject."""
        return subject in self._literals

    def has(self, subject: bytes) -> bool:
        """Say whether there is a subscription to this very subject or pattern."""
        if is_literal(subject):
            return subject in self._literals
        node = self._root
        for token in subject.split(b"."):
            child = node.child(token)
            if child is None:
                return False
            node = child
        return bool(node.subs)

    def find_below(self, parent: bytes, depth: int = 1) -> Match | None:
        """Return which patterns match each subject `depth` tokens below `parent`, or None where
        that depends on the tokens. `has_literal` tells of the rest.
        """
        key = (parent, depth)
        if key in self._below:
            return self._below[key]
        match = self._look_below(parent, depth)
        size = _MATCH_BYTES + len(parent) + (_SUB_BYTES * len(match.plain) if match else 0)
        if len(self._below) >= BELOW_CACHE_MAX:
            self._below.clear()
            self.hold(-self._below_bytes)
            self._below_bytes = 0
        if self.make_room(size):
            self._below[key] = match
            self._below_bytes += size
            self.hold(size)
        return match

    def _look_below(self, parent: bytes, depth: int) -> Match | None:
        found: list[Subscription] = []
        level = [self._root]
        walked = 0  # nodes beyond one a token
        for token in parent.split(b"."):
            found += [sub for node in level if node.full for sub in node.full.subs]
            below = [child for node in level for child in (node.literals.get(token), node.star)]
            level = [node for node in below if node is not None]
            walked += max(0, len(level) - 1)
        for _ in range(depth):
            if any(node.literals for node in level):
                self._pay(walked, 0)
                return None
            found += [sub for node in level if node.full for sub in node.full.subs]
            level = [node.star for node in level if node.star is not None]
            walked += max(0, len(level) - 1)
        found += [sub for node in level for sub in node.subs]
        self._pay(walked, len(found))
        return Match(self.generation, *self._split(found))

    def find(self, subject: bytes) -> Match:
        """Return what matches a literal subject, leaving the cache alone: for one-off inboxes."""
        return Match(self.generation, *self.look(subject))

    def find_inbox(self, subject: bytes) -> Match:
        """Return what `find` does; quick where a client has many inboxes below one subscription."""
        parent, _, last = subject.rpartition(b".")
        if parent and last and subject not in self._literals and is_routable(subject):
            match = self.find_below(parent)
            if match is not None and not match.groups:
                return match
        return self.find(subject)

    def look_once(self, subject: bytes) -> tuple[list[Subscription], list[Group]] | None:
        """Return what `look` does; None for a subject that was probably asked for lately: then it
        is worth a place in a cache.

        Remembered is a byte of each subject's hash, at one of two places that the hash gives: wrong
        answers are rare.
        """
        if subject.startswith(_ACK_PREFIX):
            parent = subject.rsplit(b".", _ACK_NUMBERS)[0]
            match = self.find_below(parent, _ACK_NUMBERS)
            same = match is not None and not match.groups and subject not in self._literals
            if match is not None and same and is_routable(subject):
                return [*match.plain], []
        seen = self._seen
        if not seen:
            seen.extend(bytes(SEEN_SUBJECTS))
        code = hash(subject)
        place = code & _SEEN_MASK
        mark = code >> _SEEN_BITS & 255 or 1  # 0: nothing was asked for yet
        if seen[place] == mark or seen[place ^ 1] == mark:
            return None
        seen[place ^ 1] = seen[place]
        seen[place] = mark
        return self.look(subject)

    def look(self, subject: bytes) -> tuple[list[Subscription], list[Group]]:
        """Return the plain subscriptions and the groups that match a literal subject.

        The lists are the caller's. What is no valid subject matches nothing. The trie is walked
        depth first (10,000 subscriptions, cold: 0.9 us; with a list of nodes a level 2.2 us).
        """
        found: list[Subscription] = []
        node = self._root
        tokens = subject.split(b".")
        count = len(tokens)
        index = 0
        branches: list[tuple[_Node, int]] = []  # `*` beside a literal, still to be followed
        walked = 0  # nodes, where there are branches
        while True:
            while index < count:
                if node.full is not None:
                    found += node.full.subs
                star = node.star
                child = node.literals.get(tokens[index])
                index += 1
                if child is not None:
                    if star is not None:
                        branches.append((star, index))
                    node = child
                elif star is not None:
                    node = star
                else:
                    break
            else:
                found += node.subs
            if not branches:
                break
            walked += index
            node, index = branches.pop()
            walked -= index
        if walked:
            walked += index
        if found and not is_routable(subject):
            found = []
        literal = self._literals.get(subject)
        if literal is not None:
            found += literal
        if walked or len(found) > _FOUND_FREE:
            self._pay(walked, len(found))
        return self._split(found) if self._queued else (found, [])

    def _pay(self, walked: int, found: int) -> None:
        """Count nodes that were walked beside the straight way, and what was found, as work."""
        if self._payer is not None:
            if found > _FOUND_FREE:
                self._payer.work_left -= FOUND_WORK * found
            self._payer.work_left -= WALK_WORK * walked

    def _split(self, found: list[Subscription]) -> tuple[list[Subscription], list[Group]]:
        """Tell plain subscriptions from members of groups."""
        plain: list[Subscription] = []
        groups: dict[bytes, Group] = {}
        turn = self.turn + 1
        for sub in found:
            if not sub.queue:
                plain.append(sub)
            elif sub.queue in groups:
                groups[sub.queue].members.append(sub)
            else:
                groups[sub.queue] = Group(sub.queue, [sub], turn)
        # A new result starts at another member, so that short-lived results stay fair too: one step
        # for all its groups, or of two groups each would always begin with the same member. What
        # has no group makes no step: an ack between each two messages would skip a member.
        if groups:
            self.turn = turn
        return plain, list(groups.values())
