"""Interest retention: which messages some consumer still needs.

A consumer needs a message that its filters match and that it has not been given, has not
acknowledged, or has given up: that is for somebody to look at. What nobody needs is removed with
the last acknowledgement; where a consumer goes away or changes, a sweep looks through the stream, a
slice per turn of the loop. What no consumer has ever had stays until then: a stream whose consumers
did not outlive a restart keeps its messages for those that come.
Truth: measured on nats-server 2.15.1; server/consumer.go needAck, server/stream.go checkInterest.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreCorrupt, StoreError
from leafnode.jetstream import notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.stream import Stream

SWEEP: Final = notes.PREFIX + "sweep"
DONE_SWEEP: Final = "sweep of what is done"
_NOTE: Final = struct.Struct("<Q")  # where it begins


def is_wanted(stream: Stream, subject: bytes) -> bool:
    """Say whether some consumer will want a message on this subject."""
    return any(consumer.cursor.wants(subject) for consumer in stream.consumers.values())


def unneeded(stream: Stream, done: Consumer, seqs: Sequence[int]) -> list[int]:
    """Return those of the sequences that only `done` had not acknowledged. Raises StoreError."""
    others = [one for one in stream.consumers.values() if one is not done]
    return [seq for seq in seqs if not _is_needed(stream, others, seq)]


def position(consumer: Consumer) -> int:
    """Return the first sequence that may be there for this consumer alone."""
    return min((consumer.pending.floor.stream_seq, *consumer.pending.given_up))


def _is_needed(stream: Stream, consumers: Sequence[Consumer], seq: int) -> bool:
    subject: bytes | None = None
    for consumer in consumers:
        pending = consumer.pending
        if (
            seq <= pending.delivered.stream_seq
            and seq not in pending
            and seq not in pending.given_up
            and not consumer.cursor.is_listed(seq)
        ):
            continue
        if not consumer.config.filters:
            return True
        subject = subject or stream.store.subject_of(seq)
        if subject is not None and consumer.cursor.wants(subject):
            return True
    return False


def _is_done(stream: Stream, consumers: Sequence[Consumer], seq: int) -> bool:
    """Say whether a message that nobody needs was for some consumer."""
    subject = stream.store.subject_of(seq)
    return subject is not None and any(one.cursor.wants(subject) for one in consumers)


class Sweep:
    """Removes what no consumer needs: all of it, or only what some have done with. An errand: see
    errands.py. Ends with the stream's retention.
    """

    __slots__ = ("_again_from", "_from_seq", "_last_seq", "_next_seq", "_only_done", "_stream")

    def __init__(self, stream: Stream, from_seq: int, *, only_done: bool) -> None:
        self._stream = stream
        self._only_done = only_done
        self._from_seq = from_seq
        self._again_from: int | None = None  # once it is through: where to begin once more
        self._next_seq = 0
        self._last_seq = 0

    @classmethod
    def of(cls, stream: Stream, note: bytes) -> Sweep:
        """Return what a note says. Raises StoreCorrupt."""
        try:
            (from_seq,) = _NOTE.unpack(note)
        except struct.error as error:
            raise StoreCorrupt("the note of a sweep cannot be read") from error
        return cls(stream, from_seq, only_done=False)

    def note(self) -> bytes:
        """Return what `of` reads."""
        again = self._from_seq if self._again_from is None else self._again_from
        return _NOTE.pack(min(self._from_seq, again))

    @property
    def name(self) -> str:
        """What some have done with is looked for at each start: that needs no note."""
        return DONE_SWEEP if self._only_done else SWEEP

    @property
    def waits(self) -> bool:
        return False

    def add(self, from_seq: int) -> None:
        """Go round once more behind the end."""
        again = from_seq if self._again_from is None else self._again_from
        self._again_from = min(from_seq, again)

    def begin(self) -> None:
        """Look at everything, for the first time or once more."""
        if self._again_from is not None:
            self._from_seq = min(self._from_seq, self._again_from)
            self._again_from = None
        self._next_seq = self._from_seq
        self._last_seq = self._stream.store.last_seq()

    def step(self) -> bool:
        """Look at a slice of messages; True when it was the last."""
        stream = self._stream
        if stream.closed or stream.config.retention != "interest":
            return True
        if not self._look():
            return False
        if self._again_from is None:
            return True
        self._from_seq = self._again_from
        self.begin()
        return False

    def end(self, error: StoreError | None) -> None:
        if error is not None:  # what is left is removed by the next sweep
            self._stream.trouble.note("Interest not looked at", error)

    def _look(self) -> bool:
        stream = self._stream
        consumers = list(stream.consumers.values())
        if not consumers:
            return self._only_done or self._take_front()
        most = max(1, limits.PURGE_TURN_MSGS // len(consumers))
        found = stream.store.live(self._next_seq, most)
        seqs = [seq for seq in found if not _is_needed(stream, consumers, seq)]
        if self._only_done:
            seqs = [seq for seq in seqs if _is_done(stream, consumers, seq)]
        if seqs and stream.store.remove(seqs):
            stream.removed_some()
        if len(found) < most:
            return True
        self._next_seq = found[-1] + 1
        return found[-1] >= self._last_seq

    def _take_front(self) -> bool:
        """There is nobody to need any of it; True when all of it is gone."""
        stream, store = self._stream, self._stream.store
        if store.remove_below(store.front_end(self._last_seq + 1)):
            stream.freed()
        return store.first_seq() > self._last_seq
