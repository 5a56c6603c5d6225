"""Atomic batches: messages that are stored in one transaction, or not at all (ADR-50).

What came is kept in memory until the batch is committed, given up or too old; a commit checks every
message against what the others before it will have stored. Knows one stream and its way in.
Bounded by so many batches of so many messages as `limits.batch` says, ATOMIC_OPEN_MAX and
ATOMIC_MSGS_MAX if nothing, by ATOMIC_OPEN_BYTES together, and by ATOMIC_OPEN_TOTAL_BYTES with those
of all other streams.
Truth: measured on nats-server 2.15.1; server/stream.go processJetStreamAtomicBatchMsg.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.jetstream import advisory
from leafnode.jetstream.direct_batch import append_header
from leafnode.jetstream.errors import js_error
from leafnode.jetstream.judge import sequence
from leafnode.jetstream.level import LEVEL, level_is_met
from leafnode.jetstream.member import Ahead, Member, MemberCheck
from leafnode.jetstream.open_batches import OpenBatches
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.errors import JetStreamError
    from leafnode.jetstream.ingest import Ingest
    from leafnode.jetstream.judge import Judged
    from leafnode.jetstream.stream import Stream

_ID_MAX: Final = 64
_SEQ_MAX: Final = b"%d" % (2**64 - 1)  # what is beyond is no number there
_EOB: Final = b"eob"
_MEMBER_BYTES: Final = 640  # what one message takes beside its body; measured
_COMMIT_BLOCK: Final = header.build([(b"Nats-Batch-Commit", b"1")])


@dataclass(slots=True)
class _Batch:
    members: list[Member] = field(default_factory=list)
    size: int = 0

    @property
    def held_bytes(self) -> int:
        return self.size + _MEMBER_BYTES * len(self.members)


class AtomicBatches:
    """The open batches of one stream."""

    __slots__ = ("_bounds", "_check_member", "_ingest", "_open", "_size", "_stream", "_tally")

    def __init__(self, stream: Stream, ingest: Ingest) -> None:
        self._stream = stream
        self._ingest = ingest
        self._check_member = MemberCheck(stream, ingest.judge)
        context = stream.context
        self._bounds = context.bounds
        self._tally = context.open_atomic
        self._open: OpenBatches[_Batch] = OpenBatches(
            context.clock, self._tally, self._bounds.atomic_idle_ns, self._on_silence
        )
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
            self._drop(name, batch)
            raise js_error(10200)
        block = member.body[: member.header_size]
        if not level_is_met(block):
            raise self._abandoned(name, batch, "unsupported", js_error(10185))
        if fields.pop(LEVEL, b""):
            member = _with_block(member, header.removed(block, LEVEL))
        if seq != len(batch.members) + 1 or not size:
            raise self._abandoned(name, batch, "incomplete", js_error(10176))
        too_much = self._size + len(member.body) > limits.ATOMIC_OPEN_BYTES
        most = self._bounds.batch_msgs
        if size > most or too_much:
            raise self._abandoned(name, batch, "large", js_error(10199, most))
        if commit is None:
            held_bytes = self._tally.bytes + _MEMBER_BYTES + len(member.body)
            if held_bytes > limits.ATOMIC_OPEN_TOTAL_BYTES:
                raise self._abandoned(name, batch, "large", js_error(10210))
            self._keep(batch, name, member)
            return b""
        self._drop(name, batch)
        if commit == _EOB:
            return self._commit(name, batch.members, now_ns, marks_last=True)
        return self._commit(name, [*batch.members, member], now_ns)

    def close(self) -> None:
        """Forget what is open."""
        for name, batch in self._open.items():
            self._drop(name, batch)

    def take_apart(self) -> None:
        """It was closed long ago: let go of what holds it."""
        del self._open

    # --- one message

    def _check(self, member: Member, name: str) -> None:
        config = self._stream.config
        if config.sealed:
            raise js_error(10109)
        self._ingest.check_room(member.subject, member.header_size, member.body)
        if 0 <= config.max_msg_size < len(member.body):
            raise js_error(10054)
        if not config.allow_atomic:
            raise js_error(10174)
        if len(name) > _ID_MAX:
            raise js_error(10179)
        seq = member.fields.get(b"Nats-Batch-Sequence", b"")
        digits = seq.lstrip(b"0")
        if not seq.isdigit() or (len(digits), digits) > (len(_SEQ_MAX), _SEQ_MAX):
            raise js_error(10175)

    def _begin(self, name: str, seq: int, size: int) -> _Batch:
        if seq != 1:
            most = self._bounds.batch_msgs
            if size > most or size < 0:  # unsigned there
                raise js_error(10199, most)
            raise js_error(10176)
        batch = _Batch()
        if not self._open.add(name, batch, self._bounds.open_atomic):
            raise js_error(10210)
        return batch

    def _keep(self, batch: _Batch, name: str, member: Member) -> None:
        batch.members.append(member)
        batch.size += len(member.body)
        self._size += len(member.body)
        self._tally.bytes += _MEMBER_BYTES + len(member.body)
        self._open.keep(name, batch)

    def _on_silence(self, name: str, batch: _Batch) -> None:
        self._abandoned(name, batch, "timeout", js_error(10176))

    def _drop(self, name: str, batch: _Batch) -> None:
        self._open.drop(name)
        self._size -= batch.size
        self._tally.bytes -= batch.held_bytes

    def _abandoned(
        self, name: str, batch: _Batch, reason: str, error: JetStreamError
    ) -> JetStreamError:
        """Give a batch up, tell so, and return what the client is told."""
        self._drop(name, batch)
        advisory.batch_abandoned(self._stream.context, self._stream.name, name, reason)
        return error

    # --- all of them

    def _commit(
        self, name: str, members: list[Member], now_ns: int, *, marks_last: bool = False
    ) -> bytes:
        """Store a batch; `marks_last`: the message that ends it is the last one of these."""
        outbox = self._stream.context.account.system.outbox
        outbox.work_left -= limits.BATCHED_WORK * len(members)  # one read may end many batches
        ahead = Ahead()
        judged = [self._judge(member, ahead) for member in members]
        if marks_last:
            judged.append(_marked(judged.pop()))
        ingest, stream = self._ingest, self._stream
        self._count(members, judged)
        ingest.prepare(one.subject for one in members)
        stream.root.reserve(len(members), sum(len(one.body) for one in members))
        # Of the whole stream the oldest go: at the end of the run as well as one by one. But a
        # message that a later one of its subject replaces makes room first, or is rolled up.
        each = stream.config.max_msgs_per_subject > 0 or any(one.rollup for one in judged)
        try:
            for member, one in zip(members, judged, strict=True):
                ingest.store(member.subject, one, now_ns)
                if each:
                    ingest.enforce_limits(member.subject)
        finally:
            stream.root.release()
        return ingest.batch_ack(stream.store.last_seq(), name, len(members))

    def _count(self, members: list[Member], judged: list[Judged]) -> None:
        """Count all of a batch that is kept, or none. Raises JetStreamError."""
        kept = [
            (member.subject, one.header_size, one.body)
            for member, one in zip(members, judged, strict=True)
            if one.is_wanted
        ]
        if kept and self._stream.quota is not None:
            before = sum(self._ingest.bytes_of(*one) for one in kept[:-1])
            self._ingest.count(*kept[-1], before=before)

    def _judge(self, member: Member, ahead: Ahead) -> Judged:
        """Check one message as if those before it were stored. Raises JetStreamError."""
        if member.fields.get(b"Nats-Expected-Last-Msg-Id"):
            raise js_error(10177, "Nats-Expected-Last-Msg-Id")
        judged = self._check_member.judge(member, ahead)
        if judged.duplicate_of is not None:
            raise js_error(10201)
        return judged


def _with_block(member: Member, block: bytes) -> Member:
    return member._replace(header_size=len(block), body=block + member.body[member.header_size :])


def _marked(judged: Judged) -> Judged:
    """Return a message as one that ends its batch."""
    block = append_header(judged.body[: judged.header_size], _COMMIT_BLOCK)
    return judged._replace(header_size=len(block), body=block + judged.body[judged.header_size :])
