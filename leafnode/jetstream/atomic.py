"""Atomic batches: messages that are stored in one transaction, or not at all (ADR-50).

What came is kept in memory until the batch is committed, given up or too old; a commit checks every
message against what the others before it will have stored. Knows one stream and its way in.
Bounded by ATOMIC_OPEN_MAX batches of ATOMIC_MSGS_MAX messages, and by ATOMIC_OPEN_BYTES together.
Truth: measured on nats-server 2.15.1; server/stream.go processJetStreamAtomicBatchMsg.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.jetstream import advisory, retention
from leafnode.jetstream.counters import Total, with_total
from leafnode.jetstream.direct_batch import append_header
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.judge import (
    EXPECTED_LAST,
    EXPECTED_LAST_SUBJECT,
    EXPECTED_LAST_SUBJECT_SUBJECT,
    sequence,
)
from leafnode.jetstream.level import level_is_met
from leafnode.protocol import header
from leafnode.store.sizes import message_bytes

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.errors import JetStreamError
    from leafnode.jetstream.ingest import Ingest
    from leafnode.jetstream.judge import Judged
    from leafnode.jetstream.stream import Stream

_ID_MAX: Final = 64
_EOB: Final = b"eob"
_COMMIT_BLOCK: Final = header.build([(b"Nats-Batch-Commit", b"1")])


class Member(NamedTuple):
    """One message of a batch, with its header lines."""

    subject: bytes
    header_size: int
    body: bytes
    fields: dict[bytes, bytes]


@dataclass(slots=True)
class _Batch:
    members: list[Member] = field(default_factory=list)
    size: int = 0
    deadline_ns: int = 0
    timer: Timer | None = None


@dataclass(slots=True)
class _Ahead:
    """What the messages of a batch before the one that is looked at will have stored."""

    count: int = 0
    size: int = 0
    ids: set[bytes] = field(default_factory=set)
    subjects: set[bytes] = field(default_factory=set)
    totals: dict[bytes, Total] = field(default_factory=dict)


class AtomicBatches:
    """The open batches of one stream."""

    __slots__ = ("_ingest", "_open", "_size", "_stream")

    def __init__(self, stream: Stream, ingest: Ingest) -> None:
        self._stream = stream
        self._ingest = ingest
        self._open: dict[str, _Batch] = {}
        self._size = 0

    def take(self, member: Member, now_ns: int) -> bytes:
        """Take a message of a batch; return its answer: nothing yet, or the batch's PubAck.

        Raises JetStreamError, StoreError.
        """
        fields = member.fields
        name = fields[b"Nats-Batch-Id"].decode("utf-8", "replace")
        self._check(member, name)
        commit = fields.get(b"Nats-Batch-Commit")
        seq = sequence(fields[b"Nats-Batch-Sequence"])
        size = seq - (commit == _EOB)
        batch = self._open.get(name)
        if batch is None:
            batch = self._begin(name, seq, size)
        if commit not in {None, b"1", _EOB}:
            self._drop(name)
            raise js_error(10200)
        if not level_is_met(member.body[: member.header_size]):
            raise self._abandoned(name, "unsupported", js_error(10185))
        if seq != len(batch.members) + 1 or not size:
            raise self._abandoned(name, "incomplete", js_error(10176))
        too_much = self._size + len(member.body) > limits.ATOMIC_OPEN_BYTES
        if size > limits.ATOMIC_MSGS_MAX or too_much:
            raise self._abandoned(name, "large", js_error(10199, limits.ATOMIC_MSGS_MAX))
        if commit is None:
            self._keep(batch, name, member)
            return b""
        self._drop(name)
        members = batch.members if commit == _EOB else [*batch.members, member]
        if commit == _EOB:
            last = members.pop()
            block = append_header(last.body[: last.header_size], _COMMIT_BLOCK)
            body = block + last.body[last.header_size :]
            members.append(last._replace(header_size=len(block), body=body))
        return self._commit(name, members, now_ns)

    def close(self) -> None:
        """Forget what is open."""
        for name in list(self._open):
            self._drop(name)

    # --- one message

    def _check(self, member: Member, name: str) -> None:
        config = self._stream.config
        if config.sealed:
            raise js_error(10109)
        if 0 <= config.max_msg_size < len(member.body):
            raise js_error(10054)
        if not config.allow_atomic:
            raise js_error(10174)
        if len(name) > _ID_MAX:
            raise js_error(10179)
        if not member.fields.get(b"Nats-Batch-Sequence", b"").isdigit():
            raise js_error(10175)

    def _begin(self, name: str, seq: int, size: int) -> _Batch:
        if seq != 1:
            if size > limits.ATOMIC_MSGS_MAX:
                raise js_error(10199, limits.ATOMIC_MSGS_MAX)
            raise js_error(10176)
        if len(self._open) >= limits.ATOMIC_OPEN_MAX:
            raise js_error(10210)
        batch = self._open[name] = _Batch()
        return batch

    def _keep(self, batch: _Batch, name: str, member: Member) -> None:
        batch.members.append(member)
        batch.size += len(member.body)
        self._size += len(member.body)
        clock = self._stream.context.clock
        batch.deadline_ns = clock.monotonic_ns() + limits.ATOMIC_IDLE_NS
        if batch.timer is None:
            batch.timer = clock.call_later(limits.ATOMIC_IDLE_NS, lambda: self._on_timer(name))

    def _on_timer(self, name: str) -> None:
        batch = self._open[name]
        clock = self._stream.context.clock
        left_ns = batch.deadline_ns - clock.monotonic_ns()
        if left_ns > 0:
            batch.timer = clock.call_later(left_ns, lambda: self._on_timer(name))
            return
        self._abandoned(name, "timeout", js_error(10176))

    def _drop(self, name: str) -> None:
        batch = self._open.pop(name)
        self._size -= batch.size
        if batch.timer is not None:
            batch.timer.cancel()

    def _abandoned(self, name: str, reason: str, error: JetStreamError) -> JetStreamError:
        """Give a batch up, tell so, and return what the client is told."""
        self._drop(name)
        advisory.batch_abandoned(self._stream.context, self._stream.name, name, reason)
        return error

    # --- all of them

    def _commit(self, name: str, members: list[Member], now_ns: int) -> bytes:
        ahead = _Ahead()
        judged = [self._judge(member, ahead, now_ns) for member in members]
        ingest, stream = self._ingest, self._stream
        ingest.count_all([(one.subject, one.header_size, one.body) for one in members])
        stream.root.reserve(len(members), sum(len(one.body) for one in members))
        for member, one in zip(members, judged, strict=True):
            ingest.store(member.subject, one, now_ns)
        stream.enforce_limits(ahead.subjects)
        return ingest.batch_ack(name, len(members))

    def _judge(self, member: Member, ahead: _Ahead, now_ns: int) -> Judged:
        """Check one message as if those before it were stored. Raises JetStreamError."""
        judge, fields = self._ingest.judge, member.fields
        if fields.get(b"Nats-Expected-Last-Msg-Id"):
            raise js_error(10177, "Nats-Expected-Last-Msg-Id")
        judge.check_header(fields, len(member.body) - member.header_size)
        msg_id = fields.get(b"Nats-Msg-Id", b"")
        if msg_id and (msg_id in ahead.ids or judge.find(msg_id, now_ns) is not None):
            raise js_error(10201)
        judge.check_origin(fields)
        if fields.get(b"Nats-Schedule"):
            raise js_error(10177, "Nats-Schedule")
        self._check_sequences(member, ahead)
        rollup = judge.rollup(fields.get(b"Nats-Rollup", b""))
        if rollup and (member.subject in ahead.subjects if rollup == b"sub" else ahead.count):
            raise js_error(10111, f"batch rollup {rollup.decode()} invalid")
        total = judge.total(member.subject, fields, ahead.totals.get(member.subject))
        if total is not None:
            ahead.totals[member.subject] = total
            size, body = with_total(member.body[: member.header_size], total)
            member = member._replace(header_size=size, body=body)
        self._check_room(member, ahead, rollup=bool(rollup))
        ahead.count += 1
        ahead.ids.add(msg_id)
        ahead.subjects.add(member.subject)
        judged = judge.judged(member.header_size, member.body, fields, rollup)
        return judged._replace(total=total)

    def _check_sequences(self, member: Member, ahead: _Ahead) -> None:
        fields, store = member.fields, self._stream.store
        expected = fields.get(EXPECTED_LAST)
        if expected:
            last = store.last_seq() + ahead.count
            if sequence(expected) != last:
                raise js_error(10071, last)
            if ahead.count:
                raise js_error(10164)
        pattern = fields.get(EXPECTED_LAST_SUBJECT_SUBJECT) or member.subject
        if fields.get(EXPECTED_LAST_SUBJECT) and pattern in ahead.subjects:
            raise js_error(10164)
        self._ingest.judge.check_last_of_subject(member.subject, fields)

    def _check_room(self, member: Member, ahead: _Ahead, *, rollup: bool) -> None:
        config, store = self._stream.config, self._stream.store
        self._ingest.judge.check_lengths(member.header_size, member.body)
        size = message_bytes(
            config.storage, len(member.subject), member.header_size, len(member.body)
        )
        if config.discard == "new":
            state = store.state()
            state = dataclasses.replace(
                state, msgs=state.msgs + ahead.count, bytes=state.bytes + ahead.size
            )
            per_subject = config.max_msgs_per_subject > 0
            of_subject = store.subject_state(member.subject) if per_subject else None
            why = retention.refusal(config, state, of_subject, size, rollup=rollup)
            if why:
                raise js_error(10077, why)
        ahead.size += size
