"""One reading in the queue of a port: whether it is on its way to the stream, and what for.

Knows no stream and no other reading.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.bridge.publication import Publication
    from leafnode.bridge.reading import Receipt


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
