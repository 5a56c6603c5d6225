"""Mappings of an account: what is published on one subject is routed as another, by weight.

Knows subjects and transforms; not peers and not subscriptions. Randomness is injected. Truth:
nats-server 2.15.1 server/accounts.go AddWeightedMappings, selectMappedSubject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.limits import WALK_WORK
from leafnode.protocol.transform import Transform, tokenize
from leafnode.routing.subject_set import FirstMatch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from random import Random
    from typing import Self

    from leafnode.routing.peer import Outbox

_ALL_PERCENT: Final = 100
_A_STEP: Final = 32  # of what a source takes to be found by, several of 1 us each


class Weighted(NamedTuple):
    """One destination and how many of a hundred messages it gets."""

    destination: bytes
    percent: int


class _Choice(NamedTuple):
    below: int  # taken where a number from 0 to 99 is smaller
    transform: Transform


class MappedSubject:
    """One source and where its messages go."""

    __slots__ = ("choices", "source")

    def __init__(self, source: bytes, destinations: Iterable[Weighted]) -> None:
        """Raises TransformError.

        What the weights leave open stays on the source, unless the source is a destination itself:
        then it is lost on purpose.
        """
        self.source = source
        entries = list(destinations)
        total = sum(entry.percent for entry in entries)
        is_named = any(entry.destination == source for entry in entries)
        if total != _ALL_PERCENT and not is_named:
            entries.append(Weighted(tokenize(source), _ALL_PERCENT - total))
        self.choices: list[_Choice] = []
        below = 0
        for destination, percent in sorted(entries, key=lambda entry: entry.percent):
            below += percent
            self.choices.append(_Choice(below, Transform(source, destination)))

    @property
    def only(self) -> Transform | None:
        """The one transform that every message takes, if there is one."""
        if len(self.choices) == 1 and self.choices[0].below == _ALL_PERCENT:
            return self.choices[0].transform
        return None


class Mappings:
    """All mappings of one account; the first whose source matches holds."""

    __slots__ = ("_all", "_first", "_payer", "_random")

    def __init__(
        self, entries: Iterable[MappedSubject], random: Random, payer: Outbox | None = None
    ) -> None:
        """Where sources branch, finding the one of a subject is work of the payer's turn, and so is
        what is done with each byte of it.
        """
        for _ in self._fill(entries, random, payer):
            pass

    @classmethod
    def made(
        cls, entries: Iterable[MappedSubject], random: Random, payer: Outbox | None = None
    ) -> Generator[None, None, Self]:
        """Return those of entries that may be many, in steps of some 50 us."""
        one = cls.__new__(cls)
        for number, _ in enumerate(one._fill(entries, random, payer), 1):
            if number % _A_STEP == 0:
                yield
        return one

    def _fill(
        self, entries: Iterable[MappedSubject], random: Random, payer: Outbox | None
    ) -> Iterator[None]:
        self._all = list(entries)
        self._random = random
        self._payer = payer
        self._first = yield from FirstMatch.made(entry.source for entry in self._all)

    def sources(self) -> Iterator[bytes]:
        """Yield what is mapped, one after the other."""
        for entry in self._all:
            yield entry.source

    def let_go(self) -> Iterator[None]:
        """Nobody goes by these any more: free them, in steps of a microsecond."""
        while self._all:
            del self._all[-1]
            yield
        yield from self._first.let_go()

    def holds(self, subject: bytes) -> bool:
        """Say whether a mapping is for the subject, even one that leaves it where it is."""
        return self._find(subject) is not None

    def always(self, subject: bytes) -> bytes | None:
        """Return where every message on the subject goes, None if that may differ between them."""
        entry = self._find(subject)
        if entry is None:
            return subject
        transform = entry.only
        if transform is None or not transform.is_fixed:
            return None
        return self._apply(transform, subject)

    def choose(self, subject: bytes) -> bytes:
        """Return where one message goes; empty: it is lost."""
        entry = self._find(subject)
        if entry is None:
            return subject
        only = entry.only
        if only is not None:
            return self._apply(only, subject)
        number = self._random.randrange(_ALL_PERCENT)
        for below, transform in entry.choices:
            if number < below:
                return self._apply(transform, subject)
        return b""

    def _apply(self, transform: Transform, subject: bytes) -> bytes:
        if self._payer is not None and transform.byte_work:
            self._payer.work_left -= transform.byte_work * len(subject)
        return transform.apply(subject, self._random)

    def _find(self, subject: bytes) -> MappedSubject | None:
        if self._payer is not None:
            self._payer.work_left -= WALK_WORK * self._first.visits
        number = self._first.of(subject)
        return None if number is None else self._all[number]
