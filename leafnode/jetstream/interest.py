"""Interest retention: which messages some consumer still needs.

A consumer needs a message that its filters match and that it has not been given, or has not
acknowledged. What nobody needs is removed with the last acknowledgement; where a consumer goes away
or changes, a sweep looks through the stream, a slice per turn of the loop.
Truth: measured on nats-server 2.15.1; server/consumer.go needAck, server/stream.go checkInterest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.protocol.subject import matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.stream import Stream


def is_wanted(stream: Stream, subject: bytes) -> bool:
    """Say whether some consumer will want a message on this subject."""
    return any(_matches(consumer, subject) for consumer in stream.consumers.values())


def unneeded(stream: Stream, done: Consumer, seqs: Sequence[int]) -> list[int]:
    """Return those of the sequences that only `done` had not acknowledged. Raises StoreError."""
    others = [one for one in stream.consumers.values() if one is not done]
    return [seq for seq in seqs if not _is_needed(stream, others, seq)]


def _is_needed(stream: Stream, consumers: Sequence[Consumer], seq: int) -> bool:
    subject: bytes | None = None
    for consumer in consumers:
        if seq in consumer.pending or seq in consumer.cursor.listed:
            return True
        if seq <= consumer.pending.delivered.stream_seq:
            continue
        if not consumer.config.filters:
            return True
        subject = subject or stream.store.subject_of(seq)
        if subject is not None and _matches(consumer, subject):
            return True
    return False


def _matches(consumer: Consumer, subject: bytes) -> bool:
    filters = consumer.config.filters
    return not filters or any(matches(one, subject) for one in filters)


class Sweep:
    """Removes everything that no consumer needs; ends with the stream or its retention."""

    __slots__ = ("_last_seq", "_next_seq", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._next_seq = 0
        self._last_seq = stream.store.last_seq()

    def start(self) -> None:
        """Look at the first slice now, at the others on later turns."""
        self._run()

    def _run(self) -> None:
        stream = self._stream
        if stream.closed or stream.config.retention != "interest":
            return
        try:
            finished = self._look()
        except StoreError as error:  # what is left is removed by the next sweep
            stream.trouble.note("Interest not looked at", error)
            return
        if not finished:
            stream.context.clock.call_later(0, self._run)

    def _look(self) -> bool:
        """Look at a slice of sequences; True when it was the last."""
        stream = self._stream
        consumers = list(stream.consumers.values())
        first = max(self._next_seq, stream.store.state().first_seq)
        end = min(self._last_seq + 1, first + limits.PURGE_TURN_MSGS)
        seqs = [seq for seq in range(first, end) if not _is_needed(stream, consumers, seq)]
        if seqs and stream.store.remove(seqs):
            stream.freed()
            stream.removed_some()
        self._next_seq = end
        return end > self._last_seq
