"""Readings in the queue of a port: whether one is on its way to the stream, and what all hold.

Knows no stream, and no order.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from leafnode.bridge.publication import kept_as

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Reversible

    from leafnode.bridge.publication import Publication
    from leafnode.bridge.reading import Life, Receipt


class State(Enum):
    """Of one reading in the queue."""

    WAITING = auto()
    IN_FLIGHT = auto()
    RESOLVED = auto()  # stored, or given up


class GivenUp:
    """What is not published again: one life of a board says it again, under other ids."""

    def __init__(self) -> None:
        self.is_torn = False  # some of it is not stored, so what is behind that tells nothing


class Queued:
    """A reading between the wire and the COMMIT. `token`: where its answer is awaited."""

    __slots__ = ("attempts", "given_up", "is_stored", "publication", "state", "token")

    def __init__(self, publication: Publication) -> None:
        self.token = b""
        self.publication = publication
        self.state = State.WAITING
        self.attempts = 0
        self.is_stored = False
        self.given_up: GivenUp | None = None

    def fell_through(self) -> None:
        """It is not stored, as far as is known."""
        self.state = State.WAITING if self.given_up is None else State.RESOLVED

    def heard(self) -> Receipt | None:
        """Return what its board hears when it leaves the queue, asked in order, once each."""
        if self.given_up is not None:
            self.given_up.is_torn |= not self.is_stored
            if self.given_up.is_torn:
                return None
        return self.publication.receipt


def last_of(life: Life, entries: Reversible[Queued]) -> Receipt | None:
    """Return the last reading of a board's life that waits, None where none does."""
    receipts = (entry.publication.receipt for entry in reversed(entries))
    return next((one for one in receipts if one is not None and one.life == life), None)


def _with_life(entries: Iterable[Queued]) -> list[tuple[Queued, Life | None]]:
    """Return of each which life of a board keeps it."""
    every = list(entries)
    kept = kept_as([entry.publication for entry in every])
    lives = [None if of is None else of.life for of in kept]
    return list(zip(every, lives, strict=True))


def parted(
    entries: Iterable[Queued], lives: Collection[Life]
) -> tuple[list[Queued], deque[Queued]]:
    """Return what these lives of boards keep, and the rest."""
    pairs = _with_life(entries)
    kept = [entry for entry, life in pairs if life in lives]
    return kept, deque(entry for entry, life in pairs if life not in lives)


def oldest_lives(entries: Iterable[Queued], messages: int, size_bytes: int) -> list[Life]:
    """Return the lives that keep the oldest, as many as keep that much together."""
    sizes: dict[Life, list[int]] = {}
    for entry, life in _with_life(entries):
        if life is not None:
            sizes.setdefault(life, []).append(len(entry.publication.body))
    found = []
    for life, each in sizes.items():
        if messages <= 0 and size_bytes <= 0:
            break
        found.append(life)
        messages -= len(each)
        size_bytes -= sum(each)
    return found


class Held:
    """What the readings of one queue hold, without a look at each."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.by_token: dict[bytes, Queued] = {}
        self._lives: dict[Life, int] = {}  # messages of those whose boards say them again

    def add(self, entry: Queued) -> None:
        self.size_bytes += len(entry.publication.body)
        if (life := entry.publication.life) is not None:
            self._lives[life] = self._lives.get(life, 0) + 1

    def address(self, entry: Queued, token: bytes) -> None:
        """Await its answer there, and nowhere else."""
        self.by_token.pop(entry.token, None)
        entry.token = token
        self.by_token[token] = entry

    def remove(self, entry: Queued) -> None:
        self.by_token.pop(entry.token, None)
        self.size_bytes -= len(entry.publication.body)
        if (life := entry.publication.life) is not None:
            self._lives[life] -= 1
            if not self._lives[life]:
                del self._lives[life]

    def has(self, life: Life | None) -> bool:
        """Say whether something is of this life, None: of any."""
        return bool(self._lives) if life is None else life in self._lives
