"""Counters: each message of a counter stream adds to its subject's total (ADR-49).

The totals are kept in memory beside the sequence that they were stored under. One that is not
known, because messages were deleted or a commit failed, is read back while its subject is refused
for a moment. One entry for each subject of the stream. Truth: measured on nats-server 2.15.1;
server/stream.go processJetStreamMsg.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.errors import StoreBusy
from leafnode.jetstream.errors import js_error

if TYPE_CHECKING:
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StoredMsg

_INCREMENT: Final = re.compile(rb"[+-]?[0-9]+")
_CONTRADICTING: Final = (
    b"Nats-Rollup",
    b"Nats-Expected-Last-Sequence",
    b"Nats-Expected-Last-Subject-Sequence",
)


def check(fields: dict[bytes, bytes], payload_size: int, *, allowed: bool) -> None:
    """Raise what is wrong about `Nats-Incr`: 10171, 10168, 10170."""
    increment = fields.get(b"Nats-Incr")
    if not increment:
        return
    if len(increment) > limits.COUNTER_DIGITS_MAX or not _INCREMENT.fullmatch(increment):
        raise js_error(10171)
    if not allowed:
        raise js_error(10168)
    if payload_size:
        raise js_error(10170)
    if any(fields.get(name) for name in _CONTRADICTING):
        raise js_error(10171)


class Counters:
    """The totals of one stream."""

    __slots__ = ("_reading", "_stream", "_totals")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        # subject -> (sequence, total); None: what is stored there is no counter
        self._totals: dict[bytes, tuple[int, int | None]] = {}
        self._reading: set[bytes] = set()

    def total(self, subject: bytes) -> int:
        """Return the present total. Raises StoreBusy while it is read back, and 10172."""
        store = self._stream.store
        state = store.subject_state(subject)
        if state is None:
            return 0
        seq, total = self._totals.get(subject, (0, 0))
        if seq != state.last_seq:
            self._read(subject)
            raise StoreBusy("a counter is being read")
        if total is None:
            raise js_error(10172)
        return total

    def stored(self, subject: bytes, seq: int, total: int) -> None:
        """Note a message that was stored."""
        self._totals[subject] = (seq, total)

    def note(self, msg: StoredMsg) -> None:
        """Note a message that was read back."""
        self._totals[msg.subject] = (msg.seq, value_of(msg.payload))

    def _read(self, subject: bytes) -> None:
        if subject in self._reading:
            return
        self._reading.add(subject)

        def got(msg: StoredMsg | None) -> None:
            self._reading.discard(subject)
            if msg is not None:
                self.note(msg)

        try:
            self._stream.store.last(subject, got)
        except BaseException:
            self._reading.discard(subject)
            raise


def value_of(payload: bytes) -> int | None:
    """Return what `{"val":"5"}` says, or None."""
    try:
        found = msgspec.json.decode(payload)
        return int(found["val"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


def body_of(block: bytes, total: int) -> bytes:
    """Return what is stored: the header as it came, and the total."""
    return b'%b{"val":"%d"}' % (block, total)
