"""One published message into a stream: expectations, duplicates, limits, append, acknowledgement.

HOT: `receive` runs for every run of messages on a stream's subjects. A message without headers on a
stream that refuses nothing costs one append and one PubAck. The order of the checks is
nats-server's (processJetStreamMsg, measured on 2.15.1); the PubAck leaves only after the COMMIT
that holds the message (docs/adr/0003).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.errors import JetStreamError, StoreBusy, StoreError
from leafnode.jetstream import counters, interest, retention, wire
from leafnode.jetstream.atomic import AtomicBatches, Member
from leafnode.jetstream.counters import body_of
from leafnode.jetstream.errors import TOO_MANY_REQUESTS, js_error, store_error, trace_error
from leafnode.jetstream.markers import raised
from leafnode.jetstream.reshape import Copy, Republish, SubjectTransform
from leafnode.jetstream.ttl import parse_ttl
from leafnode.protocol import header
from leafnode.protocol.subject import is_literal, is_valid
from leafnode.routing.subscription import Delivery
from leafnode.routing.tracing import without_trace
from leafnode.store.sizes import message_bytes

if TYPE_CHECKING:
    from leafnode.jetstream.quota import Quota
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.tracing import Trace

# (reply, answer, whether the answer promises that the message is stored)
Answer = tuple[bytes, bytes, bool]

_FAST_BATCH: Final = b".$FI"
_PLAIN_HEADER: Final = b"NATS/1.0\r\n"
_DUPLICATE: Final = "msgid is duplicate"
_EXPECTED_LAST_SUBJECT: Final = b"Nats-Expected-Last-Subject-Sequence"
_EXPECTED_LAST_SUBJECT_SUBJECT: Final = b"Nats-Expected-Last-Subject-Sequence-Subject"


class Judged(NamedTuple):
    """A message that may be stored, or the sequence of the one that it repeats."""

    header_size: int
    body: bytes
    duplicate_of: int | None = None
    msg_id: bytes = b""
    rollup: bytes = b""
    ttl_ns: int = 0
    total: int | None = None  # of a counter
    quiet: dict[bytes, bytes] | None = None  # header lines that say whether it leaves a marker


class Ingest:
    """The way in of one stream."""

    __slots__ = (
        "_ack",
        "_checked",
        "_copies",
        "_ends",
        "_is_wanted",
        "_republish",
        "_stream",
        "_transform",
        "atomic",
        "refused",
    )

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.refused = 0  # publishes turned away because too much waits for the committer
        self._ack = b""
        self._ends = b""
        self._checked = False
        self._transform: SubjectTransform | None = None
        self._republish: Republish | None = None
        self._copies: list[Copy] = []  # of the run that is being stored
        self.atomic = AtomicBatches(stream, self)
        self._is_wanted = True  # by some consumer; of interest where retention asks for it
        self.configure()

    def configure(self) -> None:
        """Take over the stream's present configuration."""
        config = self._stream.config
        domain = self._stream.context.facts.domain
        named = b'{"stream":%b' % wire.encode(config.name)
        self._ack = named + (b',"domain":%b' % wire.encode(domain) if domain else b"") + b',"seq":'
        self._ends = b',"stream":%b,"seq":0}' % wire.encode(config.name)
        random = self._stream.context.random
        self._transform = SubjectTransform(config, random) if config.subject_transform else None
        self._republish = Republish(config, random) if config.republish else None
        if not config.allow_atomic:
            self.atomic.close()
        # Whether more than appending is to be done with a message without headers.
        self._checked = (
            config.sealed
            or config.max_msg_size >= 0
            or config.retention == "interest"
            or config.republish is not None
            or config.allow_msg_counter
            or retention.refuses_anything(config)
        )

    def receive(self, delivery: Delivery) -> None:
        """Store a run of messages on one subject, and answer when it is on disk."""
        if self._transform is None:
            self._receive_stored(delivery)
        else:
            for run in self._transform.runs(delivery):
                self._receive_stored(run)

    def close(self) -> None:
        """Take no more: what is not complete is forgotten."""
        self.atomic.close()

    def _receive_stored(self, delivery: Delivery) -> None:
        """Receive a run under the subject that it is stored under."""
        trace = delivery.trace
        if trace is None:
            self._receive(delivery)
            return
        fields = self._judge_traced(delivery, trace)
        if trace.only:
            return
        [(reply, header_size, body)] = delivery.messages
        block = without_trace(body[:header_size])
        message = (reply, len(block), block + body[header_size:])
        self._receive(Delivery(delivery.subject, [message], delivery.origin))
        trace.hold()
        self._stream.root.after_commit(partial(_traced, trace, fields))

    def _receive(self, delivery: Delivery) -> None:
        stream = self._stream
        subject = delivery.subject
        now_ns = stream.next_time_ns()
        append = stream.store.append
        checked = self._checked
        ack = self._ack
        answers: list[Answer] = []
        quota = stream.quota
        self._prepare(subject)
        for reply, header_size, body in delivery.messages:
            try:
                if header_size or checked or reply[-4:] == _FAST_BATCH:
                    answer = self._take(subject, (reply, header_size, body), now_ns)
                else:
                    if quota is not None:
                        self._count(quota, subject, 0, body)
                    answer = b"%b%d}" % (ack, append(subject, 0, body, now_ns))
                    stream.last_msg_id = b""
            except JetStreamError as error:
                if reply:
                    answers.append((reply, self._error(error), False))
            except StoreBusy:
                self._refuse(reply)
            except StoreError as error:
                if reply:
                    answers.append((reply, self._error(store_error(error)), False))
            else:
                if reply:
                    answers.append((reply, answer, True))
        try:
            stream.enforce_limits(subject)
        except StoreError as error:  # the messages are staged all the same: the commit will tell
            stream.trouble.note("Limits not enforced", error)
        if stream.config.no_ack:
            answers = []
        copies, self._copies = self._copies, []
        stream.root.after_commit(
            partial(self._committed, answers, copies, stream.store.last_seq(), stream.last_msg_id)
        )

    def _prepare(self, subject: bytes) -> None:
        """Look at what holds for all messages of a run."""
        stream = self._stream
        if stream.quota is not None:
            stream.quota.refresh()
        if stream.config.retention == "interest":
            self._is_wanted = interest.is_wanted(stream, subject)

    def _judge_traced(self, delivery: Delivery, trace: Trace) -> dict[str, object]:
        """Note what would become of a traced message."""
        stream, subject = self._stream, delivery.subject
        [(_, header_size, body)] = delivery.messages  # a traced message travels alone
        fields = trace.note("js", stream=stream.name)
        try:
            judged = self._judge(subject, *_opened(header_size, body), stream.next_time_ns())
        except (JetStreamError, StoreError) as error:
            fields["error"] = trace_error(error, body[:header_size])
        else:
            if judged.duplicate_of is None:
                fields["subject"] = subject.decode("utf-8", "replace")
            else:
                fields["error"] = _DUPLICATE
        return fields

    def _committed(
        self,
        answers: list[Answer],
        copies: list[Copy],
        seq: int,
        msg_id: bytes,
        error: StoreError | None,
    ) -> None:
        """The run is on disk, or will never be; `seq` and `msg_id` were the newest by its end."""
        account = self._stream.context.account
        if error is None:
            for copy in copies:
                account.publish(copy.subject, copy.body, header_size=copy.header_size)
            account.publish_replies([(reply, answer) for reply, answer, _ in answers])
            if seq <= self._stream.store.committed_seq():  # not so for a refusal while it failed
                self._stream.kept_msg_id = msg_id
            self._stream.committed()
            return
        failure = self._error(store_error(error))
        account.publish_replies(
            [(reply, failure if stored else answer) for reply, answer, stored in answers]
        )

    def _refuse(self, reply: bytes) -> None:
        """Too much waits for the committer: ask for another try, as a status and as JSON."""
        self.refused += 1
        if reply and not self._stream.config.no_ack:
            body = TOO_MANY_REQUESTS + self._error(js_error(10167))
            self._stream.context.send(reply, body, header_size=len(TOO_MANY_REQUESTS))

    def _error(self, error: JetStreamError) -> bytes:
        fields = {
            "code": error.code,
            "err_code": error.err_code,
            "description": error.description,
        }
        return b'{"error":%b%b' % (wire.encode(fields), self._ends)

    # --- the checked way, one message

    def _take(self, subject: bytes, message: tuple[bytes, int, bytes], now_ns: int) -> bytes:
        """Store one message that has something to check, and return its PubAck."""
        reply, header_size, body = message
        stream = self._stream
        if reply[-4:] == _FAST_BATCH:
            raise js_error(10205)
        header_size, body, fields = _opened(header_size, body)
        if fields.get(b"Nats-Batch-Id"):
            return self.atomic.take(Member(subject, header_size, body, fields), now_ns)
        judged = self._judge(subject, header_size, body, fields, now_ns)
        if judged.duplicate_of is not None:
            return b'%b%d,"duplicate": true}' % (self._ack, judged.duplicate_of)
        if stream.quota is not None and self._is_wanted:
            self._count(stream.quota, subject, judged.header_size, judged.body)
        seq = self.store(subject, judged, now_ns)
        if judged.total is not None:
            return b'%b%d,"val":"%d"}' % (self._ack, seq, judged.total)
        return b"%b%d}" % (self._ack, seq)

    def store(self, subject: bytes, judged: Judged, now_ns: int) -> int:
        """Store a message that was checked and counted, and return its sequence."""
        stream = self._stream
        header_size, body = judged.header_size, judged.body
        if stream.config.retention == "interest" and not interest.is_wanted(stream, subject):
            return self._skip(subject, judged, now_ns)
        before = stream.store.subject_state(subject) if self._republish is not None else None
        seq = stream.store.append(subject, header_size, body, now_ns)
        if self._republish is not None:
            last_seq = before.last_seq if before is not None else 0
            copy = self._republish.copy(subject, (header_size, body), seq, now_ns, last_seq)
            if copy is not None:
                self._copies.append(copy)
        if judged.total is not None:
            stream.counters.stored(subject, seq, judged.total)
        if judged.quiet is not None:
            stream.markers.note(seq, judged.quiet)
        if judged.ttl_ns:
            stream.ages.add_ttl(seq, now_ns, judged.ttl_ns)
        stream.last_msg_id = judged.msg_id
        if judged.msg_id:
            stream.dedupe.add(judged.msg_id, seq, now_ns)
        if judged.rollup:
            stream.roll_up(subject, seq, everything=judged.rollup == b"all")
        return seq

    def batch_ack(self, name: str, count: int) -> bytes:
        """Return the PubAck of a batch whose messages were just stored."""
        last_seq = self._stream.store.last_seq()
        return b'%b%d,"batch":%b,"count":%d}' % (self._ack, last_seq, wire.encode(name), count)

    def count_all(self, messages: list[tuple[bytes, int, bytes]]) -> None:
        """Count the messages of a batch before any is stored. Raises 10002, 10023."""
        quota = self._stream.quota
        if quota is not None:
            for subject, header_size, body in messages:
                self._count(quota, subject, header_size, body)

    def _skip(self, subject: bytes, judged: Judged, now_ns: int) -> int:
        """Let a message have its sequence that no consumer wants, without keeping it."""
        stream = self._stream
        seq = stream.store.append(subject, judged.header_size, judged.body, now_ns)
        stream.store.remove([seq])
        stream.last_msg_id = judged.msg_id
        if judged.msg_id:
            stream.dedupe.add(judged.msg_id, seq, now_ns)
        return seq

    def _judge(
        self,
        subject: bytes,
        header_size: int,
        body: bytes,
        fields: dict[bytes, bytes],
        now_ns: int,
    ) -> Judged:
        """Check one message without storing it. Raises JetStreamError, StoreError."""
        stream = self._stream
        if stream.config.sealed:
            raise js_error(10109)
        msg_id = b""
        if fields:
            self._check_expectations(subject, fields, len(body) - header_size)
            msg_id = fields.get(b"Nats-Msg-Id", b"")
            seq = self.find(msg_id, now_ns) if msg_id else None
            if seq is not None:
                return Judged(header_size, body, duplicate_of=seq)
            expected = fields.get(b"Nats-Expected-Last-Msg-Id")
            if expected is not None and expected != stream.last_msg_id:
                raise js_error(10070, stream.last_msg_id.decode("utf-8", "replace"))
        rollup = self.rollup(fields.get(b"Nats-Rollup", b""))
        total = self.total(subject, fields)
        if total is not None:
            body = body_of(body[:header_size], total)
        self._check_size(subject, header_size, body, rollup=bool(rollup))
        return self.judged(header_size, body, fields, rollup)._replace(total=total)

    def total(
        self, subject: bytes, fields: dict[bytes, bytes], base: int | None = None
    ) -> int | None:
        """Return the new total of a counter, None for a stream without; `base` is the present one.

        Raises 10169, 10172, StoreBusy.
        """
        if not self._stream.config.allow_msg_counter:
            return None
        increment = fields.get(b"Nats-Incr")
        if not increment:
            raise js_error(10169)
        return (self._stream.counters.total(subject) if base is None else base) + int(increment)

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

    def find(self, msg_id: bytes, now_ns: int) -> int | None:
        """Return the sequence of the message that this one repeats, or None. Raises StoreError."""
        stream = self._stream
        seq = stream.dedupe.find(msg_id, now_ns)
        if seq is not None and seq > stream.store.committed_seq():
            failure = stream.root.failed()
            if failure is not None:  # until the store was read again, the first may be lost
                raise failure
        return seq

    def _check_expectations(
        self, subject: bytes, fields: dict[bytes, bytes], payload_size: int
    ) -> None:
        """Steps 5 to 11 of a publish: everything that is checked before the duplicate window."""
        self.check_header(fields, payload_size)
        self.check_last_of_subject(subject, fields)
        if expected := fields.get(b"Nats-Expected-Last-Sequence"):
            last = self._stream.store.last_seq()
            if _sequence(expected) != last:
                raise js_error(10071, last)
        self.check_origin(fields)

    def check_header(self, fields: dict[bytes, bytes], payload_size: int) -> None:
        """Raise what is wrong about a header by itself, before the stream's messages count."""
        stream = self._stream
        counters.check(fields, payload_size, allowed=stream.config.allow_msg_counter)
        expected = fields.get(b"Nats-Expected-Stream")
        if expected is not None and expected != stream.config.name.encode():
            raise js_error(10060)
        if (ttl := fields.get(b"Nats-TTL")) and not stream.config.allow_msg_ttl:
            raise js_error(10165 if parse_ttl(ttl) is None else 10166)

    def check_origin(self, fields: dict[bytes, bytes]) -> None:
        """Raise for lines that only the server may write, or that nothing is done about."""
        if b"Nats-Schedule" in fields:
            raise js_error(10188)
        if b"Nats-Stream-Source" in fields:
            raise js_error(10227)

    def check_last_of_subject(self, subject: bytes, fields: dict[bytes, bytes]) -> None:
        pattern = fields.get(_EXPECTED_LAST_SUBJECT_SUBJECT)
        expected = fields.get(_EXPECTED_LAST_SUBJECT)
        if not expected:
            if pattern:
                raise js_error(10193)
            return
        store = self._stream.store
        pattern = pattern or subject
        if not is_valid(pattern):
            raise js_error(10193)
        if is_literal(pattern):
            state = store.subject_state(pattern)
            last = state.last_seq if state else 0
        else:
            last = max((state.last_seq for _, state in store.subjects(pattern)), default=0)
        if _sequence(expected) != last:
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

    def _count(self, quota: Quota, subject: bytes, header_size: int, body: bytes) -> None:
        storage = self._stream.config.storage
        quota.admit(message_bytes(storage, len(subject), header_size, len(body)))

    def check_lengths(self, header_size: int, body: bytes) -> None:
        """Raise 10054 or 10097 for a message that is too large."""
        if 0 <= self._stream.config.max_msg_size < len(body):
            raise js_error(10054)
        if header_size > limits.MAX_HEADER_BYTES:
            raise js_error(10097)

    def _check_size(self, subject: bytes, header_size: int, body: bytes, *, rollup: bool) -> None:
        config = self._stream.config
        self.check_lengths(header_size, body)
        if config.discard == "new" and self._checked:
            store = self._stream.store
            of_subject = store.subject_state(subject) if config.max_msgs_per_subject > 0 else None
            size = message_bytes(config.storage, len(subject), header_size, len(body))
            why = retention.refusal(config, store.state(), of_subject, size, rollup=rollup)
            if why:
                raise js_error(10077, why)


def _traced(trace: Trace, fields: dict[str, object], error: StoreError | None) -> None:
    """A traced message is on disk, or will never be."""
    if error is not None:
        fields["error"] = store_error(error).description
    trace.release()


def _opened(header_size: int, body: bytes) -> tuple[int, bytes, dict[bytes, bytes]]:
    """Return the message without a status, and those lines of its header that may matter."""
    fields: dict[bytes, bytes] = {}
    if header_size:
        header_size, body = _without_status(header_size, body)
        block = body[:header_size]
        if b"\nNats-" in block or b"\nKV-" in block:
            fields = dict(reversed(header.parse(block)))
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


def _sequence(value: bytes) -> int:
    """Return the number, or -1 for what is none (which then matches nothing)."""
    return int(value) if value.isdigit() and len(value) <= 19 else -1
