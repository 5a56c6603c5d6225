"""What streams hold after any operations: lists and dicts, slow and obvious.

Knows the rules in words (ADR-8, ADR-43, ADR-49, ADR-50, ADR-51), nothing of the implementation.
Time is not modelled: `all_ages` is what is left when every time to live has long passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Kept:
    """One stored message."""

    seq: int
    subject: str
    payload: bytes
    ages: bool = False  # has a time to live, or its stream has a maximum age
    quiet: bool = False  # leaves no marker
    due: str = ""  # a schedule: the subject that its payload comes to
    ended: bool = False  # a schedule that another message of its subject has ended


@dataclass
class Stream:
    """A stream with limits."""

    per_subject: int = -1
    max_msgs: int = -1
    markers: bool = False
    refuses: bool = False  # `discard: new`: what does not fit is refused, and what is there stays
    messages: list[Kept] = field(default_factory=list)
    last_seq: int = 0
    ids: dict[str, int] = field(default_factory=dict)

    def of(self, subject: str) -> list[Kept]:
        return [one for one in self.messages if one.subject == subject]

    def is_full(self) -> bool:
        return self.refuses and 0 < self.max_msgs <= len(self.messages)

    def limit(self, max_msgs: int, *, refuses: bool) -> None:
        self.max_msgs, self.refuses = max_msgs, refuses
        self.hold()

    def hold(self) -> None:
        if self.max_msgs > 0 and not self.refuses:
            self.drop(self.messages[: -self.max_msgs])

    def put(self, kept: Kept, *, rollup: str = "") -> int:
        self.last_seq += 1
        kept.seq = self.last_seq
        for one in self.of(kept.subject):
            one.ended = True
        self.messages.append(kept)
        if self.per_subject > 0:
            self.drop(self.of(kept.subject)[: -self.per_subject])
        self.hold()
        if rollup:  # what the limits dropped before it is gone all the same
            replaced = self.messages if rollup == "all" else self.of(kept.subject)
            self.drop([one for one in replaced if one is not kept])
        return kept.seq

    def drop(self, some: list[Kept]) -> None:
        gone = {one.seq for one in some}
        self.messages = [one for one in self.messages if one.seq not in gone]

    def remove(self, seq: int) -> bool:
        before = len(self.messages)
        self.messages = [one for one in self.messages if one.seq != seq]
        return len(self.messages) < before

    def purge(self, *, subject: str = "", keep: int = 0) -> int:
        some = self.of(subject) if subject else list(self.messages)
        gone = some[: len(some) - keep] if keep else some
        self.drop(gone)
        return len(gone)

    def ids_of_removed(self) -> set[str]:
        """Return what nats-server forgets at a start: its window is read from what is there."""
        stored = {one.seq for one in self.messages}
        return {name for name, seq in self.ids.items() if seq not in stored}

    def all_ages(self) -> None:
        """Every time to live passes, those of markers and of what schedules send included."""
        before = list(self.messages)
        for one in [one for one in before if one.due and not one.ended]:
            self.drop([one])
            self.put(Kept(0, one.due, one.payload, ages=one.ages))
        aged = [one for one in self.messages if one.ages]
        self.drop(aged)
        if self.markers:
            newest = {one.subject: one for one in aged}
            for subject, one in newest.items():
                if not one.quiet and not self.of(subject):
                    self.last_seq += 1  # the marker came, and is gone, too


@dataclass
class Interest:
    """A stream that keeps what a consumer has not acknowledged."""

    messages: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    wanted: dict[int, set[str]] = field(default_factory=dict)  # by whom
    last_seq: int = 0
    filters: dict[str, str] = field(default_factory=dict)  # consumer: its subject
    delivered: dict[str, int] = field(default_factory=dict)
    pending: dict[str, list[int]] = field(default_factory=dict)

    def put(self, subject: str, payload: bytes) -> None:
        self.last_seq += 1
        by = {name for name, wanted in self.filters.items() if wanted in {"", subject}}
        if by:
            self.messages[self.last_seq] = subject, payload
            self.wanted[self.last_seq] = by

    def create(self, name: str, subject: str) -> None:
        """It begins behind what is there."""
        self.filters[name] = subject
        self.delivered[name] = self.last_seq
        self.pending[name] = []

    def next(self, name: str) -> int | None:
        """Deliver the next message to a consumer; return its sequence."""
        for seq in sorted(self.messages):
            if seq > self.delivered[name] and name in self.wanted[seq]:
                self.delivered[name] = seq
                self.pending[name].append(seq)
                return seq
        return None

    def ack(self, name: str, seq: int) -> None:
        self.pending[name].remove(seq)
        self._done(name, seq)

    def delete(self, name: str) -> None:
        del self.filters[name], self.delivered[name], self.pending[name]
        for seq in list(self.messages):
            self._done(name, seq)

    def _done(self, name: str, seq: int) -> None:
        if seq in self.wanted:
            self.wanted[seq].discard(name)
            if not self.wanted[seq]:
                del self.wanted[seq], self.messages[seq]
