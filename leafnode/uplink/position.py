"""What the hub holds of a stream, as far as it is known.

Pure. Truth: docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from leafnode.uplink.onward import Place
from leafnode.uplink.ranges import Ranges

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
