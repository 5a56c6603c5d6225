"""Whether one message of a batch may be stored behind those of it that are not stored yet.

What both kinds of batches share: the checks of `judge` in the order that batches have, which is not
that of other messages. A fast batch stores as it goes, so nothing is ahead of its messages. Stores
nothing. Truth: measured on nats-server 2.15.1; server/jetstream_batching.go
checkMsgHeadersPreClusteredProposal.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from leafnode.jetstream import retention
from leafnode.jetstream.counters import with_total
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.judge import (
    EXPECTED_LAST,
    EXPECTED_LAST_SUBJECT,
    EXPECTED_LAST_SUBJECT_SUBJECT,
    SCHEDULING,
    Judged,
    sequence,
)
from leafnode.jetstream.ttl import parse_ttl
from leafnode.store.sizes import message_bytes

if TYPE_CHECKING:
    from leafnode.jetstream.counters import Total
    from leafnode.jetstream.judge import Judge
    from leafnode.jetstream.stream import Stream


class Member(NamedTuple):
    """One message of a batch, with its header lines."""

    subject: bytes
    header_size: int
    body: bytes
    fields: dict[bytes, bytes]


@dataclass(slots=True)
class Ahead:
    """What the messages of a batch before the one that is looked at will have stored."""

    count: int = 0
    size: int = 0
    ids: set[bytes] = field(default_factory=set)
    subjects: dict[bytes, bool] = field(default_factory=dict)  # whether with a schedule
    counts: Counter[bytes] = field(default_factory=Counter)  # by subject
    totals: dict[bytes, Total] = field(default_factory=dict)


class MemberCheck:
    """The checks of one stream; they raise JetStreamError, and StoreError of the store."""

    __slots__ = ("_judge", "_stream")

    def __init__(self, stream: Stream, judge: Judge) -> None:
        self._stream = stream
        self._judge = judge

    def judge(self, member: Member, ahead: Ahead) -> Judged:
        """Check one message as if those before it were stored, and count it among them.

        `duplicate_of` is the sequence of the message it repeats, 0 for one of its own batch.
        """
        judge, (subject, header_size, body, fields) = self._judge, member
        judge.check_lengths(header_size, body)
        judge.check_header(fields, len(body) - header_size)
        self._check_ttl(fields)
        if msg_id := fields.get(b"Nats-Msg-Id", b""):
            seq = 0 if msg_id in ahead.ids else judge.find(msg_id)
            if seq is not None:
                return Judged(header_size, body, duplicate_of=seq)
        judge.check_origin(fields)
        total = judge.total(subject, fields, ahead.totals.get(subject))
        if total is not None:
            header_size, body = with_total(body[:header_size], total)
            judge.check_lengths(header_size, body)
        self._check_sequences(subject, fields, ahead)
        due_ns, ends = 0, b""
        if not SCHEDULING.isdisjoint(fields):
            header_size, body, due_ns, ends = judge.scheduled(
                subject, (header_size, body), fields, ahead.subjects
            )
        rollup = judge.rollup(fields.get(b"Nats-Rollup", b""))
        if rollup and (subject in ahead.subjects if rollup == b"sub" else ahead.count):
            raise js_error(10111, f"batch rollup {rollup.decode()} invalid")
        self._check_room(Member(subject, header_size, body, fields), ahead)
        if total is not None:
            ahead.totals[subject] = total
        ahead.count += 1
        ahead.ids.add(msg_id)
        ahead.counts[subject] += 1
        ahead.subjects[subject] = bool(due_ns)
        judged = judge.judged(header_size, body, fields, rollup)
        is_wanted = judge.is_wanted(subject)
        return judged._replace(total=total, due_ns=due_ns, ends=ends, is_wanted=is_wanted)

    def _check_ttl(self, fields: dict[bytes, bytes]) -> None:
        ttl = fields.get(b"Nats-TTL")
        if not ttl:
            return
        if not self._stream.config.allow_msg_ttl:
            raise js_error(10166)
        if parse_ttl(ttl) is None:
            raise js_error(10165)

    def _check_sequences(self, subject: bytes, fields: dict[bytes, bytes], ahead: Ahead) -> None:
        expected = fields.get(EXPECTED_LAST)
        if expected:
            last = self._stream.store.last_seq() + ahead.count
            if sequence(expected) != last:
                raise js_error(10071, last)
            if ahead.count:
                raise js_error(10164)
        pattern = fields.get(EXPECTED_LAST_SUBJECT_SUBJECT) or subject
        if fields.get(EXPECTED_LAST_SUBJECT) and pattern in ahead.subjects:
            raise js_error(10164)
        self._judge.check_last_of_subject(subject, fields)

    def _check_room(self, member: Member, ahead: Ahead) -> None:
        """Raise where the stream would hold too much: here a message that replaces one counts."""
        config, store = self._stream.config, self._stream.store
        if config.discard != "new":
            return
        subject = member.subject
        size = message_bytes(config.storage, len(subject), member.header_size, len(member.body))
        state = store.state()
        msgs, held = state.msgs + ahead.count + 1, state.bytes + ahead.size + size
        of_subject = ahead.counts[subject] + 1
        if config.discard_new_per_subject and (stored := store.subject_state(subject)) is not None:
            of_subject += stored.msgs
        rolls_up = bool(member.fields.get(b"Nats-Rollup"))
        why = retention.refusal_in_batch(config, msgs, held, of_subject * (not rolls_up))
        if why:
            raise js_error(10077, why)
        ahead.size += size
