"""What the hub holds of a stream, as far as it is known, and what that is worth.

Pure. Truth: docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.uplink.onward import Place
from leafnode.uplink.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.uplink.answers import HubMessage
    from leafnode.uplink.onward import InFlight
    from leafnode.uplink.status import Protection

NOWHERE: Final = Place(0)


@dataclass(frozen=True, slots=True)
class Position:
    """Everything up to `floor`, those in `above`, nothing else.

    `hub_seq`, and each value of `above`: what this stream sent later is stored behind that sequence
    of the hub's stream.
    """

    floor: int = 0
    hub_seq: int = 0
    last: int = 0
    above: dict[int, int] = field(default_factory=dict)
    stored: Ranges = field(default_factory=Ranges)  # all of it, wherever it is stored
    seen: int = 0  # what is stored at all and not in `stored` is behind this one, too
    top: Place = NOWHERE  # the highest in `stored`, where that is known

    @property
    def highest(self) -> Place:
        """That one, without a mark where it is not known."""
        return self.top if self.top.seq else Place(self.stored.top())


class Acked(NamedTuple):
    """What the hub acknowledged last: its stream has this message just there, or it is another."""

    hub_seq: int = 0  # 0: not known
    place: Place = NOWHERE


NOT_ACKED: Final = Acked()


class Latest(NamedTuple):
    """The newest PubAck: of which message, and where the hub stored that."""

    seq: int
    hub_seq: int
    sent_as: bytes
    mark: str  # see `Place`
    is_there: bool = True  # False: in a stream of the hub's that is gone

    @property
    def place(self) -> Place:
        return Place(self.seq, self.mark)

    @property
    def acked(self) -> Acked:
        return Acked(self.hub_seq, self.place) if self.is_there else NOT_ACKED


class Known(NamedTuple):
    """What this run was told: what the hub acknowledged, and the newest of that."""

    position: Position
    seq: int  # of the newest
    hub_seq: int
    names: Sequence[str]  # the subjects that it may have at the hub


def untold(known: Known | None, between: range, most: int) -> set[int] | None:
    """Return which of these sequences of the hub's stream it did not acknowledge to this run; None
    where they are more, or too many to tell.
    """
    if len(between) > limits.UPLINK_TOLD_MAX:
        return None
    above = known.position.above.values() if known is not None else ()
    found = set(between).difference(above)
    return found if len(found) <= most else None


class Word(NamedTuple):
    """Where to go on, and what that is worth."""

    position: Position
    protection: Protection
    problem: str = ""  # for as long as this holds
    lost: str = ""  # what the hub had and has no more: that is over
    is_blind: bool = False  # nobody said where to go on
    is_answered: bool = False  # the hub was heard all the same, and says no more soon
    is_ailment: bool = False  # what can be doubled ought not to be
    asked_ns: int = 0  # when the hub was asked for it; 0: what it has cannot be known
    all_ns: int = 0  # when what was sent before that was worked off; 0: may not be


def bears_out(found: HubMessage, said: InFlight, *, is_own: bool) -> bool:
    """Say whether one of ours may lie at `said.hub_seq`; `is_own`: a message of the hub's says so.

    One of that one's own flight says to be behind itself; another is of before a copy came back.
    """
    behind = 0 if found.in_flight is None else found.in_flight.hub_seq
    return said.holds(found.seq or 0) or (is_own and behind < found.hub_seq)
