"""Finds the newest message of a stream that is both at the hub and here, after a copy was restored
or where others hide it.

How the hub is halved is in parting.py; whether a message is here the window knows, or the local
stream is asked. Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.uplink.answers import Failure, Stored
from leafnode.uplink.local import ask_message
from leafnode.uplink.onward import Place
from leafnode.uplink.parting import Parting, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.uplink.interview import Interview
    from leafnode.uplink.local import LocalState
    from leafnode.uplink.mailbox import Mailbox
    from leafnode.uplink.onward import Origin
    from leafnode.uplink.parting import Stretch
    from leafnode.uplink.window import Window


class History:
    """One search at a time: `begin`, then `done` is called with what was found, if anything."""

    def __init__(
        self,
        interview: Interview,
        mailbox: Mailbox,
        clock: Clock,
        stream: str,
        *,
        is_scattered: bool,
    ) -> None:
        """`is_scattered`: newest first, what is gone here need not be sent, and nothing goes
        without the hub's word: it is looked for longer, and then not again for an hour.
        """
        self._interview = interview
        self._mailbox = mailbox
        self._stream = stream
        self._clock = clock
        self._patience = limits.UPLINK_PARTING_TIMES if is_scattered else 1
        self._again_ns = 0
        self._gone = Verdict.HERE if is_scattered else Verdict.UNKNOWN
        self._round = 0

    def cancel(self) -> None:
        self._round += 1

    def begin(
        self,
        subjects: list[str],
        stretch: Stretch,
        origin: Origin,
        here: tuple[LocalState, Window],
        done: Callable[[Parting | Failure], None],
    ) -> None:
        """`stretch` of the hub's stream is looked through. `here`: the stream and its consumer, and
        what waits. Where there is too much to ask for the Parting that `done` gets is not whole.
        """
        self.cancel()
        number, (local, window) = self._round, here
        is_too_soon = self._clock.monotonic_ns() < self._again_ns
        if is_too_soon or len(subjects) > limits.UPLINK_PARTING_SUBJECTS_MAX:
            done(Parting(subjects, stretch))
            return

        def search(waits_ns: int) -> None:
            since_ns = waits_ns - limits.UPLINK_CLOCKS_APART_NS
            parting = Parting(subjects, stretch, since_ns, self._patience)
            self._search(parting, origin, here, done)

        def oldest(found: Stored | Failure | None) -> None:
            if number != self._round:
                return
            if isinstance(found, Failure):
                done(found)
            else:
                search(0 if found is None else found.stored_ns)

        waits_ns = min((entry.stored_ns for entry in window), default=0)
        if waits_ns:
            search(waits_ns)
        else:
            ask_message(
                self._mailbox, self._stream, local.consumer.ack_floor.stream_seq + 1, oldest
            )

    def _search(
        self,
        parting: Parting,
        origin: Origin,
        here: tuple[LocalState, Window],
        done: Callable[[Parting | Failure], None],
    ) -> None:
        number, (local, window) = self._round, here

        def go_on() -> None:
            if parting.is_over:
                if self._patience > 1 and not parting.is_whole:
                    self._again_ns = self._clock.monotonic_ns() + limits.UPLINK_PARTING_AGAIN_NS
                done(parting)
            else:
                self._interview.begin(parting, origin, answered)

        def answered(answer: Parting | Failure) -> None:
            found = parting.candidate
            if isinstance(answer, Failure):
                done(answer)
            elif found is None or found.seq is None:
                judged(Verdict.UNKNOWN)
            else:
                # What is gone here was sent before what waits; or it is of another copy.
                is_past = parting.is_early(found)
                top = None if found.in_flight is None else found.in_flight.top

                def then(verdict: Verdict | Failure) -> None:
                    """Newest first it says more to be stored, which has to be here as well."""
                    if verdict is Verdict.HERE and top is not None:
                        self._judge(top, local, window, judged, is_past=is_past)
                    else:
                        judged(verdict)

                self._judge(Place(found.seq, found.mark), local, window, then, is_past=is_past)

        def judged(verdict: Verdict | Failure) -> None:
            if number != self._round:
                return
            if isinstance(verdict, Failure):
                done(verdict)
                return
            parting.judge(verdict)
            go_on()

        go_on()

    def _judge(
        self,
        place: Place,
        local: LocalState,
        window: Window,
        then: Callable[[Verdict | Failure], None],
        *,
        is_past: bool,
    ) -> None:
        """Say whether it is here: exactly, for all before it counts as stored then."""
        state = local.stream.state
        is_done = place.seq <= max(local.consumer.ack_floor.stream_seq, state.first_seq - 1)

        def found(stored: Stored | Failure | None) -> None:
            if isinstance(stored, Failure):
                then(stored)
            elif stored is None or stored.seq != place.seq:
                then(Verdict.HERE if is_done and is_past else self._gone)
            else:
                then(_verdict(place, Place.of(stored.seq, stored.stored_ns)))

        entry = window.get(place.seq)
        if not place.mark:
            then(Verdict.HERE if is_done else Verdict.UNKNOWN)
        elif entry is not None:
            then(_verdict(place, entry.place))
        elif place.seq < state.first_seq:
            found(None)
        elif place.seq > state.last_seq:
            then(Verdict.FOREIGN)
        else:
            ask_message(self._mailbox, self._stream, place.seq, found)


def _verdict(place: Place, here: Place) -> Verdict:
    return Verdict.HERE if here == place else Verdict.FOREIGN
