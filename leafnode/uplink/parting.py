"""Where the hub's history of a stream and the one that is here part: a copy was restored, or others
hide what the hub has of it.

Up to some message of this stream all are here, too, and behind that none: they lie at the hub in
the order in which they were sent. (What a copy left that came back before this one may lie between;
by its time that is before all that waits here.) So the newest that is here is found by looking into
the middle of what is not known yet, again and again: some 20 questions where most messages are this
stream's, and some 20 times as many as there are others for one of its own. Pure: answers in, the
next question out. Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from leafnode import limits
from leafnode.uplink.gaps import Gaps
from leafnode.uplink.nexts import Nexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.uplink.answers import HubMessage


class Verdict(Enum):
    """Whether a message of the hub's is here."""

    HERE = "here"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"  # what was here under its sequence is gone


class Stretch(NamedTuple):
    """Of the hub's stream: all of ours up to `start` is here, and nothing is from `end` on. Both
    are sequences of it, and not in it.
    """

    start: int
    end: int
    shown: HubMessage | None = None  # behind that there is none of ours, but where it is early


class Parting:
    """Has the face of a Resume. When `done`, `judge` is to be called for `candidate`, if there is
    one, until `is_over`.
    """

    def __init__(
        self,
        subjects: Sequence[str],
        stretch: Stretch,
        since_ns: int = 0,
        patience: int = 1,
    ) -> None:
        """`since_ns`: what the hub stored before that is before all that waits here, unless a clock
        is wrong: it is early. `patience`: times UPLINK_PROBES_MAX.
        """
        start, end, shown = stretch
        self._subjects = subjects
        self._gaps = Gaps(start + 1, end - 1)  # what is not known of the hub's stream
        self._middle = 0
        self._nexts = Nexts(len(subjects))
        self._walks: set[int] = set()  # subjects of which the first message is not known
        self._first: HubMessage | None = None  # from the middle on, under any subject
        self._since_ns = since_ns
        self._early = 0  # the newest that was seen to be stored before
        self._most = self._left = patience * limits.UPLINK_PROBES_MAX  # questions for one of ours
        self.candidate: HubMessage | None = None  # one of ours
        self.newest: HubMessage | None = None  # of those that are here, as far as is known
        self.foreign: HubMessage | None = None  # one that is not
        self.is_over = False
        self.is_whole = False  # nothing was left out
        self.sees_ours = False
        if shown is not None:
            self._gaps.cut(shown.hub_seq, shown.hub_seq if self.is_early(shown) else end)
        self._ask_next()

    @property
    def open_questions(self) -> list[tuple[int, str]]:
        return []

    @property
    def open_probes(self) -> list[int]:
        return []

    @property
    def open_walks(self) -> list[tuple[int, int, str]]:
        """(index, first sequence of the hub's stream, subject): the next message is asked for."""
        return [(index, self._middle, self._subjects[index]) for index in sorted(self._walks)]

    @property
    def done(self) -> bool:
        return not self._walks

    def answer(self, index: int, message: HubMessage | None) -> None:
        """Nothing is asked so."""

    def look(self, hub_seq: int, message: HubMessage | None) -> None:
        """Nothing is asked so."""

    def walk(self, number: int, first: int, message: HubMessage | None) -> None:
        """Take the first message under a subject from a sequence of the hub's stream on."""
        if number not in self._walks or first != self._middle:
            return
        self._walks.discard(number)
        if message is not None and message.hub_seq < first:
            self._end(is_whole=False)  # what goes backwards does not end
            return
        self._nexts.add(number, first, message)
        self._see(message)
        if not self._walks:
            self._take()

    def _see(self, message: HubMessage | None) -> None:
        if message is not None and (self._first is None or message.hub_seq < self._first.hub_seq):
            self._first = message

    def _take(self) -> None:
        """Go on with what needs no question, some of it at a time."""
        for _ in range(limits.UPLINK_PROBES_AT_ONCE):
            if self._walks or self.is_over or self.candidate is not None:
                return
            self._pass()
            if self.candidate is None:
                self._ask_next()

    def _pass(self) -> None:
        """What is before the first of the messages is nobody's."""
        found = self._first
        if found is None or found.hub_seq > self._gaps.last.end:
            self._gaps.cut(self._middle, self._gaps.last.end)
        elif found.seq is not None:
            self.candidate = found
        else:
            self._gaps.cut(self._middle, found.hub_seq)
            self.is_early(found)

    def is_early(self, message: HubMessage) -> bool:
        """Say whether the hub stored it before all that waits here."""
        is_early = message.stored_ns < self._since_ns
        if is_early:
            self._early = max(self._early, message.hub_seq)
        return is_early

    def judge(self, verdict: Verdict) -> None:
        """Take whether the candidate is here, if there is one. Where it cannot be known others are
        looked at.
        """
        found, self.candidate = self.candidate, None
        if found is None:
            self._take()
            return
        self.sees_ours = True
        self._gaps.cut(self._middle, found.hub_seq)
        if verdict is Verdict.HERE:
            self._gaps.cut(0, found.hub_seq)
            self.newest, self._left = found, self._most
        elif verdict is Verdict.FOREIGN:
            # An early one is of a copy that was here before this one: ours may be behind it.
            if not self.is_early(found):
                self._gaps.cut(found.hub_seq, self._gaps.last.end if self._gaps else 0)
            self.foreign, self._left = found, self._most
        self._ask_next()
        self._take()

    def _ask_next(self) -> None:
        if not self._gaps:
            self._end(is_whole=True)
        elif not self._left:
            self._end(is_whole=False)
        else:
            self._left -= 1
            if not self._gaps.has_some(self._early):  # but what is early, or a clock is wrong
                self._since_ns = self._early = 0
            # In turn: the widest may be of others alone, and so may the last.
            is_last = self._left % 2
            start, end = self._gaps.last if is_last else self._gaps.widest(self._early)
            self._middle, self._first = (start + end) // 2, None
            for number in range(len(self._subjects)):
                if (known := self._nexts.find(number, self._middle)) is None:
                    self._walks.add(number)
                else:
                    self._see(known.message)

    def _end(self, *, is_whole: bool) -> None:
        self.is_over, self.is_whole = True, is_whole
        self._walks.clear()
