"""Where the hub's history of a stream and the one that is here part: a copy was restored.

The newest at the hub is not here then, but all before the copy was made is, and how much of it the
hub has its own messages say. They lie in the order in which they were sent, so the newest of them
that is here is found by halving: in some 20 questions, whatever there is. Pure: answers in, the
next question out. Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.uplink.answers import HubMessage


class Verdict(Enum):
    """Whether a message of the hub's is here."""

    HERE = "here"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"  # what was here under its sequence is gone


class Parting:
    """Has the face of a Resume. When `done`, `judge` is to be called for `candidate`, until
    `is_over`.
    """

    def __init__(self, subjects: Sequence[str], end: int) -> None:
        """`end`: a sequence of the hub's stream with a message of ours that is not here."""
        self._subjects = subjects
        self._low = 0
        self._high = end
        self._middle = 0
        self._walks: dict[int, int] = {}  # subject -> from which sequence of the hub's stream on
        self._steps = 0
        self.candidate: HubMessage | None = None  # the first of ours from the middle on
        self.newest: HubMessage | None = None  # of those that are here, as far as is known
        self.is_over = False
        self._halve()

    @property
    def open_questions(self) -> list[tuple[int, str]]:
        return []

    @property
    def open_probes(self) -> list[int]:
        return []

    @property
    def open_walks(self) -> list[tuple[int, int, str]]:
        """(index, first sequence of the hub's stream, subject): the next message is asked for."""
        return [(index, first, self._subjects[index]) for index, first in self._walks.items()]

    @property
    def done(self) -> bool:
        return not self._walks

    def answer(self, index: int, message: HubMessage | None) -> None:
        """Nothing is asked so."""

    def look(self, hub_seq: int, message: HubMessage | None) -> None:
        """Nothing is asked so."""

    def walk(self, number: int, first: int, message: HubMessage | None) -> None:
        """Take the first message under a subject from a sequence of the hub's stream on."""
        if self._walks.get(number) != first:
            return
        end = self._high if self.candidate is None else self.candidate.hub_seq
        if message is None or message.hub_seq >= end:
            del self._walks[number]
        elif message.seq is not None:
            self.candidate = message
            del self._walks[number]
        else:
            self._pass(number, first, message.hub_seq)

    def _pass(self, number: int, first: int, hub_seq: int) -> None:
        """It is of somebody else; there may be too many of those."""
        self._steps += 1
        if hub_seq < first or self._steps > limits.UPLINK_PROBES_MAX:
            self.is_over = True
            self._walks.clear()
        else:
            self._walks[number] = hub_seq + 1

    def judge(self, verdict: Verdict) -> None:
        """Take whether the candidate is here, if there is one. Where it cannot be known the next
        one is looked at.
        """
        found, self.candidate = self.candidate, None
        if self.is_over:
            return
        if found is None or verdict is Verdict.FOREIGN:
            self._high = self._middle
        elif verdict is Verdict.HERE:
            self._low, self.newest = found.hub_seq, found
        elif self._steps < limits.UPLINK_PROBES_MAX:
            self._steps += 1
            self._ask_from(found.hub_seq + 1)
            return
        else:
            self.is_over = True
            return
        self._halve()

    def _halve(self) -> None:
        if self._high - self._low <= 1:
            self.is_over = True
            return
        self._middle = (self._low + self._high) // 2
        self._ask_from(self._middle)

    def _ask_from(self, hub_seq: int) -> None:
        self._walks = dict.fromkeys(range(len(self._subjects)), hub_seq)
