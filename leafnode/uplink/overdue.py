"""How long the hub's answer to what is on the way may take: then it is lost, or late.

Knows the window and a clock; what a cut makes of it is in stream.py. Truth: docs/uplink.md, "When
the hub loses messages".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.refusal import NEVER_ANSWERED
from leafnode.uplink.way import Way

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.uplink.flight import Flight, Parts
    from leafnode.uplink.window import Entry


class Overdue:
    """Of one flight after the other. `cut` is called with a reason when what is on the way has to
    be asked about, `go_on` when what seemed lost is not.
    """

    def __init__(
        self, parts: Parts, flight: Flight, *, cut: Callable[[str], None], go_on: Callable[[], None]
    ) -> None:
        self._parts = parts
        self._flight = flight
        self._cut = cut
        self._go_on = go_on
        self._way = Way()
        self._heard_ns = 0  # when the hub last acknowledged anything
        self._ack_alarm = Alarm(parts.clock, self._ack_overdue)
        self._lost_alarm = Alarm(parts.clock, self._is_lost)

    @property
    def is_in_doubt(self) -> bool:
        """Say whether one seems lost: nothing new is sent before that is known."""
        return self._lost_alarm.is_set

    def sent(self, entry: Entry) -> None:
        if not self._flight.unanswered.is_known(entry.sent_as):  # else it would seem lost
            self._way.sent(entry.seq)
        if not self._ack_alarm.is_set:
            self._ack_alarm.set(self._parts.options.ack_timeout_ns)

    def ended(self, seq: int) -> None:
        """Something was said of it that says nothing of those before it."""
        self._way.ended(seq)

    def acked(self, seq: int, *, is_duplicate: bool) -> None:
        """See whether the hub has passed a message that was sent before this one."""
        way, flight = self._way, self._flight
        self._heard_ns = self._parts.clock.monotonic_ns()
        if is_duplicate or not flight.is_asked:
            way.ended(seq)
        else:
            way.stored(seq)
        lost = way.lost()
        if lost is None:
            self._lost_alarm.cancel()
        elif flight.is_on and not self._lost_alarm.is_set:
            entry = flight.window.get(lost)
            # One that is lost again and again is lost for another reason.
            if entry is not None and entry.losses < limits.UPLINK_LOST_TIMES:
                self._lost_alarm.set(limits.UPLINK_LOST_NS)

    def end(self) -> None:
        """Nothing is on the way any more."""
        self._ack_alarm.cancel()
        self._lost_alarm.cancel()
        self._way.clear()

    def _is_lost(self) -> None:
        lost = self._way.lost()
        if lost is None:  # it was refused meanwhile
            self._go_on()
        else:
            window = self._flight.window
            passed = [entry for seq in self._way.passed() if (entry := window.get(seq))]
            if passed:
                passed[0].losses += 1
            self._flight.unanswered.overdue(passed, is_late=False)
            self._cut(f"the hub lost sequence {lost}: it acknowledged a later one")

    def _ack_overdue(self) -> None:
        """A slow link may hold much; what counts is that acknowledgements come."""
        flight, link = self._flight, self._parts.link
        oldest_ns = flight.window.oldest_sent_ns()
        if not flight.is_on or oldest_ns is None:
            return
        timeout_ns, now_ns = self._parts.options.ack_timeout_ns, self._parts.clock.monotonic_ns()
        due_ns = max(oldest_ns, self._heard_ns) + timeout_ns
        due_ns = min(due_ns, oldest_ns + limits.UPLINK_OVERDUE_TIMES * timeout_ns)
        left_ns = due_ns + self._parts.gate.surplus_ns - now_ns
        if left_ns <= 0 and now_ns - oldest_ns < limits.UPLINK_AMID_NS and link.is_amid():
            left_ns = timeout_ns  # what the hub says comes behind that
        if left_ns > 0:
            self._ack_alarm.set(left_ns)
        else:
            link.doubt()
            self._cut(flight.stray.overdue() or self._silence(now_ns))

    def _silence(self, now_ns: int) -> str:
        """Say that some had no answer in time."""
        unanswered, timeout_ns = self._flight.unanswered, self._parts.options.ack_timeout_ns
        flying = self._flight.window.flying()
        late = [entry for entry in flying if now_ns - entry.last_ns >= timeout_ns]
        unanswered.overdue(flying, is_late=False)
        unanswered.overdue(late, is_late=True)
        if unanswered.is_open:
            return unanswered.problem
        if any(unanswered.is_known(entry.sent_as) for entry in late):
            return NEVER_ANSWERED
        return unanswered.no_ack or "the hub did not acknowledge in time"
