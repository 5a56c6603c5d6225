"""Counters: each message of a counter stream adds to its subject's total (ADR-49).

The totals are kept in memory beside the sequence that they were stored under. One that is not
known, because messages were deleted or a commit failed, is read back while its subject is refused
for a moment. One entry for each subject of the stream, and for some that have no messages any more:
whenever one is added, two others are looked at. Truth: measured on nats-server 2.15.1;
server/stream.go processJetStreamMsg.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from leafnode import limits
from leafnode.errors import StoreBusy
from leafnode.jetstream import wire
from leafnode.jetstream.errors import js_error
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StoredMsg

SOURCES: Final = b"Nats-Counter-Sources"
_DIGITS_MAX: Final = limits.COUNTER_DIGITS_MAX + 100  # of what increments add up to
_LOOKED_AT: Final = 2  # remembered subjects, whenever there is another
_INCREMENT: Final = re.compile(rb"[+-]?[0-9]+")
_CONTRADICTING: Final = (
    b"Nats-Rollup",
    b"Nats-Expected-Stream",
    b"Nats-Expected-Last-Msg-Id",
    b"Nats-Expected-Last-Sequence",
    b"Nats-Expected-Last-Subject-Sequence",
    b"Nats-Expected-Last-Subject-Sequence-Subject",
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


class Total(NamedTuple):
    """What a counter says: its value, and of sourced ones how much each source said."""

    value: int = 0
    sources: bytes = b""  # JSON, as `Nats-Counter-Sources` has it

    def plus(self, increment: int) -> Total:
        return Total(self.value + increment, self.sources)


_ZERO: Final = Total()


class Counters:
    """The totals of one stream."""

    __slots__ = ("_reading", "_stream", "_totals", "_turn")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        # subject -> (sequence, total); None: what is stored there is no counter
        self._totals: dict[bytes, tuple[int, Total | None]] = {}
        self._turn: deque[bytes] = deque()  # all of them, in the order of being looked at
        self._reading: set[bytes] = set()

    @property
    def remembered(self) -> int:
        """Of how many subjects something is held."""
        return len(self._totals)

    def total(self, subject: bytes) -> Total:
        """Return the present total. Raises StoreBusy while it is read back, and 10172."""
        last_seq = self._stream.store.last_of(subject)
        if not last_seq:
            return _ZERO
        seq, total = self._totals.get(subject, (0, _ZERO))
        if seq != last_seq:
            self._read(subject)
            raise StoreBusy("a counter is being read")
        if total is None:
            raise js_error(10172)
        return total

    def stored(self, subject: bytes, seq: int, total: Total) -> None:
        """Note a message that was stored."""
        self._remember(subject, seq, total)

    def note(self, msg: StoredMsg) -> None:
        """Note a message that was read back."""
        self._remember(msg.subject, msg.seq, total_of(msg.header, msg.payload))

    def _remember(self, subject: bytes, seq: int, total: Total | None) -> None:
        is_new = subject not in self._totals
        self._totals[subject] = (seq, total)
        if is_new:
            self._turn.append(subject)
            self._look_at_some()

    def _look_at_some(self) -> None:
        """Forget one that is older, and one more, if they have no messages any more."""
        store = self._stream.store
        for _ in range(_LOOKED_AT if store.damage() is None else 0):
            subject = self._turn.popleft()
            if store.msgs_of(subject):
                self._turn.append(subject)
            else:
                del self._totals[subject]
                if not self._turn:
                    return

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


def total_of(block: bytes, payload: bytes) -> Total | None:
    """Return what a stored message says, or None."""
    value = value_of(payload)
    sources = header.get(block, SOURCES) or b""
    if value is None or (sources and _sources_of(sources) is None):
        return None
    return Total(value, sources)


def value_of(payload: bytes) -> int | None:
    """Return what `{"val":"5"}` says, or None."""
    try:
        found = msgspec.json.decode(payload)["val"]
        return int(found) if len(str(found)) <= _DIGITS_MAX else None
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError, ValueError):
        return None


def with_total(block: bytes, total: Total) -> tuple[int, bytes]:
    """Return (header size, body) as it is stored: the header as it came, and the total."""
    if total.sources:
        block = header.put(block, SOURCES, total.sources)
    return len(block), b'%b{"val":"%d"}' % (block, total.value)


def summed(
    present: Total, block: bytes, payload: bytes, source: tuple[str, str]
) -> tuple[Total, bytes]:
    """Add what another stream's counter grew by since it was last heard of; return the new total
    and a header block whose `Nats-Incr` says that.

    `source` is the stream and subject it comes from. Raises 10172 for what is no counter.
    """
    value = value_of(payload)
    sources = _sources_of(present.sources) if present.sources else {}
    if value is None or sources is None:
        raise js_error(10172)
    stream, subject = source
    said = sources.setdefault(stream, {})
    growth = value - int(said.get(subject, "0"))
    said[subject] = str(value)
    shown = {name: dict(sorted(each.items())) for name, each in sorted(sources.items())}
    total = Total(present.value + growth, wire.encode(shown))
    return total, header.put(block, b"Nats-Incr", b"%d" % growth)


def _sources_of(text: bytes) -> dict[str, dict[str, str]] | None:
    try:
        found = msgspec.json.decode(text, type=dict[str, dict[str, str]])
    except (msgspec.DecodeError, RecursionError):
        return None
    numbers = [value for each in found.values() for value in each.values()]
    return found if all(map(_is_number, numbers)) else None


def _is_number(text: str) -> bool:
    return len(text) <= _DIGITS_MAX and bool(_INCREMENT.fullmatch(text.encode()))
