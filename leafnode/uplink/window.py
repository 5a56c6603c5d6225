"""The messages between the local consumer and the hub's PubAck: a bounded, ordered window.

Pure: no time but what it is given, no I/O. It decides what is sent next, what is free to be pulled,
and up to where everything is known to be stored. Truth: docs/uplink.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from leafnode import limits
from leafnode.uplink.gaps import Gaps
from leafnode.uplink.onward import InFlight, Place
from leafnode.uplink.position import NOWHERE, Position
from leafnode.uplink.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Entry:
    """One message that the local stream waits to have acknowledged."""

    seq: int
    subject: bytes
    header_size: int
    body: bytes
    ack: bytes  # where the local acknowledgement goes
    stored_ns: int = 0  # when the local stream stored it
    sent_ns: int | None = None  # when it was last sent, in this flight, and not refused since
    last_ns: int = 0  # when it was last sent, in any
    doubt_ns: int = 0  # when that was, of what had no answer until its flight was over
    adrift_ns: int = 0  # when it was before that, over a link that is gone
    sent_as: bytes = b""  # under which subject that was
    attempts: int = 0
    refusals: int = 0  # of these; others may have been stored
    is_awaited: bool = False  # not sent again for now: its last sending may still be stored
    losses: int = 0  # by the hub, which stored later ones
    wire_size: int = 0  # of what is on the way to the hub
    ahead_bytes: int = 0  # of all that was, when it was last sent, itself among it
    sent_size: int = 0  # of header and payload, as they were last sent
    refused: bool = False  # the hub said no, the last time
    is_leaving: bool = False  # it goes to the dead letters, not to the hub

    @property
    def size(self) -> int:
        return len(self.subject) + len(self.body)

    def arrived(self) -> int:
        """It is not on the way any more; return how many bytes of it were."""
        size, self.wire_size = self.wire_size, 0
        return size

    @property
    def place(self) -> Place:
        return Place.of(self.seq, self.stored_ns)

    @property
    def is_doubtful(self) -> bool:
        """The hub has said neither yes nor no to one of its sendings, which may be on its way."""
        return self.attempts > self.refusals

    @property
    def is_unsent(self) -> bool:
        """It is to be sent: it was not in this flight, and neither refused nor awaited."""
        return self.sent_ns is None and not self.refused and not self.is_awaited


class Budget(NamedTuple):
    """What may be pulled now."""

    msgs: int
    size: int  # bytes


class Offer(Enum):
    """What became of a message that the local consumer delivered."""

    TAKEN = "taken"
    HELD = "held"  # it was here already; only its ack subject is new
    STORED = "stored"  # the hub has it: acknowledge it


class Window:
    """At most `max_msgs` messages of at most `max_bytes` together; one larger message may be alone.

    `floor` is the sequence up to which everything is stored at the hub, or a dead letter here.
    """

    def __init__(self, max_msgs: int, max_bytes: int) -> None:
        self._max_msgs = max_msgs
        self._max_bytes = max_bytes
        self._entries: dict[int, Entry] = {}  # ascending by seq
        self._bytes = 0
        self._unsent = 0  # how many of them are; asked for with every PubAck
        self._tried = 0  # the highest sequence that was ever sent
        self._gone = 0  # the same in this flight
        self._seen = 0  # the highest sequence ever offered
        self._others = Gaps(1, 0)  # below that: what somebody else may have been given
        self._is_passed = False  # somebody else was given something since
        self._floor = 0
        self._hub_seq = 0  # what is in doubt may be stored behind that, nowhere before
        # Sent in a former flight: may be stored behind what is sent now.
        self._adrift: set[int] = set()
        # Where `_hub_seq` was when it went beside such, or before one sent again; ascending.
        self._bounds: dict[int, int] = {}
        # Done beyond a gap: seq -> hub's seq, 0 for a dead letter. Grows by what is in the window,
        # ends with the gap.
        self._done_above: dict[int, int] = {}
        self._landed = Ranges()  # what the hub had when it was last asked
        self._top = NOWHERE  # the highest of it
        self._is_scattered = False  # some of it, beyond a gap, may be stored before `_hub_seq`

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    @property
    def size(self) -> int:
        """Bytes of subjects, headers and payloads held."""
        return self._bytes

    @property
    def floor(self) -> int:
        """Up to which sequence the hub has everything, as far as this window knows."""
        return self._floor

    @property
    def in_flight(self) -> int:
        """How many are sent and neither acknowledged nor refused."""
        return len(self.flying())

    def before(self, seq: int) -> int:
        """Return it, or what is before the first message that is here: this one is to be sent."""
        return min((seq, *(held - 1 for held in self._entries)))

    def held_from(self, seq: int) -> int:
        """Return how many are here from there on: before its first the stream let go of them."""
        return sum(held >= seq for held in self._entries)

    def passed(self) -> None:
        """The consumer gave messages to somebody else: before the next one that is new."""
        self._is_passed = True

    def came_back(self, acked_seq: int) -> None:
        """The consumer waits for nothing up to there: what others had was acknowledged, or went."""
        if self._others:
            self._others.cut(0, acked_seq)
            self._raise_floor()

    def _see(self, seq: int) -> None:
        self._others.cut(seq, seq)
        if seq <= self._seen:
            return
        if self._is_passed and len(self._others) < limits.UPLINK_PASSED_MAX:
            self._others.add(max(self._seen, self._floor) + 1, seq - 1)
        self._is_passed, self._seen = False, seq

    def offer(self, entry: Entry) -> Offer:
        """Take a delivered message, unless it is here or at the hub already."""
        self._see(entry.seq)
        known = self._entries.get(entry.seq)
        if known is not None:
            known.ack = entry.ack
            return Offer.HELD
        if self.is_done(entry.seq):
            return Offer.STORED
        in_order = not self._entries or entry.seq > next(reversed(self._entries))
        self._put(entry)
        if not in_order:  # a redelivery of what a former run left
            self._entries = dict(sorted(self._entries.items()))
        return Offer.TAKEN

    def _put(self, entry: Entry) -> None:
        self._entries[entry.seq] = entry
        self._bytes += entry.size
        self._unsent += entry.is_unsent

    def _pop(self, seq: int) -> Entry | None:
        entry = self._entries.pop(seq, None)
        self._bounds.pop(seq, None)
        self._adrift.discard(seq)
        if entry is not None:
            self._bytes -= entry.size
            self._unsent -= entry.is_unsent
        return entry

    def _mark(
        self, entry: Entry, sent_ns: int | None, *, refused: bool, is_awaited: bool = False
    ) -> None:
        """Change whether an entry is sent; it may have left the window meanwhile."""
        before = entry.is_unsent
        entry.sent_ns, entry.refused, entry.is_awaited = sent_ns, refused, is_awaited
        entry.last_ns = entry.last_ns if sent_ns is None else sent_ns
        if self._entries.get(entry.seq) is entry:
            self._unsent += entry.is_unsent - before

    def is_done(self, seq: int) -> bool:
        """Say whether it is known that the hub has it, or that it is a dead letter."""
        return seq <= self._floor or seq in self._done_above or seq in self._landed

    def budget(self) -> Budget | None:
        """Return what fits in beside what is here, or None when it is full."""
        budget = Budget(self._max_msgs - len(self._entries), self._max_bytes - self._bytes)
        return budget if budget.msgs > 0 and budget.size > 0 else None

    def unsent(self) -> list[Entry]:
        """Return what was not sent in this flight and not refused, in order."""
        found: list[Entry] = []
        if self._unsent:
            # They are the newest, but for a few: the rest of the window need not be looked at.
            for entry in reversed(self._entries.values()):
                if entry.is_unsent:
                    found.append(entry)
                    if len(found) == self._unsent:
                        break
            found.reverse()
        return found

    @property
    def has_unsent(self) -> bool:
        return self._unsent > 0

    def first_refused(self) -> Entry | None:
        """Return the first that is to be tried again."""
        return next((entry for entry in self if entry.refused and not entry.is_leaving), None)

    def doubtful(self) -> list[Entry]:
        """Return what was sent, in this flight or before, and may be on its way."""
        return [entry for entry in self if entry.is_doubtful]

    def flying(self) -> list[Entry]:
        """Return what of that was sent in this flight."""
        return [entry for entry in self if entry.sent_ns is not None]

    def known(self) -> Position:
        """Return what the hub has acknowledged, without asking it again."""
        above, stored = dict(self._done_above), self._stored()
        return Position(self._floor, self._hub_seq, 0, above, stored, top=self._top)

    def _stored(self) -> Ranges:
        """Return what the hub has; what it acknowledged since it was asked only up to the floor."""
        stored = Ranges(self._landed)
        stored.add(1, self._floor)
        return stored

    def oldest_sent_ns(self) -> int | None:
        return min((entry.sent_ns for entry in self if entry.sent_ns is not None), default=None)

    def oldest_in_flight(self) -> Entry | None:
        """Return the first message that is sent and neither acknowledged nor refused."""
        return next((entry for entry in self if entry.sent_ns is not None), None)

    def send(self, entry: Entry, now_ns: int) -> InFlight | None:
        """Note that the entry goes out; return what to write on it unless it goes alone.

        It says what the hub holds if this is its last message. Others that are open before it, and
        others behind it that were sent before (it is a second try), may be there or not.
        """
        self._go(entry, now_ns)
        before = self._first_open() < entry.seq
        if self._gone > entry.seq:
            self._bind_behind(entry)
        self._gone = max(self._gone, entry.seq)
        behind = self._tried > entry.seq and self._has_tried_behind(entry)
        self._tried = max(self._tried, entry.seq)
        alone = not (before or behind or self._done_above or self._has_ranges())
        return None if alone else self.said()

    def _go(self, entry: Entry, now_ns: int) -> None:
        if self._adrift:
            self._bounds.setdefault(entry.seq, self._hub_seq)
        self._mark(entry, now_ns, refused=False)
        entry.attempts += 1

    def _bounded(self, hub_seq: int) -> int:
        """Return it, or where what is in doubt may be stored before that."""
        return min(hub_seq, next(iter(self._bounds.values()))) if self._bounds else hub_seq

    def _behind(self, entry: Entry) -> Iterator[Entry]:
        return takewhile(lambda other: other.seq > entry.seq, reversed(self._entries.values()))

    def _has_tried_behind(self, entry: Entry) -> bool:
        """Say whether one behind it was sent before: mostly the last one was."""
        return any(other.attempts for other in self._behind(entry))

    def _bind_behind(self, entry: Entry) -> None:
        """It is sent again within a flight: note where what went behind it may be stored."""
        for other in self._behind(entry):
            if other.is_doubtful:
                self._bounds.setdefault(other.seq, self._hub_seq)

    def _has_ranges(self) -> bool:
        """Say whether the hub has more than a floor can say: it was sent newest first."""
        return self._is_scattered and self._top.seq > self._floor

    def said(self) -> InFlight:
        """Return what a message says that goes behind others."""
        if not self._has_ranges():
            return InFlight(self._floor, self._hub_seq)
        seq, mark = self._top
        return InFlight(self._floor, self._hub_seq, self._stored().text(seq), mark)

    def unsend(self, entry: Entry) -> None:
        """It did not go out after all."""
        self._mark(entry, None, refused=entry.refused)
        entry.attempts -= 1

    def settle(self, seq: int, hub_seq: int) -> Entry | None:
        """Take out a message that the hub stored as `hub_seq`; None when it is not here."""
        entry = self._pop(seq)
        if entry is None:
            return None
        self._done_above[seq] = hub_seq
        self._raise_floor()
        return entry

    def ends_before(self, hub_seq: int) -> None:
        """The hub has nothing of what it acknowledged from this sequence of its on: others are
        there now.
        """
        self._hub_seq = min(self._hub_seq, hub_seq - 1)
        for seq, stored_as in self._done_above.items():
            self._done_above[seq] = min(stored_as, hub_seq - 1)
        for seq, bound in self._bounds.items():
            self._bounds[seq] = min(bound, hub_seq - 1)

    def set_aside(self, entry: Entry) -> bool:
        """Take out a message that is kept elsewhere; False when it is not here any more."""
        return self._entries.get(entry.seq) is entry and self.settle(entry.seq, 0) is not None

    def get(self, seq: int) -> Entry | None:
        return self._entries.get(seq)

    def refuse(self, entry: Entry) -> None:
        """Keep a message whose last sending the hub refused, to be tried again."""
        entry.refusals = min(entry.refusals + 1, entry.attempts)
        self.hold(entry)

    def hold(self, entry: Entry) -> None:
        """The same where the hub says nothing."""
        self._mark(entry, None, refused=True)

    def wait_for(self, entry: Entry) -> None:
        """Do not send this one again before the hub was asked once more."""
        self._mark(entry, None, refused=False, is_awaited=True)

    def land(self, position: Position) -> list[Entry]:
        """The flight is over and the hub said what it holds: return what need not be sent again.

        What the hub was seen to refuse is among it only where the hub named it, wherever the hub's
        last message is.
        """
        before = self._hub_seq
        self._floor = position.floor
        self._hub_seq = position.hub_seq
        self._done_above = dict(position.above)
        self._landed, self._top = position.stored, position.highest
        done = (entry for entry in self if self.is_done(entry.seq))
        stored = [one for one in done if not one.refused or one.seq in self._done_above]
        for entry in stored:
            self._pop(entry.seq)
        self._others.cut(0, self._floor)
        above = sum(seq in self._landed for seq in self._done_above)
        is_scattered = self._landed.count(self._floor + 1, self._top.seq) > above
        # What was refused is among it only where the hub named it.
        self._is_scattered = is_scattered and not any(one.seq in self._landed for one in self)
        first_open = next(iter(self._entries), None)
        if first_open is not None and first_open <= self._floor:
            # It was open all the time, so what was known before holds for what is behind it.
            self._floor = first_open - 1
            self._hub_seq = before
        self._cast_off()
        return stored

    def _cast_off(self) -> None:
        """A flight is over: what it sent may come to be stored at any time, or never."""
        self._gone = 0
        for entry in self:
            entry.doubt_ns = entry.doubt_ns if entry.sent_ns is None else entry.sent_ns
            self._mark(entry, None, refused=entry.refused)
        for seq, bound in self._bounds.items():
            self._bounds[seq] = min(bound, self._hub_seq)
        doubtful = [entry.seq for entry in self.doubtful()]
        for seq in doubtful:
            self._bounds.setdefault(seq, self._hub_seq)
        self._adrift = set(doubtful)

    def _first_open(self) -> int:
        """The first that is neither done nor gone, or what comes next."""
        first = next(iter(self._entries), self._seen + 1)
        return min(first, self._others.first.start) if self._others else first

    def _raise_floor(self) -> None:
        """All that was offered below the first open message is done; the highest of it counts."""
        first_open = self._first_open()
        if first_open <= self._floor + 1:
            return
        done = [seq for seq in self._done_above if seq < first_open]
        if len(done) > 1:  # mostly it is one: the hub answers in order
            done.sort()
        for seq in done:
            hub_seq = self._done_above.pop(seq)
            if seq > self._floor:
                self._floor = seq
                self._hub_seq = self._bounded(hub_seq or self._hub_seq)
