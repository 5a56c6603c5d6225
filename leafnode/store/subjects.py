"""The subjects of one stream: name to id and back, counts, and which ids a list of patterns means.

Knows names, ids, counts and sequences; not where messages are. A name keeps its id until it is
forgotten together with its last rows. Truth: docs/store.md, "Subjects".
"""

from __future__ import annotations

import re
import zlib
from array import array
from itertools import compress, takewhile
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.protocol.patterns import PatternSet
from leafnode.protocol.subject import is_literal, matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_EXPRESSION_MAX: Final = 16  # patterns with wildcards, tried one after another
_TOKENS_MAX: Final = 32  # of a pattern that are in an expression
_TREE_COSTS: Final = 4  # times as much as they do, for each subject
_WILD: Final = {b"*": rb"[^.]++", b">": rb".++"}


class Subject:
    """One literal subject: how many messages, oldest and newest sequence as far as known.

    `first_seq` is a lower bound while `first_stale`, `last_seq` an upper bound while `last_stale`.
    """

    __slots__ = ("crc", "first_seq", "first_stale", "last_seq", "last_stale", "msgs", "name", "sid")

    def __init__(self, sid: int, name: bytes) -> None:
        self.sid = sid
        self.name = name
        self.crc = zlib.crc32(name)  # where the checksum of each of its messages starts
        self.msgs = 0
        self.first_seq = 0
        self.last_seq = 0
        self.first_stale = False
        self.last_stale = False

    def add(self, seq: int) -> None:
        """Count a message stored behind all others."""
        if not self.msgs:
            self.first_seq = seq
            self.first_stale = False
        self.last_seq = seq
        self.last_stale = False
        self.msgs += 1

    def add_run(self, first_seq: int, count: int) -> None:
        """Count messages with sequences in a row, stored behind all others."""
        self.add(first_seq)
        self.last_seq += count - 1
        self.msgs += count - 1

    def drop(self, seq: int) -> None:
        """Count the removal of one of its messages."""
        self.msgs -= 1
        if seq == self.first_seq:
            self.first_seq = seq + 1
            self.first_stale = True
        if seq == self.last_seq:
            self.last_seq = seq - 1
            self.last_stale = True
        if self.msgs == 1 and not self.last_stale:
            # A key with one value, the usual case of a bucket: no search for its oldest message.
            self.first_seq = self.last_seq
            self.first_stale = False


class Subjects:
    """All subjects of a stream, those without messages included until `forget_empty`."""

    __slots__ = ("_dots_max", "_filters", "by_name", "by_sid", "count", "names", "next_sid")

    def __init__(self) -> None:
        self.by_name: dict[bytes, Subject] = {}
        self.by_sid: dict[int, Subject] = {}
        self.names: dict[int, bytes] = {}  # also read by the reader thread, one get at a time
        self.next_sid = 1
        self.count = 0  # subjects that have messages
        self._filters: dict[tuple[bytes, ...], _Filter] = {}
        self._dots_max = 0  # in any name that was ever here

    def put(self, sid: int, name: bytes) -> Subject:
        subject = Subject(sid, name)
        self.by_name[name] = self.by_sid[sid] = subject
        self.names[sid] = name
        self.next_sid = max(self.next_sid, sid + 1)
        self._dots_max = max(self._dots_max, name.count(b"."))
        return subject

    def is_beyond(self, pattern: bytes) -> bool:
        """Say whether a pattern has more tokens than any subject, so that it stands for none."""
        return pattern.count(b".") > self._dots_max

    def sids(self, patterns: Sequence[bytes]) -> frozenset[int] | None:
        """Return the ids of the subjects that match any pattern; None stands for all there are.

        A list of patterns is matched against all names once, later only against new ones.
        """
        if not patterns or b">" in patterns:
            return None
        if len(patterns) == 1 and is_literal(patterns[0]):
            subject = self.by_name.get(patterns[0])
            return frozenset((subject.sid,)) if subject else frozenset()
        if len(patterns) == 1 and self.is_beyond(patterns[0]):
            return frozenset()
        known = self._filter(tuple(patterns))
        known.extend(self)
        return None if len(known.sids) == len(self.by_sid) else known.sids

    def prepare(self, patterns: Sequence[bytes]) -> Iterator[None]:
        """Match a list of patterns in steps: what is asked with it at once afterwards is cheap."""
        if not patterns or b">" in patterns or (len(patterns) == 1 and is_literal(patterns[0])):
            return
        if len(patterns) == 1 and self.is_beyond(patterns[0]):
            return
        known = self._filter(tuple(patterns))
        while known.extend_some(self, known.per_step):
            yield

    def _filter(self, patterns: tuple[bytes, ...]) -> _Filter:
        known = self._filters.pop(patterns, None) or _Filter(patterns)
        self._filters[patterns] = known  # the most recently used is last
        while len(self._filters) > limits.SUBJECT_FILTERS_MAX:
            del self._filters[next(iter(self._filters))]
        return known

    def matching(self, patterns: Sequence[bytes]) -> Iterator[Subject]:
        """Yield the subjects that have messages and match any pattern, in no order."""
        return (subject for subject in self._known(patterns) if subject.msgs)

    def names_of(self, patterns: Sequence[bytes]) -> Iterator[bytes]:
        """Do the same for names, of those that have messages when it is their turn: whatever comes
        and goes meanwhile. What matches is looked for now.
        """
        sids: Iterable[int] | None = self.sids(patterns)
        if sids is None:
            is_dense = self.next_sid <= 2 * len(self.by_sid)
            sids = range(1, self.next_sid) if is_dense else array("Q", self.by_sid)
        found = map(self.by_sid.get, sids)
        return (subject.name for subject in found if subject is not None and subject.msgs)

    def _known(self, patterns: Sequence[bytes]) -> Iterable[Subject]:
        sids = self.sids(patterns)
        return self.by_sid.values() if sids is None else map(self.by_sid.__getitem__, sids)

    def forget_empty(self, sids: Iterable[int] | None = None) -> list[int]:
        """Drop those of these subjects, or of all, that have no messages; return their ids,
        ascending.
        """
        if self.count == len(self.by_sid):
            return []
        known = self.by_sid.values() if sids is None else map(self.by_sid.get, sids)
        gone = [subject for subject in known if subject is not None and not subject.msgs]
        for subject in gone:
            del self.by_name[subject.name], self.by_sid[subject.sid], self.names[subject.sid]
        gone_sids = frozenset(subject.sid for subject in gone)
        for one in self._filters.values():
            one.forget(gone_sids)
        return sorted(gone_sids)


class _Filter:
    """The ids that a list of patterns means, as far as ids were given when it was last asked.

    `sids` is replaced, never changed: the reader thread may hold it.
    """

    __slots__ = ("_patterns", "_some", "checked_sid", "per_step", "sids")

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self.sids: frozenset[int] = frozenset()
        self.checked_sid = 0
        self._some: set[int] = set()  # found by `extend_some` so far
        self._patterns = Patterns(patterns)
        self.per_step = self._patterns.per_step  # subjects that are looked at in a step

    def forget(self, sids: frozenset[int]) -> None:
        if not self.sids.isdisjoint(sids):
            self.sids -= sids
        self._some -= sids

    def extend_some(self, subjects: Subjects, most: int) -> bool:
        """Look at so many ids more; say whether there are others."""
        end = min(self.checked_sid + most + 1, subjects.next_sid)
        self._some |= self._patterns.ids_in(range(self.checked_sid + 1, end), subjects.names)
        self.checked_sid = end - 1
        if end < subjects.next_sid:
            return True
        if self._some:
            self.sids |= self._some
            self._some = set()
        return False

    def extend(self, subjects: Subjects) -> None:
        if not self.checked_sid:
            new = self._patterns.ids(subjects.by_name, subjects.names)
        else:
            new, self._some = self._some, set()
            for sid, name in reversed(subjects.names.items()):
                if sid <= self.checked_sid:
                    break  # names are in the order of their ids
                if self._patterns.include(name):
                    new.add(sid)
        self.checked_sid = subjects.next_sid - 1
        if new:
            self.sids |= new


class Patterns:
    """Which of many subjects a list of patterns stands for: what it costs hangs on the answer.

    A literal one is looked up; those with wildcards are one expression while they are few, which is
    five times as fast as a tree, and one tree else. Only subjects that begin as all of them do are
    compared with it.
    """

    __slots__ = ("_all_below", "_literals", "_matches", "_prefix", "is_wild", "per_step")

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self._literals = frozenset(filter(is_literal, patterns))
        wild = [pattern for pattern in patterns if not is_literal(pattern)]
        self.is_wild = bool(wild)
        self._matches = _matcher(wild)
        is_tree = len(wild) > _EXPRESSION_MAX
        self.per_step = max(1, limits.MATCHED_PER_STEP // (_TREE_COSTS if is_tree else 1))
        self._prefix = _common([_head(pattern) for pattern in wild])
        self._all_below = wild == [self._prefix + b">"]

    def include(self, name: bytes) -> bool:
        return name in self._literals or (
            name.startswith(self._prefix) and bool(self._matches(name))
        )

    def among(self, names: Mapping[bytes, object]) -> Iterator[bytes]:
        """Yield those that any of the patterns stands for, each once, in no order."""
        literals = self._literals
        yield from (name for name in literals if name in names)
        if not self.is_wild:
            return
        prefix, matches = self._prefix, self._matches
        near = (name for name in names if name.startswith(prefix) and name not in literals)
        if self._all_below:
            yield from (name for name in near if len(name) > len(prefix))
        else:
            yield from filter(matches, near)

    def ids(self, by_name: Mapping[bytes, Subject], names: Mapping[int, bytes]) -> set[int]:
        """Return the ids of those that any of the patterns stands for, of `names` by id."""
        found = {by_name[name].sid for name in self._literals if name in by_name}
        if self.is_wild:
            matches = self._matches  # nothing but C for each name: 50,000 take 7 to 17 ms
            found.update(compress(names, map(matches, names.values())))
        return found

    def ids_in(self, sids: Iterable[int], names: Mapping[int, bytes]) -> set[int]:
        """Return which of these ids are of one that any of the patterns stands for."""
        known = [sid for sid in sids if sid in names]
        held = [names[sid] for sid in known]
        found = set(compress(known, map(self._literals.__contains__, held)))
        if self.is_wild:
            found.update(compress(known, map(self._matches, held)))
        return found


def _matcher(wild: list[bytes]) -> Callable[[bytes], object]:
    """Return what says whether any of these patterns stands for a subject: a true value."""
    if len(wild) <= _EXPRESSION_MAX:
        near = re.compile(b"|".join(map(_expression, wild)) or b"(?!)", re.DOTALL).fullmatch
        if all(pattern.count(b".") < _TOKENS_MAX for pattern in wild):
            return near
        return lambda name: near(name) and any(matches(pattern, name) for pattern in wild)
    which = PatternSet(wild).which
    return lambda name: which(name) is not None


def _expression(pattern: bytes) -> bytes:
    """Return what stands for it; of a long one for its beginning: 2,048 tokens take 12 ms."""
    tokens = pattern.split(b".")
    if len(tokens) > _TOKENS_MAX:
        tokens = [*tokens[:_TOKENS_MAX], b">"]
    return rb"\.".join(_WILD.get(token) or re.escape(token) for token in tokens)


def _head(pattern: bytes) -> bytes:
    """Return the tokens before the first wildcard, with the dot behind them."""
    tokens = pattern.split(b".")
    literal = list(takewhile(lambda token: token not in {b"*", b">"}, tokens))
    return b".".join([*literal, b""])


def _common(heads: list[bytes]) -> bytes:
    """Return what they all begin with."""
    first, last = min(heads, default=b""), max(heads, default=b"")
    same = takewhile(lambda two: two[0] == two[1], zip(first, last, strict=False))
    return bytes(byte for byte, _ in same)
