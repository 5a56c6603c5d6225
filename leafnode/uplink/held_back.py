"""What was sent once and waits to be sent again: how old the word of the hub may be that allows it.

What was not there when the hub was asked may have been stored since: a leader without followers had
it, or a link that is gone. So a word is good for as long as the hub's duplicate window protects by
far, or for ever where all that was over when the hub was asked.
Truth: docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.alarm import Alarm

if TYPE_CHECKING:
    from leafnode.uplink.flight import Flight, Parts
    from leafnode.uplink.window import Entry

_LONG_NS: Final = limits.UPLINK_ADRIFT_NS + limits.UPLINK_QUORUM_NS
_LOOK_NS: Final = NS_PER_S
_OLD: Final = "what was sent before was held back for long: the hub is asked once more"


class HeldBack:
    """Of one stream, and all of its flights."""

    def __init__(self, parts: Parts, flight: Flight) -> None:
        self._clock = parts.clock
        self._flight = flight
        self.asked_ns = 0
        self._alarm = Alarm(parts.clock, self._ring)

    def begin(self, asked_ns: int) -> bool:
        """Say whether a flight may begin by this word. `asked_ns`: when the hub was asked; 0: it
        cannot say what it has.
        """
        self.asked_ns = asked_ns
        if not asked_ns or not self._doubted():
            return True
        age_ns = self._clock.monotonic_ns() - asked_ns
        if age_ns >= _LONG_NS:
            self._ring()
            return False
        self._alarm.set(_LONG_NS - age_ns)
        return True

    def end(self) -> None:
        self._alarm.cancel()

    def is_over(self, entry: Entry) -> bool:
        """Say whether all that was sent of it in former flights would have been there when the hub
        was asked; where it cannot be, by now.
        """
        return entry.doubt_ns + _LONG_NS <= (self.asked_ns or self._clock.monotonic_ns())

    def _doubted(self) -> list[Entry]:
        """Return what may be sent again, and may have come to be stored since the hub was asked."""
        doubtful = self._flight.window.doubtful()
        return [entry for entry in doubtful if not (entry.is_awaited or self.is_over(entry))]

    def _ring(self) -> None:
        doubted = self._doubted()
        if any(entry.sent_ns is None for entry in doubted):
            self._flight.ask_anew(_OLD)
        elif doubted:  # on its way: it may be refused yet, and tried again
            self._alarm.set(_LOOK_NS)
