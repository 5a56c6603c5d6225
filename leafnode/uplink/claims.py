"""Whether the messages that the hub names are the ones that are here: same sequence, same time.

They are not when the store was restored from a copy and has given the same sequences again, or when
another server has this one's name. What this run sent or has in its window it knows; about the rest
the local stream is asked, some at a time. Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leafnode import limits
from leafnode.uplink.alarm import Alarm
from leafnode.uplink.answers import Failure, Stored
from leafnode.uplink.local import ask_message
from leafnode.uplink.onward import Place
from leafnode.uplink.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Set

    from leafnode.clock import Clock
    from leafnode.uplink.local import LocalState
    from leafnode.uplink.mailbox import Mailbox
    from leafnode.uplink.window import Window


class Named(NamedTuple):
    """What the hub names as ours, or what was kept."""

    places: list[Place]
    decisive: Set[Place]  # of those: by them others, which are not named, count as stored
    scattered: Ranges  # what was acknowledged that went newest first, as it was kept here


class Claims:
    """One look at a time: `begin`, then `done` is called with what is refuted, or a Failure."""

    def __init__(self, mailbox: Mailbox, clock: Clock, stream: str, *, is_scattered: bool) -> None:
        """`is_scattered`: it has no consumer, which would know what was acknowledged here."""
        self._mailbox = mailbox
        self._stream = stream
        self._is_scattered = is_scattered
        self._round = 0
        self._left: list[Place] = []
        self._asked = 0
        self._turn = 0  # how many of this turn: an answer may come at once
        self._next = Alarm(clock, self._next_turn)
        self._delivered = 0  # up to there the consumer had given
        self._named = Named([], set(), Ranges())
        self._is_asking = False
        self._refuted: set[Place] = set()
        self._done: Callable[[set[Place] | Failure], None] = lambda _: None

    def cancel(self) -> None:
        self._round += 1
        self._left = []
        self._next.cancel()

    def begin(
        self,
        named: Named,
        window: Window,
        local: LocalState,
        done: Callable[[set[Place] | Failure], None],
    ) -> None:
        self.cancel()
        self._named = named
        self._done, self._asked, self._turn = done, 0, 0
        self._delivered = local.consumer.delivered.stream_seq
        verdicts = [(place, self._judge(place, window, local)) for place in named.places]
        self._refuted = {place for place, verdict in verdicts if verdict is False}
        self._left = [place for place, verdict in verdicts if verdict is None]
        self._go_on()

    def _judge(self, place: Place, window: Window, local: LocalState) -> bool | None:
        """Say whether it is ours; None: the stream has to be asked."""
        state, entry = local.stream.state, window.get(place.seq)
        if entry is not None and place.mark:
            return entry.place == place
        if not place.mark or place.seq < state.first_seq:
            return True  # there is nothing here that it could be taken for
        if place.seq > state.last_seq:
            return False
        # Newest first it may say more to be stored, which lies in gaps of what is done.
        may_say_more = self._is_scattered and place in self._named.decisive
        return True if window.is_done(place.seq) and not may_say_more else None

    def _go_on(self) -> None:
        if self._is_asking:
            return  # an answer that came at once: the loop below goes on
        number, self._is_asking = self._round, True
        most = limits.UPLINK_PROBES_AT_ONCE
        while self._left and max(self._asked, self._turn) < most:
            self._turn += 1
            self._ask(self._left.pop(), number)
        self._is_asking = False
        if number != self._round:
            return
        if self._left and self._turn == most and not self._next.is_set:
            self._next.set(0)
        elif not self._left and not self._asked:
            self._end(self._refuted)

    def _next_turn(self) -> None:
        self._turn = 0
        self._go_on()

    def _end(self, result: set[Place] | Failure) -> None:
        self.cancel()
        self._done(result)

    def _ask(self, place: Place, number: int) -> None:
        def found(stored: Stored | Failure | None) -> None:
            if number == self._round:
                self._asked -= 1
                self._found(place, stored)

        self._asked += 1
        ask_message(self._mailbox, self._stream, place.seq, found)

    def _found(self, place: Place, stored: Stored | Failure | None) -> None:
        if isinstance(stored, Failure):
            self._end(stored)
            return
        if stored is None or stored.seq != place.seq:
            # A scattered stream lets go of what it sent. What the consumer of another did not
            # deliver was not sent: a copy was restored, and the message that it was is gone.
            is_known = place.seq <= self._delivered or place.seq in self._named.scattered
            is_ours = self._is_scattered or is_known
        else:
            is_ours = Place.of(stored.seq, stored.stored_ns) == place
        if not is_ours:
            self._refuted.add(place)
        self._go_on()
