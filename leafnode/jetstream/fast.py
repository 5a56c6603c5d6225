"""Fast batches: messages that are stored as they come, acknowledged every so many (ADR-50).

All that is to be known of a batch stands in the reply subjects of its messages,
`<prefix>.<batch>.<flow>.<ok|fail>.<sequence>.<operation>.$FI`; this remembers how far each came.
Whatever is said leaves after the COMMIT of the run that it is about. Knows one stream and its way
in. Bounded by FAST_OPEN_MAX batches of a stream, FAST_OPEN_TOTAL_MAX of the server, FAST_IDLE_NS of
silence. Truth: measured on nats-server 2.15.1; server/stream.go processJetStreamFastBatchMsg,
server/jetstream_batching.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.errors import JetStreamError, StoreBusy, StoreError
from leafnode.jetstream import wire
from leafnode.jetstream.errors import error_fields, js_error, store_error
from leafnode.jetstream.judge import Judged, opened
from leafnode.jetstream.level import LEVEL, level_is_met
from leafnode.jetstream.member import Ahead, Member, MemberCheck
from leafnode.jetstream.open_batches import OpenBatches
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.jetstream.ingest import Ingest
    from leafnode.jetstream.puback import Answer
    from leafnode.jetstream.stream import Stream

SUFFIX: Final = b".$FI"
_ID_MAX: Final = 64
_FLOW_DEFAULT: Final = 10
_FLOW_MAX: Final = 65535
_SHARED_FLOW: Final = 500  # what the batches of a stream have together
_SEQUENCE_END: Final = 2**64 - 1
_START, _APPEND, _COMMIT, _COMMIT_EOB, _PING = range(5)


class Said(NamedTuple):
    """What a reply subject says."""

    name: str
    flow: int
    gap_ok: bool
    seq: int
    op: int


def said(reply: bytes) -> Said | None:
    """Return what a reply subject that ends in SUFFIX says, or None."""
    tokens = reply[: -len(SUFFIX)].rsplit(b".", 5)
    if len(tokens) < 6:
        return None
    _, name, flow, gaps, number, operation = tokens
    op, seq = _number(operation), _number(number)
    if not _START <= op <= _PING or not 0 < seq < _SEQUENCE_END or gaps not in {b"ok", b"fail"}:
        return None
    if (op == _START and seq != 1) or (op in {_APPEND, _COMMIT_EOB} and seq == 1):
        return None
    wanted = _number(flow)
    wanted = min(wanted, _FLOW_MAX) if wanted > 0 else _FLOW_DEFAULT
    return Said(name.decode("utf-8", "replace"), wanted, gaps == b"ok", seq, op)


def _number(token: bytes) -> int:
    return int(token) if token.isdigit() and len(token) <= 20 else -1


@dataclass(slots=True)
class _Batch:
    """How far one came. Sequences are the batch's own, but for `stream_seq`."""

    gap_ok: bool
    flow_max: int
    every: int  # so many messages to the next acknowledgement
    last: int = 0  # the newest that came, or that was not waited for
    stored: int = 0  # up to here all is stored, or given up
    told: int = 0  # the newest acknowledgement
    stream_seq: int = 0  # of the newest stored message


class FastBatches:
    """The open batches of one stream."""

    __slots__ = ("check", "ingest", "open", "stream")

    def __init__(self, stream: Stream, ingest: Ingest) -> None:
        self.stream = stream
        self.ingest = ingest
        self.check = MemberCheck(stream, ingest.judge)
        context = stream.context
        self.open: OpenBatches[_Batch] = OpenBatches(
            context.clock, context.open_fast, context.bounds.fast_idle_ns
        )

    def take(self, subject: bytes, message: tuple[bytes, int, bytes], now_ns: int) -> list[Answer]:
        """Take one message, and return what is to be said when it is on disk.

        Raises StoreBusy, and then it counts as not received.
        """
        reply = message[0]
        try:
            step = self._begin(subject, message)
        except JetStreamError as error:
            return [] if self.stream.config.no_ack else [(reply, self.ingest.error(error), False)]
        last = step.batch.last
        try:
            step.run(now_ns)
        except StoreBusy:
            step.batch.last = last
            raise
        return step.answers

    def close(self) -> None:
        """Forget what is open."""
        self.open.clear()

    def rolled_back(self) -> None:
        """The store went back to what is on disk: what lost messages is over."""
        newest = self.stream.store.committed_seq()
        for name, batch in self.open.items():
            if batch.stream_seq > newest:
                self.open.drop(name)

    def _begin(self, subject: bytes, message: tuple[bytes, int, bytes]) -> _Step:
        """Find the batch of a message. Raises JetStreamError for one that does not get into it.

        The order is nats-server's: what the stream and the account refuse comes first.
        """
        reply, header_size, body = message
        config = self.stream.config
        if config.sealed:
            raise js_error(10109)
        self.ingest.count(subject, header_size, body)
        if 0 <= config.max_msg_size < len(body):
            raise js_error(10054)
        if not config.allow_batched:
            raise js_error(10205)
        spoken = said(reply)
        if spoken is None:
            raise js_error(10206)
        if len(spoken.name.encode()) > _ID_MAX:
            raise js_error(10207)
        batch = self.open.get(spoken.name) or self._opened(spoken)
        self._check_kept(spoken.name, batch)
        header_size, body, fields = opened(header_size, body)
        if fields.pop(LEVEL, b""):
            if not level_is_met(body[:header_size]):
                self.open.drop(spoken.name)
                raise js_error(10185)
            block = header.removed(body[:header_size], LEVEL)
            header_size, body = len(block), block + body[header_size:]
        self.open.keep(spoken.name, batch)
        return _Step(self, spoken, batch, reply, Member(subject, header_size, body, fields))

    def _opened(self, spoken: Said) -> _Batch:
        if spoken.seq != 1 or spoken.op == _PING:
            raise js_error(10208)
        every = min(_SHARED_FLOW, spoken.flow) if not len(self.open) else 1
        batch = _Batch(spoken.gap_ok, spoken.flow, every)
        if not self.open.add(spoken.name, batch, self.stream.context.bounds.open_fast):
            raise js_error(10211)
        return batch

    def _check_kept(self, name: str, batch: _Batch) -> None:
        """Raise where what was stored of a batch may be lost: the store has failed since."""
        stream = self.stream
        if batch.stream_seq > stream.store.committed_seq():
            failure = stream.root.failed()
            if failure is not None:
                self.open.drop(name)
                raise store_error(failure)


class _Step:
    """One message's way through its batch; `answers` is what is to be said of it."""

    __slots__ = ("_batches", "_member", "_reply", "answers", "batch", "said")

    def __init__(
        self, batches: FastBatches, spoken: Said, batch: _Batch, reply: bytes, member: Member
    ) -> None:
        self._batches = batches
        self.said = spoken
        self.batch = batch
        self._reply = reply
        self._member = member
        self.answers: list[Answer] = []

    def run(self, now_ns: int) -> None:
        """Do what the message says. Raises StoreBusy, with nothing changed but `batch.last`."""
        if self.said.op == _PING:
            self._ping()
        elif self._follows():
            if self.said.op == _COMMIT_EOB:
                self.batch.last -= 1
                self._finish()
            else:
                self._take(now_ns)

    def _ping(self) -> None:
        batch, seq = self.batch, self.said.seq
        if seq > batch.last:
            self._say_gap(batch.last + 1, seq + 1)
            if not batch.gap_ok:
                self._finish()
                return
            batch.last = batch.stored = seq
            if self._pace():
                return
        self._say_flow(batch.told)

    def _follows(self) -> bool:
        """Count the message; end the batch at a gap that it does not allow."""
        batch, seq = self.batch, self.said.seq
        expected = batch.last + 1
        if seq != expected:
            self._say_gap(expected, seq)
            if seq < expected or not batch.gap_ok:
                self._finish()
                return False
        batch.last = seq
        return True

    def _take(self, now_ns: int) -> None:
        batch, commits = self.batch, self.said.op == _COMMIT
        if self.said.seq == 1 and not commits and not self._batches.stream.config.no_ack:
            self._say_flow(0)
        try:
            judged = self._judged()
            if judged.duplicate_of is not None:
                self._repeat(judged.duplicate_of, commits=commits)
                return
            if judged.rollup:
                self._batches.stream.errands.check_room()
            batch.stream_seq = self._batches.ingest.store(self._member.subject, judged, now_ns)
        except StoreBusy:
            raise
        except (JetStreamError, StoreError) as error:
            failure = error if isinstance(error, JetStreamError) else store_error(error)
            self._fail(failure, commits=commits)
            return
        batch.stored = batch.last
        if commits:
            self._finish()
        else:
            self._pace()

    def _judged(self) -> Judged:
        """Check the message. Raises JetStreamError, StoreError."""
        member, stream = self._member, self._batches.stream
        config = stream.config
        if not member.header_size and config.discard != "new" and not config.allow_msg_counter:
            is_wanted = self._batches.ingest.judge.is_wanted(member.subject)
            return Judged(0, member.body, is_wanted=is_wanted)
        judged = self._batches.check.judge(member, Ahead())
        expected = member.fields.get(b"Nats-Expected-Last-Msg-Id")
        if judged.duplicate_of is None and expected and expected != stream.last_msg_id:
            raise js_error(10070, stream.last_msg_id.decode("utf-8", "replace"))
        return judged

    def _repeat(self, seq: int, *, commits: bool) -> None:
        """The message is stored since before, under `seq`."""
        batch = self.batch
        batch.stored = batch.last
        self._pace()
        if not commits:
            return
        if batch.last > 1 or self.said.gap_ok:
            self._finish()
        else:
            self._say(self._batches.ingest.batch_ack(seq, self.said.name, 1, repeats=True))
            self._batches.open.drop(self.said.name)

    def _fail(self, error: JetStreamError, *, commits: bool) -> None:
        """The message is not stored: of a batch without gaps that is the end."""
        batch, ingest = self.batch, self._batches.ingest
        if batch.last == 1 and not self.said.gap_ok:
            self._say(ingest.error(error), promises=False)
            self._batches.open.drop(self.said.name)
            return
        cause = wire.encode(error_fields(error))
        answer = b'{"type":"err","seq":%d,"error":%b}' % (self.said.seq, cause)
        self._say(answer, promises=False)
        if commits or not self.said.gap_ok:
            batch.last -= 1
            self._finish()

    def _finish(self) -> None:
        """End the batch with its PubAck."""
        batch, name = self.batch, self.said.name
        self._say(self._batches.ingest.batch_ack(batch.stream_seq, name, batch.last))
        self._batches.open.drop(name)

    def _pace(self) -> bool:
        """Acknowledge when it is time, and say how often from then on: the fewer the others are,
        the more seldom. Return whether something was said.
        """
        batch = self.batch
        if batch.stored < batch.told + batch.every:
            return False
        batch.told += (batch.stored - batch.told) // batch.every * batch.every
        top = min(max(1, _SHARED_FLOW // len(self._batches.open)), batch.flow_max)
        if batch.every < top:
            batch.every = min(batch.every * 2, top)
        else:
            batch.every = max(batch.every // 2, top)
        self._say_flow(batch.told)
        return True

    def _say_flow(self, seq: int) -> None:
        answer = b'{"type":"ack","seq":%d,"msgs":%d}' % (seq, self.batch.every)
        self._say(answer, promises=seq > 0)

    def _say_gap(self, expected: int, seq: int) -> None:
        answer = b'{"type":"gap","last_seq":%d,"seq":%d}' % (expected, seq)
        self._say(answer, promises=False)

    def _say(self, answer: bytes, *, promises: bool = True) -> None:
        self.answers.append((self._reply, answer, promises))
