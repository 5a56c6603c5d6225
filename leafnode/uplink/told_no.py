"""The hub answered the question where to go on with an error, or not: when it is asked again.

Its stream may have been made since; it may as well say no for as long as it lives, and store what
it is sent. One that has answered before may be about to come back, with what it stored and did not
acknowledge: it is believed late.
Truth: docs/uplink.md, "After every connect, and after every start".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.uplink import answers
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.interview import SILENCE

if TYPE_CHECKING:
    from leafnode.uplink.answers import Failure
    from leafnode.uplink.flight import Flight, Parts

_AGAIN: Final = "the hub could not be asked where to go on: it is asked again"


class ToldNo:
    """Of one stream. After a minute, then after twice as long each time, an hour at most; and when
    the hub acknowledges something, once an hour.
    """

    def __init__(self, parts: Parts, flight: Flight) -> None:
        self._clock = parts.clock
        self._goes_without = not parts.options.newest_first  # the hub's word
        self._flight = flight
        self._is_no = False
        self._pause_ns = limits.UPLINK_TOLD_NO_NS
        self._acked_ns = 0  # before that no PubAck is a reason
        self._alarm = Alarm(parts.clock, self._ask)
        self._times = 0  # that one which has answered before said no, since it was believed
        self._is_proven = False  # it says no, and stores what it is sent

    def believes(self, failure: Failure, *, is_of_run: bool) -> bool:
        """Say whether one that has answered before is taken at its word, each time that it says no:
        never for silence, nor where its stream has no leader. Else once in an hour or two, to see
        whether it stores what it is sent; where it does, always. Sooner where it has not answered
        this run (`is_of_run`), which may be over before. Newest first never, for nothing is sent
        then: what this run knows goes on to hold.
        """
        is_silent = failure is SILENCE or failure.err_code == answers.NO_LEADER
        if is_silent or not self._goes_without:
            return False
        self._times += 1
        most = limits.UPLINK_TOLD_NO_TIMES if is_of_run else limits.UPLINK_TOLD_NO_BEFORE
        if not self._is_proven and self._times < most:
            return False
        self._times = 0
        return True

    def answered(self, *, is_no: bool) -> None:
        self._is_no = is_no
        if is_no:
            self._alarm.set(self._pause_ns)
            self._pause_ns = min(2 * self._pause_ns, limits.UPLINK_TOLD_NO_MAX_NS)
        else:
            self._pause_ns = limits.UPLINK_TOLD_NO_NS
            self._times, self._is_proven = 0, False

    def acked(self) -> bool:
        """The hub acknowledged something. Say whether it is asked for that."""
        now_ns = self._clock.monotonic_ns()
        self._is_proven |= self._is_no
        if not self._is_no or not self._flight.is_on or now_ns < self._acked_ns:
            return False
        self._acked_ns = now_ns + limits.UPLINK_TOLD_NO_MAX_NS
        self._flight.ask_anew(_AGAIN)
        return True

    def end(self) -> None:
        """The flight is over, or it is asked already."""
        self._alarm.cancel()

    def _ask(self) -> None:
        if self._flight.is_on:
            self._flight.ask_anew(_AGAIN)
