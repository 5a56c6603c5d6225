"""How many messages left the local stream before the hub had them.

Pure: sequences and counts in, a number out, which is never too high. Who has a message in the
window has it to send, so only what was not read yet is lost. Truth: docs/uplink.md, "Lag".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.uplink.answers import ConsumerInfo, StreamInfo

if TYPE_CHECKING:
    from leafnode.uplink.answers import StreamState


class Unsent:
    """Of a stream that is read through a consumer.

    Behind the newest delivery there are as many as its `num_pending` says: the other sequences up
    to the last one are gone. Before it each delivery says how many were passed over. Those that
    somebody else was given are not among them.
    """

    def __init__(self) -> None:
        self._opened = StreamInfo(), ConsumerInfo()
        self._is_looked_at = True  # since it was opened
        self._top = 0  # the highest sequence that was delivered here
        self._delivery = 0  # the newest, by the consumer's count
        self._others = 0  # deliveries to somebody else, not found among what was passed over
        self._passed = 0  # sequences before `_top` that were not delivered here
        self._before = 0  # gone when it was opened: at least all that was
        self._most = 0  # gone since then, as far as is known
        self._untold = 0

    def open(self, stream: StreamInfo, consumer: ConsumerInfo) -> None:
        """Begin with what a consumer had delivered, or go on where it is the same one."""
        at = consumer.delivered
        is_same = stream.created == self._opened[0].created
        if is_same and 0 < self._delivery <= at.consumer_seq and self._top <= at.stream_seq:
            return
        self._opened, self._is_looked_at = (stream, consumer), False
        self._top, self._delivery = at.stream_seq, at.consumer_seq
        self._others = self._passed = self._most = 0
        self._before = self._in_front() + holes(stream.state)

    def _in_front(self) -> int:
        """Return how many sequences behind the newest delivery were before the stream's first."""
        stream, consumer = self._opened
        return max(0, stream.state.first_seq - 1 - consumer.delivered.stream_seq)

    def told(self, hub_seq: int) -> bool:
        """The hub has nothing of this stream behind `hub_seq`: what was before the stream's first
        message, and behind that and all deliveries, went while nobody looked. Say whether any did.
        """
        stream, consumer = self._opened
        behind = 0
        if consumer.delivered.consumer_seq:  # else it is new, and knows nothing of before
            behind = min(stream.state.first_seq - 1 - hub_seq, self._in_front(), self._before)
        self._before -= max(0, behind)
        self._opened = stream, ConsumerInfo()
        return behind > 0

    def delivered(self, seq: int, delivery: int) -> None:
        self._others += max(0, delivery - self._delivery - 1)
        self._delivery = delivery
        if seq > self._top:
            passed = seq - self._top - 1
            others = min(passed, self._others)
            self._others -= others
            self._passed += passed - others
            self._top = seq

    def note(self, stream: StreamInfo, consumer: ConsumerInfo) -> None:
        """Take a look at both, at the stream first. A mirror has the holes of its origin."""
        underway = consumer.delivered.consumer_seq - self._delivery
        if stream.config.mirror is not None or underway < 0:
            return
        last_seq = stream.state.last_seq
        if not self._is_looked_at:
            self._is_looked_at = True
            opened = self._opened[1]
            there = last_seq - opened.delivered.stream_seq - opened.num_pending
            self._before = max(0, min(self._before, there))
        waiting = consumer.num_pending + underway + self._others
        behind = max(0, last_seq - self._top - waiting)
        most = self._passed + behind - self._before
        if most > self._most:
            self._untold += most - self._most
            self._most = most

    def take(self) -> int:
        """Return how many it is since this was asked last."""
        untold, self._untold = self._untold, 0
        return untold


class UnsentNewest:
    """Of a stream that is read newest first, without a consumer: what the hub has is known."""

    def __init__(self) -> None:
        self._old_holes = 0  # that the stream had then, and were not come across yet
        self._last_seq = 0  # then
        self._is_told = False
        self._is_mirror = False  # it has the holes of its origin
        self._untold = 0

    def open(self, stream: StreamInfo) -> None:
        state, self._is_mirror = stream.state, stream.config.mirror is not None
        self._old_holes, self._last_seq = holes(state), state.last_seq
        self._is_told = False

    def told(self, _hub_seq: int) -> bool:
        """What is done is what the hub said."""
        self._is_told = True
        return False

    def gone(self, first: int, lost: int) -> None:
        """The stream let go of so many from `first` on that were to be sent."""
        if not self._is_told or self._is_mirror:
            return
        if first <= self._last_seq:
            old = min(lost, self._old_holes)
            self._old_holes -= old
            lost -= old
        self._untold += lost

    def take(self) -> int:
        """Return how many it is since this was asked last."""
        untold, self._untold = self._untold, 0
        return untold


def holes(state: StreamState) -> int:
    """Return how many sequences between the first and the last message are gone."""
    if not state.messages:
        return 0
    return max(0, state.last_seq - state.first_seq + 1 - state.messages)
