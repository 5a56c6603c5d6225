"""What is not sent any more, so that nothing waits for it: it is gone here, or never answered.

One that is never answered becomes a dead letter when its last sending cannot be stored any more:
until then it stays in the window and is not sent again.

Knows the window and the log; what is refused, and when that is tried again, is in flight.py. Truth:
docs/uplink.md, "When something is in the way".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.uplink.alarm import Alarm

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
        self._awaited = Alarm(parts.clock, self._ask)

    @property
    def stuck(self) -> Entry | None:
        """The message that all behind it waits for: the hub refuses it, nobody takes it, or what
        was sent of it is not answered.
        """
        window, untaken = self._flight.window, self._flight.untaken
        entry = window.first_refused()
        if entry is None and untaken:
            waiting = (one for one in window if one.sent_as in untaken)
            entry = next((one for one in waiting if one.sent_ns is None), None)
        return entry or window.get(self._flight.unanswered.first)

    @property
    def hangs_on_word(self) -> bool:
        """Say whether it makes a dead letter that the hub answers: nobody took it for a minute."""
        since_ns = self._flight.untaken.oldest_ns
        if since_ns is None or self._parts.dead_letters is None:
            return False
        return self._parts.clock.monotonic_ns() - since_ns >= limits.UPLINK_UNTAKEN_NS

    def removed(self, stuck: Entry, first: Stored | None) -> None:
        """The local stream lets go of what somebody deletes; then nothing waits for it any more.

        `first` is what is left there from `stuck` on. What was removed behind it goes with it.
        """
        window = self._flight.window
        self._flight.unanswered.let_go(stuck.seq, None if first is None else first.seq)
        waits = (entry for entry in window if not entry.is_leaving and entry.sent_ns is None)
        behind = (entry for entry in waits if entry.seq >= stuck.seq)
        gone = [entry for entry in behind if first is None or entry.seq < first.seq]
        if stuck in gone:
            self._let_go(gone)
            self._flight.go_on()

    def told(self, all_ns: int) -> list[Entry]:
        """The hub said what it has, and that is taken out of the window. `all_ns`: when it was
        asked, with all worked off that was sent before, or 0. Return what becomes a dead letter.
        """
        flight, parts = self._flight, self._parts
        unanswered, now_ns = flight.unanswered, parts.clock.monotonic_ns()
        never, gone = unanswered.told(flight.window, now_ns, all_ns)
        if gone:
            self._let_go(gone)
        if parts.dead_letters is None:
            # One that is held is tried again, and the hub is asked before: it need not be settled.
            self._refuse(never if all_ns else [])
        elif over := self._settled_of(never, now_ns, all_ns):
            self._refuse(over)
            self._say(over)
            return over
        if unanswered.is_open:
            parts.trouble.say(unanswered.problem)
        return []

    def _refuse(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._flight.window.hold(entry)

    def _settled_of(self, never: list[Entry], now_ns: int, all_ns: int) -> list[Entry]:
        """Return what of these could not come to be stored any more when the hub was asked. The
        others are waited for, or sent again where it could not say.
        """
        over, due_ns = [], []
        for entry in never:
            settled_ns = self._flight.unanswered.settled_ns(entry)
            if all_ns and settled_ns <= all_ns:
                over.append(entry)
            elif settled_ns > (all_ns or now_ns):
                self._flight.window.wait_for(entry)
                due_ns.append(settled_ns)
        if due_ns:
            self._awaited.set(max(min(due_ns) - now_ns, limits.UPLINK_RETRY_NS))
        return over

    def _say(self, over: list[Entry]) -> None:
        """Once for each subject that is known to be silent."""
        for entry in over:
            if self._flight.unanswered.is_news(entry.sent_as):
                subject = entry.sent_as.decode("utf-8", "replace")
                what = (self._parts.options.stream, entry.seq, subject)
                log.warning("Uplink gives up, never answered: stream=%s seq=%d subject=%s", *what)

    def rest(self) -> None:
        """The flight is over: before the next one the hub is asked."""
        self._awaited.cancel()

    def _ask(self) -> None:
        if any(entry.is_awaited for entry in self._flight.window):
            self._flight.ask_anew(self._flight.unanswered.problem)

    def _let_go(self, gone: list[Entry]) -> None:
        """Nothing of them is on the way."""
        for entry in gone:
            self._flight.unanswered.left(entry)
            self._flight.window.set_aside(entry)
            self._parts.local.ack(entry)
        self._parts.counters.removed += len(gone)
        what = (self._parts.options.stream, gone[0].seq, len(gone))
        log.info("Uplink gives up what was removed here: stream=%s sequence=%d messages=%d", *what)
