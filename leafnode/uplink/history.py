"""Finds the newest message of a stream that is both at the hub and here, after a copy was restored
or where others hide it.

How the hub is halved is in parting.py; whether a message is here the window knows, or the local
stream is asked. Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.uplink.answers import Failure, Stored
from leafnode.uplink.local import ask_message
from leafnode.uplink.onward import Place
from leafnode.uplink.parting import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.uplink.interview import Interview
    from leafnode.uplink.local import LocalState
    from leafnode.uplink.mailbox import Mailbox
    from leafnode.uplink.onward import Origin
    from leafnode.uplink.parting import Parting
    from leafnode.uplink.window import Window


class History:
    """One search at a time: `begin`, then `done` is called with what was found, if anything."""

    def __init__(
        self, interview: Interview, mailbox: Mailbox, stream: str, *, is_scattered: bool
    ) -> None:
        """`is_scattered`: newest first, what is gone here need not be sent."""
        self._interview = interview
        self._mailbox = mailbox
        self._stream = stream
        self._gone = Verdict.HERE if is_scattered else Verdict.UNKNOWN
        self._round = 0

    def cancel(self) -> None:
        self._round += 1

    def begin(
        self,
        parting: Parting,
        origin: Origin,
        here: tuple[LocalState, Window],
        done: Callable[[Parting | Failure], None],
    ) -> None:
        """`here`: the stream and its consumer, and what waits."""
        self.cancel()
        number, (local, window) = self._round, here

        def go_on() -> None:
            if parting.is_over:
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
        elif place.seq < state.first_seq:
            found(None)
        elif entry is not None:
            then(_verdict(place, entry.place))
        elif place.seq > state.last_seq:
            then(Verdict.FOREIGN)
        else:
            ask_message(self._mailbox, self._stream, place.seq, found)


def _verdict(place: Place, here: Place) -> Verdict:
    return Verdict.HERE if here == place else Verdict.FOREIGN
