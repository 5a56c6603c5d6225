"""The window of a stream that is sent newest first: what is done is a set, not a floor.

Pure, like the window that it is one of. Each message carries the whole set, so the hub's last one
says it all. Truth: docs/uplink.md, "Newest first".
"""

from __future__ import annotations

from itertools import takewhile
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from leafnode.uplink.onward import InFlight
from leafnode.uplink.position import Position
from leafnode.uplink.ranges import Ranges
from leafnode.uplink.window import Offer, Window

if TYPE_CHECKING:
    from leafnode.uplink.window import Entry

_HUB_SEQ: Final = itemgetter(1)  # 0: the hub has not answered


class Scatter(Window):
    """Keeps messages in the order in which they came; `done` is what need not be sent.

    From `live_from` on they go before all others.
    """

    def __init__(self, max_msgs: int, max_bytes: int) -> None:
        super().__init__(max_msgs, max_bytes)
        self.done = Ranges()
        self.looked_at = Ranges()  # what need not be read: done, here, or gone from the stream
        # Gone, and next to nothing that is done: done together with what is next to them, so that
        # there are no more ranges to write than runs in flight. At most one for each message here.
        self._holes = Ranges()
        self._front = 0  # up to there the stream has nothing
        self.live_from = 0
        # `_top` is the highest message that is known to be done; no hole behind it is.
        # Sent and not answered yet, or answered behind such: seq -> the hub's sequence, 0 for none.
        self._order: dict[int, int] = {}
        self._let_go: set[int] = set()  # of what is here; the stream has it no more

    @property
    def held(self) -> int:
        """How many are here and in the stream, as far as is known."""
        return len(self) - len(self._let_go)

    def let_go(self, first: int, last: int) -> int:
        """The stream holds none of these: there is nothing to send but what is here.

        Return how many of the others were neither done nor known to be gone.
        """
        if first <= self._front + 1:  # what is gone from 1 on is said again with each look
            first = self._front + 1
            self._front = max(self._front, last)
        if last < first:
            return 0
        new = last - first + 1 - self.looked_at.count(first, last)
        self.looked_at.add(first, last)
        if last - first < len(self):  # mostly it is one hole, and the window may be large
            here = [seq for seq in range(first, last + 1) if seq in self._entries]
        else:
            here = sorted(seq for seq in self._entries if first <= seq <= last)
        self._let_go.update(here)
        for seq in [*here, last + 1]:
            self._pass(first, seq - 1)
            first = seq + 1
        return new

    def _pass(self, first: int, last: int) -> None:
        """None of these is here."""
        if last < first or self._holes.covers(first, last):
            return
        first, last = self._holes.take(first, last)
        is_done = first == 1 or self.done.touches(first, last)
        (self.done if is_done else self._holes).add(first, last)

    def _finish(self, first: int, last: int) -> None:
        """These are done, and the holes next to them."""
        self.done.add(*self._holes.take(first, last))
        self.looked_at.add(first, last)

    def _pop(self, seq: int) -> Entry | None:
        self._let_go.discard(seq)
        return super()._pop(seq)

    @property
    def floor(self) -> int:
        return self.done.floor()

    def is_done(self, seq: int) -> bool:
        return seq in self.looked_at and seq not in self._entries

    def unsent(self) -> list[Entry]:
        return sorted(super().unsent(), key=lambda entry: entry.seq < self.live_from)

    def offer(self, entry: Entry) -> Offer:
        if entry.seq in self._entries:
            return Offer.HELD
        if entry.seq in self.looked_at:
            return Offer.STORED
        self._put(entry)
        self.looked_at.add(entry.seq, entry.seq)
        return Offer.TAKEN

    def send(self, entry: Entry, now_ns: int) -> InFlight | None:
        self._go(entry, now_ns)
        self._order.setdefault(entry.seq, 0)  # where it was sent first: it may be stored there
        return self.said()

    def unsend(self, entry: Entry) -> None:
        super().unsend(entry)
        if not entry.is_doubtful:
            self._order.pop(entry.seq, None)

    def settle(self, seq: int, hub_seq: int) -> Entry | None:
        entry = self._pop(seq)
        if entry is None:
            return None
        self._finish(seq, seq)
        if seq > self._top.seq:
            self._top = entry.place
        if hub_seq:
            self._order[seq] = hub_seq
        else:
            self._order.pop(seq, None)  # a dead letter is nowhere at the hub
        self._advance()
        return entry

    def ends_before(self, hub_seq: int) -> None:
        super().ends_before(hub_seq)
        for seq, stored_as in self._order.items():
            self._order[seq] = min(stored_as, hub_seq - 1)

    def refuse(self, entry: Entry) -> None:
        super().refuse(entry)
        if not entry.is_doubtful:
            self._order.pop(entry.seq, None)
            self._advance()

    def wait_for(self, entry: Entry) -> None:
        super().wait_for(entry)
        self._order[entry.seq] = 0

    def said(self) -> InFlight:
        seq, mark = self._top
        return InFlight(min(seq, self.done.floor()), self._hub_seq, self.done.text(seq), mark)

    def known(self) -> Position:
        stored = Ranges(self.done)
        return Position(self.floor, self._hub_seq, 0, stored=stored, top=self._top)

    def land(self, position: Position) -> list[Entry]:
        """What was done stays done: acknowledged since the hub was asked, or not there any more."""
        self._top = max(self._top, position.highest)
        for first, last in position.stored:
            self._finish(first, last)
        self._hub_seq = max(position.hub_seq, position.seen)
        self._order.clear()
        stored = [entry for entry in self if entry.seq in self.done]
        for entry in stored:
            self._pop(entry.seq)
        # Where it may come to be stored what is sent from now on is behind it.
        self._order.update((entry.seq, 0) for entry in self.doubtful())
        self._cast_off()
        return stored

    def _advance(self) -> None:
        """What is open was sent behind everything before it in the order of sending."""
        for seq, hub_seq in [*takewhile(_HUB_SEQ, self._order.items())]:
            del self._order[seq]
            self._hub_seq = max(self._hub_seq, self._bounded(hub_seq))
