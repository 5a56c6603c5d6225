"""Where to go on after a cut: what the hub is asked, and what its answers mean.

Pure: answers in, a `Position` out. Without the question a message whose PubAck was lost would be
stored twice as soon as the hub's duplicate window is over. Truth: docs/uplink.md; that
`last_by_subj` takes a wildcard was measured on nats-server 2.15.1.

Within one run it is known what was in flight and behind which sequence of the hub's stream it can
only be (`Known`): the hub is asked for the subjects of just that. After a start the hub's last
message of this stream says it: those before it are there too, because they were sent in order. One
thing can break that, the hub refuses one and stores the next, so a message that was sent behind
open ones carries how far the hub had acknowledged (`InFlight`). What lies between is looked up.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.uplink.onward import InFlight, Place
from leafnode.uplink.parting import Stretch
from leafnode.uplink.position import NOT_ACKED, NOWHERE, Acked, Known, Position, bears_out, untold
from leafnode.uplink.ranges import Ranges
from leafnode.uplink.ways import Moved

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence, Set

    from leafnode.uplink.answers import HubMessage
    from leafnode.uplink.parting import Parting


_END: Final = 1 << 32  # the number of a question


class _Phase(Enum):
    LAST = auto()  # the last message of each subject
    CHECK = auto()  # what the newest PubAck spoke of, where the answers do not show it
    BETWEEN = auto()  # what is between


class Resume:
    """One round of asking: the last message of each subject, then what was in flight before it."""

    def __init__(
        self,
        groups: Iterable[Sequence[str]],
        acked: int,
        *,
        known: Known | None = None,
        doubtful: int = 0,
        kept: InFlight | None = None,
        last_acked: Acked = NOT_ACKED,
        is_scattered: bool = False,
    ) -> None:
        """`groups`: what is asked for; those of one group are names for the same messages.

        `doubtful`: how many messages may be there or not. `kept`: what a former run knew, as a
        message says it that goes behind others, and `last_acked` by that hub's stream.
        `is_scattered`: it is sent newest first.
        """
        self._acked = acked
        self._known = known
        self._doubtful = doubtful
        self._is_scattered = is_scattered
        self._kept = kept if kept is not None and kept.hub_seq else None
        self._last_acked = last_acked if self._kept is not None else NOT_ACKED
        self._before = kept if is_scattered else None  # done, whatever the hub has of it by now
        self._groups = [tuple(group) for group in groups]
        self.subjects = list(dict.fromkeys(one for group in self._groups for one in group))
        self._open: dict[int, str] = dict(enumerate(self.subjects))
        self._last: dict[int, HubMessage] = {}
        self._phase = _Phase.LAST
        self._probes: set[int] = set()
        self._walks: dict[int, tuple[int, int, int]] = {}  # number -> subject, first, end
        self._steps = 0
        self._checked: dict[int, HubMessage] = {}  # by where they are at the hub
        self._present: set[Place] = set()  # two of one sequence: another server has our name
        self._doubted: InFlight | None = None  # what a message says, or was kept
        self._is_denied = False  # it is not so: they speak of a stream of before
        self._end = 0  # where the hub's stream ends
        self._lower = 0  # what is looked up is behind this sequence of the hub's stream
        self._is_to_end = False  # all up to the end is looked up
        self.strangers = 0  # subjects whose last message this stream did not send
        self._formers = 0  # of those whose last one a stream sent that had its name
        self.unverified = False  # too many to look up: what was in flight counts as missing
        self.unseen = ""  # a subject under which nothing of ours was ever seen
        self.moved: Moved | None = None
        self.is_lost = False  # the hub does not have what it acknowledged last
        self.refuted = 0  # the newest that the hub has, if it is not one of this stream's
        self.foreign: HubMessage | None = None  # that one, where a copy was restored
        self._common: HubMessage | None = None  # then: the newest that is here, too
        self.is_parted = False  # it was looked for
        self._has_nothing = False  # in vain: the hub has none of this stream
        self.is_blank = False  # moved, and too much to look at under any subject

    @classmethod
    def proof(cls, known: Known) -> Resume:
        """Return a round that only asks how the hub stored what it acknowledged last."""
        resume = cls([], 0, known=known)
        resume._phase = _Phase.CHECK
        resume._probes = {known.hub_seq}
        return resume

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
        walks, names = self._walks.items(), self.subjects
        return [(number, first, names[index]) for number, (index, first, _) in walks]

    @property
    def done(self) -> bool:
        return not self._open and not self._probes and not self._walks

    @property
    def seen(self) -> list[HubMessage]:
        """What was found of this stream, one of each subject asked for; the newest last."""
        own = (message for message in self._last.values() if message.seq is not None)
        return sorted(own, key=lambda one: one.hub_seq)

    def answer(self, index: int, message: HubMessage | None) -> None:
        """Take the answer to one question; the second answer to the same one changes nothing."""
        if self._open.pop(index, None) is None:
            return
        if index == _END:
            self._end = message.hub_seq if message is not None else 0
        elif message is not None:
            self._last[index] = message
            self.strangers += message.seq is None and not message.is_former
            self._formers += message.is_former
            self._present |= message.own
        self._go_on()

    def look(self, hub_seq: int, message: HubMessage | None) -> None:
        """Take what one sequence of the hub's stream holds."""
        if hub_seq not in self._probes:
            return
        self._probes.discard(hub_seq)
        if message is not None:
            self._present |= message.own
        if self._phase is _Phase.CHECK:
            if message is not None:
                self._checked[hub_seq] = message
            self._go_on()
        elif self._known is not None and hub_seq == self._known.hub_seq and message is not None:
            self.is_lost |= message.seq != self._known.seq

    def walk(self, number: int, first: int, message: HubMessage | None) -> None:
        """Take the first message under a subject from a sequence of the hub's stream on."""
        index, expected, end = self._walks.get(number, (0, -1, 0))
        if expected != first:
            return
        if message is None or message.hub_seq >= end:
            del self._walks[number]
            return
        self._steps += 1
        most = limits.UPLINK_PROBES_MAX + 2 * self._doubtful
        if message.hub_seq < first or self._steps > most:
            self.unverified = True
            self._walks.clear()
            return
        self._present |= message.own
        if message.hub_seq + 1 == end:
            del self._walks[number]
        else:
            self._walks[number] = (index, message.hub_seq + 1, end)

    def claims(self) -> list[Place]:
        """Return what the hub says to have of this stream, as far as that has to be looked at."""
        return list({place for place in self._present if place.seq > self._acked} | self.decisive)

    @property
    def decisive(self) -> set[Place]:
        """Of those: by them others count as stored, which are not looked at."""
        return set() if (newest := self._shown()) is None else newest.places

    def refute(self, places: Set[Place]) -> None:
        """Take which of these messages are not the ones that this stream has, or had."""
        self._present -= places
        newest = self._shown()
        if newest is not None and not newest.places.isdisjoint(places):
            self.refuted, self.foreign = newest.seq or 0, newest
            says_ranges = newest.in_flight is not None and bool(newest.in_flight.ranges)
            if self.scattered and not says_ranges:
                self._kept = None  # the other history went on behind that

    @property
    def scattered(self) -> Ranges:
        """What a former run knew to be acknowledged, where some of it went newest first."""
        return Ranges() if self._kept is None else self._kept.scattered

    def compare(self, waiting: Collection[int], delivered: int) -> None:
        """Take which messages wait here, and up to where the consumer had delivered.

        One that was acknowledged here while one before it was not had been sent behind that, and
        says so. The hub's newest does not: it was sent by another server of this name.
        """
        newest = self._shown()
        if newest is None or newest.seq is None:
            return
        is_acked = newest.seq <= delivered and newest.seq not in waiting
        floor = newest.seq if newest.in_flight is None else newest.in_flight.floor
        if is_acked and any(self._acked < seq <= floor for seq in waiting):
            self.refuted, self.foreign = newest.seq, newest

    def stretch(self, last: int) -> Stretch | None:
        """Return the part of the hub's stream in which the newest of ours that is here has to be
        looked for; None: it is known, or of no use. `last`: the last sequence that is here.
        """
        if self._known is not None or self.is_parted:
            return None
        base, newest = self._base(), self._shown()
        start = 0 if base is None else base.hub_seq
        if self.foreign is not None:
            return self._up_to(self.foreign, start)
        if newest is not None and self._is_old(newest):
            return self._up_to(newest, 0) if last > self._acked else None  # is any here newer?
        # A former stream of this name may have sent later than this one: an older came back.
        is_hidden = self.strangers > 0 or self._formers > 0
        is_known = base is not None and not self.unverified
        return Stretch(start, self._hub_end() + 1) if is_hidden and not is_known else None

    def _up_to(self, shown: HubMessage, start: int) -> Stretch:
        """Leave out what is behind it where that was looked at. Newest first what was on the way
        with an old one may be later than it.
        """
        if self._is_scattered:
            said = shown.in_flight if self.foreign is None else None
            return Stretch(start, shown.hub_seq if said is None else said.hub_seq + 1)
        to_end = Stretch(start, self._hub_end() + 1, self.foreign)
        return to_end if self.unverified else Stretch(start, shown.hub_seq)

    def part(self, parting: Parting) -> None:
        """Take the newest of the hub's that is here, too. What was in flight with it is asked."""
        self.is_parted = True
        newest, found = self._shown(), parting.newest
        if self.foreign is None and newest is not None and self._is_old(newest):
            if found is None or (found.seq or 0) <= self._acked:
                return  # the hub has less than was acknowledged here
            if found.hub_seq < newest.hub_seq:  # else others hid it
                self.refuted, self.foreign, self._kept = newest.seq or 0, newest, None
        self._common = found
        self._is_to_end = self.foreign is None and self._end > 0
        self.unverified = not parting.is_whole
        self._has_nothing = parting.is_whole and not parting.sees_ours
        if parting.foreign is not None and parting.foreign.seq and not self.refuted:
            self.refuted = parting.foreign.seq
        self._doubt()
        if self._probes:
            self._phase = _Phase.CHECK
        else:
            self._plan_before()

    def _plan_before(self) -> None:
        """Look up what is before the newest of the hub's that is here, too."""
        common, base = self._common, self._base()
        if common is not None and common.seq is not None and base is not None:
            self._present |= common.own
            self._lower, self._steps = base.hub_seq, 0
            self._doubtful = min(max(0, common.seq - base.floor), limits.UPLINK_PROBES_MAX)
            self._plan_walks()

    def _is_old(self, newest: HubMessage) -> bool:
        """Say whether an older copy may have sent it: it says less than was acknowledged here."""
        top = None if newest.in_flight is None else newest.in_flight.top
        # Newest first the one that was sent last may be older than all others.
        return max(newest.seq or 0, 0 if top is None else top.seq) < self._acked

    @property
    def is_certain(self) -> bool:
        """Say whether others hide nothing that is not known."""
        return self._has_nothing or (self._base() is not None and not self.unverified)

    def position(self) -> Position:
        """Return what the answers say. Call it when `done`, and after `refute`."""
        assert self.done, "every question has its answer"
        if self._known is not None and not self.is_lost:
            return self._onward(self._known.position)
        found, before = self._said(), self._before
        if before is None:
            return found
        stored, tops = before.stored, [found.top, Place(found.stored.top())]
        tops += [before.top or Place(stored.top())]
        stored.update(found.stored)
        return replace(found, stored=stored, top=max(tops))

    def _said(self) -> Position:
        """Return what the hub says, and what was kept where that holds for its stream."""
        base = self._base()
        if base is None and not self.refuted:
            return Position(floor=self._acked, hub_seq=self._end, last=0)
        base = base or InFlight(self._acked, 0)
        floor, hub_seq, *_ = base
        if self.refuted or self._common is not None:
            # What goes from now on is stored behind the last one, whosever it is.
            floor, last = max(floor, self._acked), (self._newest(), self._common)
            hub_seq = max((one.hub_seq for one in last if one is not None), default=self._end)
        elif self.unverified and not hub_seq:
            hub_seq = self._hub_end()
        stored, top = base._replace(floor=floor).stored, base.top or NOWHERE
        return self._onward(Position(floor, hub_seq, stored=stored, top=top))

    def _base(self) -> InFlight | None:
        """Return what is certain: by the newest of ours that is here, or by what was kept."""
        kept = self._kept
        newest = self._common or (self._newest() if self.foreign is None else None)
        if newest is None or newest.seq is None or self._is_outdated(newest):
            return kept
        said = newest.in_flight
        if said is None:
            said = InFlight(newest.seq, newest.hub_seq)
        elif self._is_denied or said.hub_seq >= newest.hub_seq:
            return said._replace(hub_seq=0)  # that was in a stream before this one
        return kept if kept is not None and kept.hub_seq > said.hub_seq else said

    def _onward(self, base: Position) -> Position:
        """Return it with all that was found."""
        above, stored = dict(base.above), Ranges(base.stored)
        for seq in sorted(place.seq for place in self._present):
            stored.add(seq, seq)
            if seq > base.floor:
                above.setdefault(seq, base.hub_seq)
        last = max((base.floor, stored.top(), *base.above))
        newest, seen = self._newest(), base.hub_seq
        if not (self.unverified or self.unseen):
            end = self._end if self._is_to_end else 0
            seen = max(seen, 0 if newest is None else newest.hub_seq, end)
        top = max((base.top, *self._present))
        top = top if base.top.seq or top.seq >= stored.top() else NOWHERE
        return Position(base.floor, base.hub_seq, last, above, stored, seen, top)

    def _hub_end(self) -> int:
        """Return how far the hub's stream goes, as far as that is known."""
        return max((self._end, *(one.hub_seq for one in self._last.values())))

    def _kept_end(self) -> int:
        """Return how far it went by what was kept, if that holds."""
        kept, acked = self._kept, self._last_acked
        return max(kept.hub_seq, acked.hub_seq) if kept is not None and kept.hub_seq else 0

    def _newest(self) -> HubMessage | None:
        """The one stored last at the hub; one that was sent again has a lower sequence of ours."""
        return next(reversed(self.seen), None)

    def _shown(self) -> HubMessage | None:
        """The same, where the hub is asked for all of it and nothing later is known."""
        newest = self._newest() if self._known is None else None
        return None if newest is None or self._is_outdated(newest) else newest

    def _is_outdated(self, newest: HubMessage) -> bool:
        """Say whether what was kept is later; it may be of a history that was before that."""
        return self._kept is not None and newest.hub_seq < self._kept.hub_seq

    def _go_on(self) -> None:
        if self._open or self._probes:
            return
        if self._phase is _Phase.LAST:
            self._phase = _Phase.CHECK
            if self._plan_check():
                return
        if self._phase is _Phase.CHECK:
            self._phase = _Phase.BETWEEN
            self._plan_between()

    def _plan_check(self) -> bool:
        """Say whether more is to be asked before what is between can be."""
        newest, known = self._newest(), self._known
        if known is None:
            if newest is None or newest.hub_seq < self._kept_end():
                self._open[_END] = ">"  # what is sent from now on is stored behind anybody's
            self._doubt()
            return not self.done
        is_behind = newest is None or newest.hub_seq < known.hub_seq
        if not is_behind and not self._unseen():
            return False
        if is_behind or (self._doubtful > 1 and self._there(known.hub_seq) is None):
            self._probes = {known.hub_seq}
        self._open[_END] = ">"
        return True

    def _unseen(self) -> str:
        """Return a subject under none of whose names anything of ours was found, or nothing."""
        seen = {self.subjects[index] for index, one in self._last.items() if one.seq is not None}
        return next((group[0] for group in self._groups if seen.isdisjoint(group)), "")

    def _plan_between(self) -> None:
        """Decide what has to be looked up."""
        known = self._known
        if known is None:
            self._take_doubted()
            if self.is_parted:
                self._plan_before()
            else:
                self._plan_behind()
            return
        self._take_check(known)
        if self.is_lost or not self._doubtful:
            return
        self._lower = known.position.hub_seq
        unseen = self.moved.sent if self.moved is not None else self._unseen()
        if not unseen:
            self._plan_walks()
            if self._doubtful > 1 and self._there(known.hub_seq) is None:
                self._probes.add(known.hub_seq)  # is that still what was acknowledged there?
            return
        # Nothing says that the hub has it under that subject, so all is looked at if it can be.
        between = range(self._lower + 1, self._end + 1)
        if (unknown := untold(self._known, between, limits.UPLINK_PROBES_MAX)) is not None:
            self._probes = unknown
            return
        self.is_blank = self.moved is not None
        self.unseen = unseen
        self._plan_walks()

    def _plan_behind(self) -> None:
        """Look up what is behind what is certain."""
        if self._hub_end() < self._kept_end():
            self._kept = None  # the hub's stream is another one
        base = self._base()
        if base is None:
            return
        self._lower = base.hub_seq
        # Others are the last: what is stored from now on is behind all that is there.
        self._is_to_end = self._end > 0
        top = max((base.floor, *(place.seq for place in self._present)))
        self._doubtful = min(max(self._doubtful, top - base.floor), limits.UPLINK_PROBES_MAX)
        self._plan_walks()

    def _take_check(self, known: Known) -> None:
        """Take what was found where the newest PubAck said."""
        newest, found = self._newest(), self._there(known.hub_seq)
        if found is None and newest is not None and newest.hub_seq > known.hub_seq:
            return
        if found is None or found.seq != known.seq:
            self.is_lost = True
        elif self._checked and found.subject not in known.names:
            self.moved = Moved(known.names[0], found.subject)

    def _there(self, hub_seq: int) -> HubMessage | None:
        """Return what an answer shows there."""
        shown = {one.hub_seq: one for one in self._last.values()}
        return self._checked.get(hub_seq) or shown.get(hub_seq)

    def _doubt(self) -> None:
        """Have it looked at what lies where ours are said to have been acknowledged."""
        base, newest, acked = self._base(), self._common or self._newest(), self._last_acked
        shown = 0 if newest is None else newest.hub_seq
        place = 0 if base is None or base.hub_seq == shown else base.hub_seq
        self._doubted = base if place else None
        places = {place, acked.hub_seq} - {0}
        self._probes = {one for one in places if self._there(one) is None}

    def _take_doubted(self) -> None:
        """Take what was found there: else they speak of a stream before this one."""
        said, acked = self._doubted, self._last_acked
        lies = self._there(acked.hub_seq)
        is_same = lies is None or lies.own == {acked.place}
        is_kept = said is self._kept  # else it is the newest's own word
        found, is_so = None if said is None else self._there(said.hub_seq), True
        if said is not None and found is not None:
            # What was kept may name the place of a stranger, behind which all of ours went.
            by_kept = is_same and self._kept is not None
            is_so = by_kept if found.seq is None else bears_out(found, said, is_own=not is_kept)
        self._is_denied |= not (is_so or is_kept)
        if self._kept is not None and not (is_so and is_same):
            self._kept = self._kept._replace(hub_seq=0)

    def _plan_walks(self) -> None:
        """Look at what is under our subjects, in several places at once where much may be."""
        lower, common = self._lower, self._common
        ends = {index: one.hub_seq for index, one in self._last.items()}
        if self._is_to_end:
            ends = dict.fromkeys(range(len(self.subjects)), self._end + 1)
        if common is not None:  # what lies behind it is of the other history
            ends = {index: min(end, common.hub_seq) for index, end in ends.items()}
        found = {index: end for index, end in ends.items() if end > lower + 1}
        if not found:
            return
        at_once = limits.UPLINK_PROBES_AT_ONCE
        between = range(lower + 1, max(found.values()))
        if (unknown := untold(self._known, between, max(at_once, self._doubtful))) is not None:
            self._probes = unknown
            return
        most = max(1, at_once // len(found))
        for index, end in found.items():
            parts = max(1, min(most, self._doubtful // 4))
            size = -(-(end - lower - 1) // parts)
            for first in range(lower + 1, end, size):
                self._walks[len(self._walks)] = (index, first, min(first + size, end))
