"""Whether a published message may be stored: expectations, duplicates, sizes, roll-ups, counters.

One Judge per stream; it stores nothing. The order of the checks is nats-server's
(processJetStreamMsg, measured on 2.15.1). Knows one stream and header lines; not connections or
acknowledgements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.jetstream import counters, retention, schedule
from leafnode.jetstream.counters import Total, with_total
from leafnode.jetstream.direct_batch import append_header
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.interest import is_wanted
from leafnode.jetstream.markers import raised
from leafnode.jetstream.ttl import parse_ttl
from leafnode.protocol import header
from leafnode.protocol.subject import is_literal, is_valid
from leafnode.routing.request_header import REQUEST_INFO
from leafnode.store.sizes import message_bytes

if TYPE_CHECKING:
    from leafnode.jetstream.stream import Stream

_ROLLUP: Final = header.build([(b"Nats-Rollup", b"sub")])
SCHEDULING: Final = {
    *(b"Nats-Schedule", b"Nats-Schedule-Time-Zone"),
    *(b"Nats-Schedule-Next", b"Nats-Scheduler"),
}
_PLAIN_HEADER: Final = b"NATS/1.0\r\n"
_INFO: Final = REQUEST_INFO + b":"
EXPECTED_LAST: Final = b"Nats-Expected-Last-Sequence"
EXPECTED_LAST_SUBJECT: Final = b"Nats-Expected-Last-Subject-Sequence"
EXPECTED_LAST_SUBJECT_SUBJECT: Final = b"Nats-Expected-Last-Subject-Sequence-Subject"


class Judged(NamedTuple):
    """A message that may be stored, or the sequence of the one that it repeats."""

    header_size: int
    body: bytes
    duplicate_of: int | None = None
    msg_id: bytes = b""
    rollup: bytes = b""
    ttl_ns: int = 0
    total: Total | None = None  # of a counter
    due_ns: int = 0  # of a schedule
    ends: bytes = b""  # the subject of the schedule that is over with this message
    quiet: dict[bytes, bytes] | None = None  # header lines that say whether it leaves a marker
    is_wanted: bool = True  # else it gets its sequence and is not kept


class Judge:
    """The checks of one stream; they raise JetStreamError, and StoreError of the store."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def judge(
        self,
        subject: bytes,
        header_size: int,
        body: bytes,
        fields: dict[bytes, bytes],
    ) -> Judged:
        """Check one message without storing it. Raises JetStreamError, StoreError."""
        stream = self._stream
        if stream.config.sealed:
            raise js_error(10109)
        self.check_lengths(header_size, body)
        due_ns, ends = 0, b""
        if fields:
            self._check_expectations(subject, fields, len(body) - header_size)
            if not SCHEDULING.isdisjoint(fields):
                header_size, body, due_ns, ends = self.scheduled(
                    subject, (header_size, body), fields, {}
                )
            self.check_origin(fields)
            msg_id = fields.get(b"Nats-Msg-Id", b"")
            seq = self.find(msg_id) if msg_id else None
            if seq is not None:
                return Judged(header_size, body, duplicate_of=seq)
            expected = fields.get(b"Nats-Expected-Last-Msg-Id")
            if expected and expected != stream.last_msg_id:
                raise js_error(10070, stream.last_msg_id.decode("utf-8", "replace"))
        rollup = self.rollup(fields.get(b"Nats-Rollup", b""))
        total = self.total(subject, fields)
        if total is not None:
            header_size, body = with_total(body[:header_size], total)
        if total is not None or due_ns:  # it has grown
            self.check_lengths(header_size, body)
        if not self.is_wanted(subject):
            msg_id = fields.get(b"Nats-Msg-Id", b"")
            return Judged(
                header_size, body, msg_id=msg_id, rollup=rollup, ends=ends, is_wanted=False
            )
        judged = self.judged(header_size, body, fields, rollup)
        self._check_room(subject, judged.header_size, judged.body, rollup=bool(rollup))
        return judged._replace(total=total, due_ns=due_ns, ends=ends)

    def is_wanted(self, subject: bytes) -> bool:
        """Say whether a message on this subject is kept: where retention is by interest, and nobody
        has any, it is not.
        """
        return self._stream.config.retention != "interest" or is_wanted(self._stream, subject)

    def scheduled(
        self,
        subject: bytes,
        message: tuple[int, bytes],
        fields: dict[bytes, bytes],
        ahead: dict[bytes, bool],
    ) -> tuple[int, bytes, int, bytes]:
        """Return the message as it is stored, when it is due, and which schedule it ends.

        A schedule rolls up its subject, which `fields` say from then on. `ahead` has the subjects
        of what will be stored before this one, and whether that is a schedule.
        """
        header_size, body = message
        stream, due_ns = self._stream, 0
        schedule.check_zone(fields, stream.config)
        if fields.get(b"Nats-Schedule"):
            due_ns = schedule.check(subject, fields, stream.config, stream.next_time_ns())
            if not fields.get(b"Nats-Rollup"):
                fields.setdefault(b"Nats-Rollup", b"sub")  # an empty line stays the first
                block = append_header(body[:header_size], _ROLLUP)
                header_size, body = len(block), block + body[header_size:]
        ends = schedule.check_end(subject, fields, stream.config)
        if ends in ahead:
            ends_nothing = not ahead[ends]
        else:
            known = ends and stream.store.subject_state(ends) is not None
            ends_nothing = bool(known) and not stream.scheduler.may_end(ends)
        if ends_nothing:
            raise js_error(10212)
        return header_size, body, due_ns, ends

    def total(
        self, subject: bytes, fields: dict[bytes, bytes], base: Total | None = None
    ) -> Total | None:
        """Return the new total of a counter, None for a stream without; `base` is the present one.

        Raises 10169, 10172, StoreBusy.
        """
        if not self._stream.config.allow_msg_counter:
            return None
        increment = fields.get(b"Nats-Incr")
        if not increment:
            raise js_error(10169)
        present = self._stream.counters.total(subject) if base is None else base
        return present.plus(int(increment))

    def judged(
        self, header_size: int, body: bytes, fields: dict[bytes, bytes], rollup: bytes
    ) -> Judged:
        """Return what is to be stored of a message that passed the other checks. Raises 10165."""
        ttl = fields.get(b"Nats-TTL")
        ttl_ns = parse_ttl(ttl) if ttl else 0
        if ttl_ns is None:
            raise js_error(10165)
        config = self._stream.config
        marker_ns = config.subject_delete_marker_ttl
        if ttl and 0 < ttl_ns < marker_ns and config.max_msgs_per_subject != 1:
            ttl_ns = marker_ns
            header_size, body = raised(header_size, body, marker_ns)
        msg_id = fields.get(b"Nats-Msg-Id", b"")
        quiet = fields if marker_ns and fields else None
        return Judged(header_size, body, msg_id=msg_id, rollup=rollup, ttl_ns=ttl_ns, quiet=quiet)

    def find(self, msg_id: bytes) -> int | None:
        """Return the sequence of the message that this one repeats, or None. Raises StoreError."""
        stream = self._stream
        seq = stream.dedupe.find(msg_id, stream.ids_time_ns())
        if seq is not None and seq > stream.store.committed_seq():
            failure = stream.root.failed()
            if failure is not None:  # until the store was read again, the first may be lost
                raise failure
        return seq

    def _check_expectations(
        self, subject: bytes, fields: dict[bytes, bytes], payload_size: int
    ) -> None:
        """Raise what is wrong about a header before schedules and the duplicate window count."""
        self.check_header(fields, payload_size)
        self.check_ttl(fields)
        self.check_last_of_subject(subject, fields)
        if expected := fields.get(EXPECTED_LAST):
            last = self._stream.store.last_seq()
            if sequence(expected) != last:
                raise js_error(10071, last)

    def check_header(self, fields: dict[bytes, bytes], payload_size: int) -> None:
        """Raise what is wrong about a header by itself, before the stream's messages count."""
        stream = self._stream
        counters.check(fields, payload_size, allowed=stream.config.allow_msg_counter)
        expected = fields.get(b"Nats-Expected-Stream")
        if expected and expected != stream.config.name.encode():
            raise js_error(10060)

    def check_ttl(self, fields: dict[bytes, bytes]) -> None:
        """Raise for a lifetime that the stream does not allow; what is none fails in the end."""
        ttl = fields.get(b"Nats-TTL")
        if ttl and not self._stream.config.allow_msg_ttl and parse_ttl(ttl) is not None:
            raise js_error(10166)

    def check_origin(self, fields: dict[bytes, bytes]) -> None:
        """Raise for lines that only the server may write, or that nothing is done about."""
        if fields.get(b"Nats-Stream-Source"):
            raise js_error(10227)

    def check_last_of_subject(self, subject: bytes, fields: dict[bytes, bytes]) -> None:
        """Raise where the newest message is another; a pattern that is no subject has none."""
        pattern = fields.get(EXPECTED_LAST_SUBJECT_SUBJECT)
        expected = fields.get(EXPECTED_LAST_SUBJECT)
        if not expected:
            if pattern:
                raise js_error(10193)
            return
        store = self._stream.store
        pattern = pattern or subject
        last = 0
        if is_literal(pattern):
            state = store.subject_state(pattern)
            last = state.last_seq if state else 0
        elif pattern.count(b".") < limits.MAX_SUBJECT_TOKENS and is_valid(pattern):
            last = store.newest_of(pattern)
        if sequence(expected) != last:
            raise js_error(10071, last)

    def rollup(self, value: bytes) -> bytes:
        """Return `sub`, `all` or nothing."""
        if not value:
            return b""
        config = self._stream.config
        if not config.allow_rollup_hdrs or config.deny_purge:
            raise js_error(10111, "rollup not permitted")
        if value.lower() not in {b"sub", b"all"}:
            shown = value.decode("utf-8", "replace")
            raise js_error(10111, f'rollup value invalid: "{shown}"')
        return value.lower()

    def check_lengths(self, header_size: int, body: bytes) -> None:
        """Raise 10054 or 10097 for a message that is too large."""
        if 0 <= self._stream.config.max_msg_size < len(body):
            raise js_error(10054)
        if header_size > limits.MAX_HEADER_BYTES:
            raise js_error(10097)

    def check_size(self, subject: bytes, header_size: int, body: bytes, *, rollup: bool) -> None:
        """Raise for a message that is too large, or that a limit with `discard: new` refuses."""
        self.check_lengths(header_size, body)
        self._check_room(subject, header_size, body, rollup=rollup)

    def _check_room(self, subject: bytes, header_size: int, body: bytes, *, rollup: bool) -> None:
        config = self._stream.config
        if retention.refuses_anything(config):
            store = self._stream.store
            of_subject = store.subject_state(subject) if config.max_msgs_per_subject > 0 else None
            size = message_bytes(config.storage, len(subject), header_size, len(body))
            oldest = 0
            if config.max_bytes > 0 and of_subject is not None:
                oldest = store.size_of(of_subject.first_seq)
            why = retention.refusal(
                config, store.state(), of_subject, size, oldest_size=oldest, rollup=rollup
            )
            if why:
                raise js_error(10077, why)


def opened(header_size: int, body: bytes) -> tuple[int, bytes, dict[bytes, bytes]]:
    """Return the message without a status and who published it through a service import, and those
    lines of its header that may matter.

    What is larger than a header may be is not read on: it is refused.
    """
    fields: dict[bytes, bytes] = {}
    if header_size:
        header_size, body = _without_status(header_size, body)
        block = body[: min(header_size, limits.MAX_HEADER_BYTES)]
        if b"\nNats-" in block or b"\nKV-" in block:
            fields = dict(reversed(header.parse(block)))
        if fields.pop(REQUEST_INFO, None) is not None:  # who published it by an import
            block = header.without(body[:header_size], (_INFO,))
            header_size, body = len(block), block + body[header_size:]
    return header_size, body, fields


def _without_status(header_size: int, body: bytes) -> tuple[int, bytes]:
    """Return the message with a bare `NATS/1.0` line: a status is not stored."""
    if body.startswith(_PLAIN_HEADER):
        return header_size, body
    end = body.find(b"\r\n", 0, header_size)
    if end < 0:
        return header_size, body
    body = _PLAIN_HEADER + body[end + 2 :]
    return header_size - (end + 2 - len(_PLAIN_HEADER)), body


def sequence(value: bytes) -> int:
    """Return the number, or -1 for what is none (which then matches nothing)."""
    return int(value) if value.isdigit() and len(value) <= 19 else -1
