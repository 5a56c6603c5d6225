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
    FOUND_MAX,
    FOUND_WORK,
    MATCHES_ALL_BYTES_MAX,
    MATCHES_BYTES_MAX,
    RECEIVERS_MAX,
    RELAYS_MAX,
    SEEN_SUBJECTS,
    WALK_NODES_MAX,
    WALK_WORK,
)
from leafnode.protocol.subject import is_literal, is_routable
from leafnode.routing.answers import ACK_PREFIX
from leafnode.routing.below import Below
from leafnode.routing.budget import Budget, Share, SharedLists
from leafnode.routing.match import SUB_BYTES, WIDE, Group, Match, size_of_match
from leafnode.routing.trie import NO_SUBS, Node, walk, with_one, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leafnode.routing.peer import Outbox
    from leafnode.routing.subscription import Subscription
    from leafnode.routing.trie import Members

_SPOILED = -1
_FOUND_FREE: Final = 16  # in what is counted for their deliveries
_ACK_NUMBERS: Final = 5
_ALL: Final = 1 << 62  # of a look-up that is not cut

_SEEN_MASK = SEEN_SUBJECTS - 1
_SEEN_BITS = SEEN_SUBJECTS.bit_length() - 1


class Sublist(Share):
    """All subscriptions of one account. What it caches of their results is its share."""

    __slots__ = (
        "_below",
        "_cache",
        "_literals",
        "_payer",
        "_queued",
        "_relays",
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
        self._root = Node()
        self._queued = 0  # subscriptions with a queue
        self._relays = 0  # those that send on to another account
        self._cache: dict[bytes, Match] = {}
        self._below = Below(budget)  # see `find_below`
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
    def relays(self) -> int:
        """How many of them send on to another account."""
        return self._relays

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
            self._literals[subject] = [sub] if members is None else with_one(members, sub)
        else:
            node = self._root
            for token in subject.split(b"."):
                node = node.child(token) or node.grow(token)
            node.subs = [sub] if node.subs is NO_SUBS else with_one(node.subs, sub)
        self._queued += bool(sub.queue)
        self._relays += sub.relay is not None
        self.inserts += 1
        if self._cache or self._below.known:
            self._spoil(subject, literal=literal)

    def remove(self, sub: Subscription) -> bool:
        """Take a subscription out; False when it was not there."""
        members = self._literals.get(sub.subject)
        literal = members is not None
        taken = self._drop_pattern(sub) if members is None else without(members, sub)
        if not taken:
            return False
        if literal and not members:
            del self._literals[sub.subject]
        self._queued -= bool(sub.queue)
        self._relays -= sub.relay is not None
        self.removes += 1
        if self._cache or self._below.known:
            self._spoil(sub.subject, literal=literal)
        return True

    def _drop_pattern(self, sub: Subscription) -> bool:
        path: list[tuple[Node, bytes]] = []
        node = self._root
        for token in sub.subject.split(b"."):
            path.append((node, token))
            child = node.child(token)
            if child is None:
                return False
            node = child
        if not without(node.subs, sub):
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
                    size += SUB_BYTES * self._wide.release(match.plain)
                self.hold(-size)
            return
        if self._below.known:
            self._below.empty()
        if self._cache:
            self.empty()

    def drop(self) -> None:
        """Spoil all cached results: a route may hold one that no later SUB would find here."""
        if self._cache:
            self.generation += 1
            self._cache.clear()
        self._wide.clear()

    def end(self) -> None:
        """Keep no results from now on: the account goes, its subscriptions may follow later."""
        super().end()
        self._below.end()

    def match(self, subject: bytes) -> Match:
        """Return what matches a literal subject, from the cache where it is there."""
        match = self._cache.get(subject)
        if match is not None:
            self.hits += 1
            return match
        self.misses += 1
        match = self._decide(subject)
        plain = match.plain
        size = size_of_match(match) + len(subject)
        # Where even this one is too large it is held beyond the bound, alone: a SUB must find it.
        if not self.make_room(size + SUB_BYTES * len(plain)):
            self.empty()
            if self._most_bytes < 0:
                match.generation = _SPOILED
                return match
        if len(plain) >= WIDE:
            match.plain = self._wide.alike(plain)
            size += SUB_BYTES * self._wide.use(match.plain)
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
        known = self._below.known
        if key in known:
            return known[key]
        match = self._look_below(parent, depth)
        self._below.keep(key, match)
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
            if walked > WALK_NODES_MAX:
                break
        for _ in range(depth):
            if walked > WALK_NODES_MAX or any(node.literals for node in level):
                self._pay(walked, 0)
                return None
            found += [sub for node in level if node.full for sub in node.full.subs]
            level = [node.star for node in level if node.star is not None]
            walked += max(0, len(level) - 1)
        found += [sub for node in level for sub in node.subs]
        self._pay(walked, len(found))
        if walked > WALK_NODES_MAX or len(found) > RECEIVERS_MAX or self._is_relayed(found):
            return None  # a closer look says how wide it is
        return Match(self.generation, *self._split(found))

    def find(self, subject: bytes) -> Match:
        """Return all that matches a literal subject, however long that takes, leaving the cache
        alone.
        """
        return Match(self.generation, *self.look(subject))

    def _decide(self, subject: bytes) -> Match:
        found = self._look(subject, WALK_NODES_MAX)
        if found is None:
            return Match(self.generation, [], [], is_wide=True)
        return Match(self.generation, *found)

    def find_inbox(self, subject: bytes) -> Match:
        """Return what `match` does, leaving the cache alone: for one-off inboxes. Quick where a
        client has many of them below one subscription.
        """
        parent, _, last = subject.rpartition(b".")
        if parent and last and subject not in self._literals and is_routable(subject):
            match = self.find_below(parent)
            if match is not None and not match.groups:
                return match
        return self._decide(subject)

    def look_once(self, subject: bytes) -> tuple[list[Subscription], list[Group]] | None:
        """Return what `look` does; None for a subject that was probably asked for lately, or has
        a wide result: then it is worth a place in a cache.

        Remembered is a byte of each subject's hash, at one of two places that the hash gives: wrong
        answers are rare.
        """
        if subject.startswith(ACK_PREFIX):  # numbers end such a subject: none comes twice
            plain = self._find_ack(subject)
            if plain is not None:
                return [*plain], []
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
        return self._look(subject, WALK_NODES_MAX)

    def _find_ack(self, subject: bytes) -> list[Subscription] | None:
        """Return who gets this acknowledgement, or None where only a look at the trie tells."""
        parent, *numbers = subject.rsplit(b".", _ACK_NUMBERS)
        if len(numbers) < _ACK_NUMBERS or subject in self._literals or not is_routable(subject):
            return None
        match = self.find_below(parent, _ACK_NUMBERS)
        return match.plain if match is not None and not match.groups else None

    def look(self, subject: bytes) -> tuple[list[Subscription], list[Group]]:
        """Return the plain subscriptions and the groups that match a literal subject.

        The lists are the caller's. What is no valid subject matches nothing.
        """
        found = self._look(subject, _ALL)
        assert found is not None, "nothing is wide"
        return found

    def walk(self, subject: bytes) -> Iterator[Iterable[Subscription]]:
        """Yield what matches a literal subject, a node at a time, and nothing now and then. Of what
        stays, whatever else happens in between, all is among it, and once.
        """
        if is_routable(subject):
            yield from walk(self._root, subject)
        yield self._literals.get(subject, ())

    def _look(self, subject: bytes, most: int) -> tuple[list[Subscription], list[Group]] | None:
        """Do what `look` does; None where that takes more than `most` nodes, or finds more than
        one turn is for.

        The trie is walked depth first (10,000 subscriptions, cold: 0.9 us; with a list of nodes a
        level 2.2 us).
        """
        found: list[Subscription] = []
        node = self._root
        tokens = subject.split(b".")
        count = len(tokens)
        index = 0
        branches: list[tuple[Node, int]] = []  # `*` beside a literal, still to be followed
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
            if walked > most:
                self._pay(walked, 0)
                return None
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
            if most < _ALL and (len(found) > RELAYS_MAX or len(found) > RECEIVERS_MAX):
                return self._narrow(found)
        return self._split(found) if self._queued else (found, [])

    def _pay(self, walked: int, found: int) -> None:
        """Count nodes that were walked beside the straight way, and what was found, as work."""
        if self._payer is not None:
            if found > _FOUND_FREE:
                self._payer.work_left -= FOUND_WORK * found
            self._payer.work_left -= WALK_WORK * walked

    def _narrow(self, found: list[Subscription]) -> tuple[list[Subscription], list[Group]] | None:
        """Split many subscriptions: of a large group one gets the message. None: too much work."""
        if self._is_relayed(found):
            return None
        if len(found) <= RECEIVERS_MAX:
            return self._split(found) if self._queued else (found, [])
        if not self._queued or len(found) > FOUND_MAX:
            return None
        turn = self.turn
        plain, groups = self._split(found, RECEIVERS_MAX)
        if len(plain) + len(groups) <= RECEIVERS_MAX:
            return plain, groups
        self.turn = turn
        return None

    def _is_relayed(self, found: list[Subscription]) -> bool:
        """Say whether more of them send on to other accounts than one turn is for: 2,000 took 43
        ms.
        """
        if self._relays <= RELAYS_MAX:
            return False
        return len([sub for sub in found if sub.relay is not None]) > RELAYS_MAX

    def _split(
        self, found: list[Subscription], most: int = _ALL
    ) -> tuple[list[Subscription], list[Group]]:
        """Tell plain subscriptions from members of groups; stop at more than `most` of these."""
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
                if len(groups) > most:
                    break  # not all of 20,000: that took 20 ms
        # A new result starts at another member, so that short-lived results stay fair: one step for
        # all groups, or each of two would always begin with the same member. An ack is no step.
        if groups:
            self.turn = turn
        return plain, list(groups.values())
