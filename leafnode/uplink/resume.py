"""Where to go on after a cut: what the hub is asked, and what its answers mean.

Pure: answers in, a `Position` out. Without the question a message whose PubAck was lost would be
stored twice as soon as the hub's duplicate window is over. Truth: docs/uplink.md; that
`last_by_subj` takes a wildcard was measured on nats-server 2.15.1.

The last message of a stream at the hub says that those before it are there too, because they were
sent in order. One thing can break that: the hub refuses one and stores the next. So a message that
was sent behind open ones carries how far the hub had acknowledged (`InFlight`), and what lies
between is looked up one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.uplink import ranges
from leafnode.uplink.ranges import Ranges

if TYPE_CHECKING:
    from leafnode.uplink.answers import HubMessage


_END: Final = 1 << 32  # the number of a question


@dataclass(frozen=True, slots=True)
class Position:
    """What the hub holds of a stream.

    Everything up to `floor`, those in `above`, nothing else. `hub_seq`, and each value of `above`:
    what this stream sent later is stored behind that sequence of the hub's stream.
    """

    floor: int = 0
    hub_seq: int = 0
    last: int = 0
    above: dict[int, int] = field(default_factory=dict)
    stored: Ranges = field(default_factory=Ranges)  # all of it, for one that is sent newest first


class Resume:
    """One round of asking: the last message of each subject, then what was in flight before it."""

    def __init__(self, subjects: list[str], acked: int) -> None:
        self._acked = acked
        self._open: dict[int, str] = dict(enumerate(subjects))
        self._last: list[HubMessage] = []
        self._subjects = list(subjects)
        self._probes: set[int] = set()
        self._walks: dict[int, int] = {}  # question -> from where its subject is looked for
        self._walk_end = 0
        self._steps = 0
        self._present: set[int] = set()
        self._end = 0  # where the hub's stream ends, if it has nothing of this one
        self.stage = 0  # counts: there is something new to ask
        self.strangers = 0  # subjects whose last message this stream did not send
        self.unverified = False  # too many to look up: what was in flight counts as missing

    @property
    def open_questions(self) -> list[tuple[int, str]]:
        """(index, subject) still to be answered."""
        return list(self._open.items())

    @property
    def open_probes(self) -> list[int]:
        """Sequences of the hub's stream still to be looked at."""
        return sorted(self._probes)

    @property
    def open_walks(self) -> list[tuple[int, int, str]]:
        """(index, first sequence of the hub's stream, subject): the next message is asked for."""
        return [(index, first, self._subjects[index]) for index, first in self._walks.items()]

    @property
    def done(self) -> bool:
        return not self._open and not self._probes and not self._walks

    def answer(self, index: int, message: HubMessage | None) -> None:
        """Take the answer to one question; the second answer to the same one changes nothing."""
        if self._open.pop(index, None) is None:
            return
        if index == _END:
            self._end = message.hub_seq if message is not None else 0
            return
        if message is not None and message.seq is not None:
            self._last.append(message)
        elif message is not None:
            self.strangers += 1
        if not self._open:
            if self._last:
                self._plan_probes()
            else:
                self._plan_end()

    def look(self, hub_seq: int, message: HubMessage | None) -> None:
        """Take what one sequence of the hub's stream holds."""
        if hub_seq not in self._probes:
            return
        self._probes.discard(hub_seq)
        if message is not None and message.seq is not None:
            self._present.add(message.seq)

    def walk(
        self, index: int, first: int, message: HubMessage | None
    ) -> tuple[int, int, str] | None:
        """Take the first message under a subject from a sequence of the hub's stream on. Return
        what is to be asked next, if there is more: see `open_walks`.
        """
        if self._walks.get(index) != first:
            return None
        if message is None or message.hub_seq >= self._walk_end:
            del self._walks[index]
            return None
        self._steps += 1
        if message.hub_seq < first or self._steps > limits.UPLINK_PROBES_MAX:
            self.unverified = True
            self._walks.clear()
            return None
        if message.seq is not None:
            self._present.add(message.seq)
        self._walks[index] = message.hub_seq + 1
        return index, message.hub_seq + 1, self._subjects[index]

    def position(self) -> Position:
        """Return what the answers say. Call it when `done`."""
        assert self.done, "every question has its answer"
        last = self._newest()
        if last is None or last.seq is None:
            return Position(floor=self._acked, hub_seq=self._end, last=0)
        if last.in_flight is None:
            stored = Ranges([(1, last.seq)])
            return Position(floor=last.seq, hub_seq=last.hub_seq, last=last.seq, stored=stored)
        floor, hub_seq, text = last.in_flight
        above = {seq: hub_seq for seq in self._present if floor < seq}
        for message in self._last:
            if message.seq is not None and message.seq > floor:
                above[message.seq] = hub_seq
        read = ranges.parse(text, limits.UPLINK_RANGES_READ_MAX) if text else None
        stored = Ranges([(1, floor)]) if read is None else read
        for seq in (*self._present, *(one.seq for one in self._last if one.seq is not None)):
            stored.add(seq, seq)
        return Position(floor, hub_seq, last.seq, above, stored)

    def _newest(self) -> HubMessage | None:
        """The one stored last at the hub; one that was sent again has a lower sequence of ours."""
        return max(self._last, key=lambda message: message.hub_seq, default=None)

    def _plan_end(self) -> None:
        """What is sent from now on is stored behind the last message of anybody."""
        self._open[_END] = ">"
        self.stage += 1

    def _plan_probes(self) -> None:
        last = self._newest()
        if last is None or last.in_flight is None:
            return
        between = range(last.in_flight.hub_seq + 1, last.hub_seq)
        if len(between) > limits.UPLINK_PROBES_MAX:
            # Others publish into that stream: only what is under our subjects is looked at.
            self._walks = dict.fromkeys(range(len(self._subjects)), between.start)
            self._walk_end = between.stop
        else:
            self._probes = set(between)
        self.stage += 1
