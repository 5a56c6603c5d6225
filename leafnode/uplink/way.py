"""What is on the way to the hub, in the order of sending, and whether the hub has lost some of it.

Pure. A stream answers messages in the order in which they came to it, so one that is not answered
when a later one is was lost: its leader died, or it was given more replicas. Two answers may pass
all the same: a duplicate is told without waiting for what is being stored, and so is a refusal; and
what a former leader answered comes on another way. Truth: measured on nats-server 2.15.1;
docs/uplink.md, "When the hub loses messages".
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Way:
    """Grows and ends with what the window has in flight."""

    __slots__ = ("_out", "_reached", "_sent")

    def __init__(self) -> None:
        self._out: OrderedDict[int, int] = OrderedDict()  # seq -> its place in that order
        self._sent = 0  # the last place that was given
        self._reached = 0  # the last one of what was stored in that order

    def clear(self) -> None:
        """Nothing is on the way any more."""
        self._out.clear()
        self._reached = self._sent

    def sent(self, seq: int) -> None:
        """It goes, maybe once more: then behind all others."""
        self._sent += 1
        self._out[seq] = self._sent
        self._out.move_to_end(seq)

    def ended(self, seq: int) -> None:
        """Something was said of it that says nothing of those before it."""
        self._out.pop(seq, None)

    def stored(self, seq: int) -> None:
        """The hub's stream stored it, when it had done with all before it."""
        self._reached = max(self._reached, self._out.pop(seq, 0))

    def lost(self) -> int | None:
        """Return the first that was passed by a later one; None: there is none."""
        return next(self.passed(), None)

    def passed(self) -> Iterator[int]:
        """Yield all that were, in the order in which they were sent."""
        return takewhile(lambda seq: self._out[seq] < self._reached, self._out)
