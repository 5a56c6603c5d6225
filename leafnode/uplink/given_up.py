"""What is not sent any more, so that nothing waits for it: the local stream let go of it.

Knows the window and the log; what is refused, and when that is tried again, is in flight.py. Truth:
docs/uplink.md, "When something is in the way".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.uplink.answers import Stored
    from leafnode.uplink.flight import Flight, Parts
    from leafnode.uplink.window import Entry

log = logging.getLogger(__name__)


class GivenUp:
    """Of one stream, and all of its flights."""

    def __init__(self, parts: Parts, flight: Flight) -> None:
        self._parts = parts
        self._flight = flight

    @property
    def stuck(self) -> Entry | None:
        """The message that all behind it waits for: the hub refuses it, or nobody takes it."""
        window, untaken = self._flight.window, self._flight.untaken
        entry = window.first_refused()
        if entry is None and untaken:
            waiting = (one for one in window if one.sent_as in untaken)
            entry = next((one for one in waiting if one.sent_ns is None), None)
        return entry

    def removed(self, stuck: Entry, first: Stored | None) -> None:
        """The local stream lets go of what somebody deletes; then nothing waits for it any more.

        `first` is what is left there from `stuck` on. What was removed behind it goes with it.
        """
        window = self._flight.window
        waits = (entry for entry in window if not entry.is_leaving and entry.sent_ns is None)
        behind = (entry for entry in waits if entry.seq >= stuck.seq)
        gone = [entry for entry in behind if first is None or entry.seq < first.seq]
        if stuck in gone:
            self._let_go(gone)
            self._flight.go_on()

    def _let_go(self, gone: list[Entry]) -> None:
        for entry in gone:
            self._flight.window.set_aside(entry)
            self._parts.local.ack(entry)
        self._parts.counters.removed += len(gone)
        what = (self._parts.options.stream, gone[0].seq, len(gone))
        log.info("Uplink gives up what was removed here: stream=%s sequence=%d messages=%d", *what)
