"""One reading in the queue of a port: whether it is on its way to the stream, and what for.

Knows no stream and no other reading.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.bridge.publication import Publication


class State(Enum):
    """Of one reading in the queue."""

    WAITING = auto()
    IN_FLIGHT = auto()
    RESOLVED = auto()  # stored, or given up


class Queued:
    """A reading between the wire and the COMMIT. `token`: where its answer is awaited."""

    __slots__ = ("attempts", "is_given_up", "publication", "state", "token")

    def __init__(self, publication: Publication) -> None:
        self.token = b""
        self.publication = publication
        self.state = State.WAITING
        self.attempts = 0
        self.is_given_up = False  # not published again

    def fell_through(self) -> None:
        """It is not stored, as far as is known."""
        self.state = State.RESOLVED if self.is_given_up else State.WAITING
