"""Interest retention: which messages some consumer still needs.

A consumer needs a message that its filters match and that it has not been given, has not
acknowledged, or has given up: that is for somebody to look at. What nobody needs is removed with
the last acknowledgement; where a consumer goes away or changes, a sweep looks through the stream, a
slice per turn of the loop. What no consumer has ever had stays until then: a stream whose consumers
did not outlive a restart keeps its messages for those that come.
Truth: measured on nats-server 2.15.1; server/consumer.go needAck, server/stream.go checkInterest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.stream import Stream


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
            and seq not in consumer.cursor.listed
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
    """Removes what no consumer needs: all of it, or only what some have done with. One for each
    stream; ends with it or its retention.
    """

    __slots__ = ("_is_running", "_last_seq", "_next_seq", "_only_done", "_stream", "_waiting")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_running = False
        self._waiting: dict[bool, int] = {}  # where to begin, by `only_done`
        self._only_done = False
        self._next_seq = 0
        self._last_seq = 0

    def start(self, from_seq: int, *, only_done: bool) -> None:
        """Look at the first slice now, at the others on later turns; when it runs, go round once
        more behind its end.
        """
        self._waiting[only_done] = min(from_seq, self._waiting.get(only_done, from_seq))
        if not self._is_running:
            self._begin()
            self._run()

    def _begin(self) -> None:
        self._is_running = True
        self._only_done, self._next_seq = self._waiting.popitem()
        self._last_seq = self._stream.store.last_seq()

    def _run(self) -> None:
        stream = self._stream
        try:
            is_over = stream.closed or stream.config.retention != "interest" or self._look()
        except StoreBusy:  # what it looks into cannot be read just now
            stream.context.clock.call_later(limits.DELIVER_RETRY_NS, self._run)
            return
        except StoreError as error:  # what is left is removed by the next sweep
            stream.trouble.note("Interest not looked at", error)
            is_over = True
            self._waiting.clear()
        if is_over and self._waiting:
            is_over = False
            self._begin()
        self._is_running = not is_over
        if not is_over:
            stream.context.clock.call_later(0, self._run)

    def _look(self) -> bool:
        """Look at a slice of messages; True when it was the last."""
        stream = self._stream
        consumers = list(stream.consumers.values())
        if not consumers:
            if not self._only_done and stream.store.remove_below(self._last_seq + 1):
                stream.freed()
            return True
        most = max(1, limits.PURGE_TURN_MSGS // len(consumers))
        found = stream.store.live(self._next_seq, most)
        seqs = [seq for seq in found if not _is_needed(stream, consumers, seq)]
        if self._only_done:
            seqs = [seq for seq in seqs if _is_done(stream, consumers, seq)]
        if seqs and stream.store.remove(seqs):
            stream.freed()
            stream.removed_some()
        if len(found) < most:
            return True
        self._next_seq = found[-1] + 1
        return found[-1] >= self._last_seq
