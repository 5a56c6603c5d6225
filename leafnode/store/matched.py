"""Which subjects of a stream in memory a list of patterns stands for: remembered, and kept up.

A list is held against all names once, later only against new ones; what leaves is told. Knows names
in the order in which they came; not messages. Truth: tests/contract/test_store_model.py.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.protocol.subject import is_literal
from leafnode.store.subjects import Patterns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence


class Seqs(OrderedDict[int, None]):
    """The sequences of one subject, ascending. Ordered, because the oldest goes first and a plain
    dict is slow to find it then. `number`: grows with each subject that comes.
    """

    __slots__ = ("number",)
    number: int


class _Match:
    """The names that one list of patterns stands for."""

    __slots__ = ("checked", "names", "patterns")

    def __init__(self, patterns: Sequence[bytes]) -> None:
        self.patterns = Patterns(patterns)
        self.names: dict[bytes, None] = {}
        self.checked = -1  # all subjects up to this number; before that, some


class Matched:
    """The lists of patterns of one stream."""

    __slots__ = ("_dots_max", "_known", "_last_number", "_subjects")

    def __init__(self, subjects: dict[bytes, Seqs]) -> None:
        self._subjects = subjects
        self._last_number = 0
        self._dots_max = 0  # in any name that was ever here
        self._known: dict[tuple[bytes, ...], _Match] = {}  # the most recently used is last

    def add(self, name: bytes) -> Seqs:
        """A subject came."""
        self._last_number += 1
        seqs = self._subjects[name] = Seqs()
        seqs.number = self._last_number
        self._dots_max = max(self._dots_max, name.count(b"."))
        return seqs

    def is_beyond(self, pattern: bytes) -> bool:
        """Say whether a pattern has more tokens than any subject, so that it stands for none."""
        return pattern.count(b".") > self._dots_max

    def drop(self, name: bytes) -> None:
        """A subject has no messages any more."""
        del self._subjects[name]
        for known in self._known.values():
            known.names.pop(name, None)

    def of(self, patterns: Sequence[bytes]) -> Collection[bytes]:
        """Return the names that match any pattern, none given: all. Until the next call."""
        subjects = self._subjects
        if not patterns or b">" in patterns:
            return subjects
        if all(map(is_literal, patterns)):
            return [name for name in dict.fromkeys(patterns) if name in subjects]
        if len(patterns) == 1 and self.is_beyond(patterns[0]):
            return ()
        known = self._find(tuple(patterns))
        if known.checked < 0:
            known.names = dict.fromkeys(known.patterns.among(subjects))
        else:
            for name, seqs in reversed(subjects.items()):
                if seqs.number <= known.checked:
                    break
                if known.patterns.include(name):
                    known.names[name] = None
        known.checked = self._last_number
        return known.names

    def prepare(self, patterns: Sequence[bytes]) -> Iterator[None]:
        """Do in steps what `of` does the first time."""
        if not patterns or b">" in patterns or all(map(is_literal, patterns)):
            return
        known, subjects = self._find(tuple(patterns)), self._subjects
        per_step = known.patterns.per_step
        if known.checked >= 0 or len(subjects) <= per_step:
            return
        last_number, names = self._last_number, list(subjects)
        for start in range(0, len(names), per_step):
            some = names[start : start + per_step]
            there = dict.fromkeys(name for name in some if name in subjects)
            known.names.update(dict.fromkeys(known.patterns.among(there)))
            yield
        known.checked = max(known.checked, last_number)

    def _find(self, patterns: tuple[bytes, ...]) -> _Match:
        known = self._known.pop(patterns, None) or _Match(patterns)
        self._known[patterns] = known
        while len(self._known) > limits.SUBJECT_FILTERS_MAX:
            del self._known[next(iter(self._known))]
        return known
