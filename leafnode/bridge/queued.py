"""Readings in the queue of a port: whether one is on its way to the stream, and what all hold.

Knows no stream, and no order.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Reversible

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
