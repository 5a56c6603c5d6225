"""One published message into a stream: expectations, duplicates, limits, append, acknowledgement.

HOT: `receive` runs for every run of messages on a stream's subjects. A message without headers on a
stream that refuses nothing costs one append and one PubAck. The order of the checks is
nats-server's (processJetStreamMsg, measured on 2.15.1); the PubAck leaves only after the COMMIT
that holds the message (docs/adr/0003).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import JetStreamError, StoreBusy, StoreError
from leafnode.jetstream import retention, wire
from leafnode.jetstream.atomic import AtomicBatches
from leafnode.jetstream.errors import (
    TOO_MANY_REQUESTS,
    error_fields,
    js_error,
    refuses_when_storing,
    store_error,
    trace_error,
)
from leafnode.jetstream.fast import SUFFIX, FastBatches
from leafnode.jetstream.judge import Judge, Judged, opened
from leafnode.jetstream.member import Member
from leafnode.jetstream.puback import PubAcks
from leafnode.jetstream.reshape import (
    Copy,
    Republish,
    SubjectTransform,
    republishes,
    transforms,
)
from leafnode.protocol import header
from leafnode.routing import parked
from leafnode.routing.peer import Kind
from leafnode.routing.subscription import Delivery
from leafnode.routing.tracing import without_trace
from leafnode.store.sizes import message_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.jetstream.puback import Answer
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.peer import Peer
    from leafnode.routing.tracing import Trace

_DUPLICATE: Final = "msgid is duplicate"


class Ingest:
    """The way in of one stream."""

    __slots__ = (
        "_ack",
        "_checked",
        "_copies",
        "_ends",
        "_may_hold_more",
        "_pub_acks",
        "_republish",
        "_stream",
        "_transform",
        "atomic",
        "fast",
        "judge",
        "refused",
    )

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.refused = 0  # publishes turned away because too much waits for the committer
        self._ack = b""
        self._ends = b""
        self._checked = False
        self._may_hold_more = False  # than its limits let it: they were not enforced yet
        self._transform: SubjectTransform | None = None
        self._republish: Republish | None = None
        self._copies: list[Copy] = []  # of the run that is being stored
        self._pub_acks: PubAcks | None = None  # of the transaction that takes what is staged
        self.judge = Judge(stream)
        self.atomic = AtomicBatches(stream, self)
        self.fast = FastBatches(stream, self)
        self.configure()

    def configure(self) -> None:
        """Take over the stream's present configuration."""
        config = self._stream.config
        domain = self._stream.context.facts.domain
        named = b'{"stream":%b' % wire.encode(config.name)
        self._ack = named + (b',"domain":%b' % wire.encode(domain) if domain else b"") + b',"seq":'
        self._ends = b',"stream":%b,"seq":0}' % wire.encode(config.name)
        random = self._stream.context.random
        self._transform = SubjectTransform(config, random) if transforms(config) else None
        self._republish = Republish(config, random) if republishes(config) else None
        # Whether more than appending is to be done with a message without headers.
        self._checked = (
            config.sealed
            or config.max_msg_size >= 0
            or config.retention == "interest"
            or self._republish is not None
            or config.allow_msg_counter
            or config.allow_msg_schedules
            or retention.refuses_anything(config)
        )

    def receive(self, delivery: Delivery) -> None:
        """Store a run of messages on one subject, and answer when it is on disk."""
        if self._transform is None:
            self._receive_stored(delivery)
        else:
            for run in self._transform.runs(delivery):
                self._receive_stored(run)
        backlog, origin = self._stream.copies_to, delivery.origin
        if backlog is not None and backlog.is_full and origin.kind is not Kind.SYSTEM:
            parked.wait(origin, backlog)

    def settled(self) -> None:
        """The configuration is on disk: of batches that it switches off nothing is left."""
        if not self._stream.config.allow_atomic:
            self.atomic.close()
        if not self._stream.config.allow_batched:
            self.fast.close()

    def close(self) -> None:
        """Take no more: what is not complete is forgotten."""
        self.atomic.close()
        self.fast.close()

    def take_apart(self) -> None:
        """It was closed long ago: let go of what holds it."""
        self.atomic.take_apart()
        self._pub_acks = None
        del self.atomic, self.fast

    def rolled_back(self) -> None:
        """The store went back to what is on disk."""
        self.fast.rolled_back()

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
        subject, messages = delivery.subject, delivery.messages
        if stream.context.answers.count + len(messages) > limits.ANSWERS_WAITING_MAX:
            messages = self._refuse_asking(messages)
        now_ns = stream.next_time_ns()
        if stream.quota is not None:
            stream.quota.refresh()
        answers: list[Answer] = []
        taken = 0
        if not self._checked and len(messages) > 1 and self._are_plain(subject, messages):
            taken = self._take_run(subject, messages, now_ns, answers)
        if taken < len(messages):
            delivery.origin.outbox.work_left -= limits.STORED_WORK * (len(messages) - taken)
            self._take_each(delivery, messages[taken:], now_ns, answers)
        if stream.config.no_ack:  # fast batches are answered all the same
            answers = [one for one in answers if one[0][-4:] == SUFFIX]
        self._end_run(subject, answers)

    def _are_plain(self, subject: bytes, messages: list[tuple[bytes, int, bytes]]) -> bool:
        """Say whether there is nothing to look at in each; then they are counted by the quota."""
        if [1 for reply, header_size, _ in messages if header_size or reply[-4:] == SUFFIX]:
            return False
        quota = self._stream.quota
        if quota is None:
            return True
        size = sum([len(body) for _, _, body in messages])
        size += len(messages) * message_bytes(self._stream.config.storage, len(subject), 0, 0)
        return quota.admit_all(size)

    def _take_run(
        self,
        subject: bytes,
        messages: list[tuple[bytes, int, bytes]],
        now_ns: int,
        answers: list[Answer],
    ) -> int:
        """Store plain messages together; return how many, less than all where the store refused."""
        store = self._stream.store
        ack = self._ack
        bodies = [body for _, _, body in messages]
        taken = 0
        while taken < len(bodies):
            try:
                count = store.append_run(subject, bodies[taken:], now_ns)
            except StoreError:
                break  # each of the others is told so
            self._stream.last_msg_id = b""
            self._may_hold_more = True
            first = store.last_seq() - count + 1
            answers += [
                (reply, b"%b%d}" % (ack, seq), True)
                for seq, (reply, _, _) in enumerate(messages[taken : taken + count], first)
                if reply
            ]
            taken += count
        return taken

    def _take_each(
        self,
        delivery: Delivery,
        messages: list[tuple[bytes, int, bytes]],
        now_ns: int,
        answers: list[Answer],
    ) -> None:
        """Store messages of a run that are looked at one by one."""
        stream, subject = self._stream, delivery.subject
        append = stream.store.append
        checked, ack, quota = self._checked, self._ack, stream.quota
        for reply, header_size, body in messages:
            try:
                if reply[-4:] == SUFFIX:
                    answers += self.fast.take(subject, (reply, header_size, body), now_ns)
                    continue
                if header_size or checked:
                    answer = self._take(subject, (header_size, body), now_ns)
                else:
                    if quota is not None:
                        self.count(subject, 0, body)
                    answer = b"%b%d}" % (ack, append(subject, 0, body, now_ns))
                    stream.last_msg_id = b""
                    self._may_hold_more = True
            except JetStreamError as error:
                self._not_stored(delivery.origin, reply, error, answers)
            except StoreBusy:
                self._refuse(reply)
            except StoreError as error:
                self._not_stored(delivery.origin, reply, store_error(error), answers)
            else:
                if reply:
                    answers.append((reply, answer, True))

    def _not_stored(
        self, origin: Peer, reply: bytes, error: JetStreamError, answers: list[Answer]
    ) -> None:
        """Answer what is refused: behind what was published before it, as nats-server does; but at
        once to a part of this server, which then publishes nothing more that would be stored
        without it (bridge/publisher).
        """
        if not reply:
            return
        if origin.kind is not Kind.SYSTEM:
            answers.append((reply, self.error(error), False))
        elif not self._stream.config.no_ack:
            self._stream.context.send(reply, self.error(error))

    def _end_run(self, subject: bytes, answers: list[Answer]) -> None:
        stream = self._stream
        self.enforce_limits(subject)
        copies, self._copies = self._copies, []
        acks = self._pub_acks
        if acks is not None and stream.root.is_last(acks):
            acks.add(answers, copies)
            return
        acks = self._pub_acks = PubAcks(stream, lambda error: self.error(store_error(error)))
        acks.add(answers, copies)
        stream.root.after_commit(acks)

    def _judge_traced(self, delivery: Delivery, trace: Trace) -> dict[str, object]:
        """Note what would become of a traced message."""
        stream, subject = self._stream, delivery.subject
        [(_, header_size, body)] = delivery.messages  # a traced message travels alone
        fields = trace.note("js", stream=stream.name)
        try:
            judged = self.judge.judge(subject, *opened(header_size, body))
        except (JetStreamError, StoreError) as error:
            is_late = refuses_when_storing(error)
            if is_late:
                fields["subject"] = subject.decode("utf-8", "replace")
            if not (is_late and trace.only):
                fields["error"] = trace_error(error, body[:header_size])
        else:
            if judged.duplicate_of is None:
                fields["subject"] = subject.decode("utf-8", "replace")
                if not judged.is_wanted:
                    fields["nointerest"] = True
            else:
                fields["error"] = _DUPLICATE
        return fields

    def _refuse(self, reply: bytes) -> None:
        """Too much waits for the committer: ask for another try, as a status and as JSON."""
        self.refused += 1
        if reply and not self._stream.config.no_ack:
            body = TOO_MANY_REQUESTS + self.error(js_error(10167))
            self._stream.context.send(reply, body, header_size=len(TOO_MANY_REQUESTS))

    def _refuse_asking(
        self, messages: list[tuple[bytes, int, bytes]]
    ) -> list[tuple[bytes, int, bytes]]:
        """Too many answers wait: refuse who asks for one at once, and return the others."""
        for reply, _, _ in messages:
            if reply:
                self._refuse(reply)
        return [message for message in messages if not message[0]]

    def error(self, error: JetStreamError) -> bytes:
        """Return the answer to a message that is not stored."""
        return b'{"error":%b%b' % (wire.encode(error_fields(error)), self._ends)

    # --- the checked way, one message

    def _take(self, subject: bytes, message: tuple[int, bytes], now_ns: int) -> bytes:
        """Store one message that has something to check, and return its PubAck."""
        header_size, body = message
        stream = self._stream
        header_size, body, fields = opened(header_size, body)
        if fields.get(b"Nats-Batch-Id"):
            return self.atomic.take(Member(subject, header_size, body, fields), now_ns)
        judged = self.judge.judge(subject, header_size, body, fields)
        if judged.duplicate_of is not None:
            return b'%b%d,"duplicate": true}' % (self._ack, judged.duplicate_of)
        if judged.rollup:
            stream.errands.check_room()
        if stream.quota is not None and judged.is_wanted:
            self.count(subject, judged.header_size, judged.body)
        seq = self.store(subject, judged, now_ns)
        if judged.total is not None:
            return b'%b%d,"val":"%d"}' % (self._ack, seq, judged.total.value)
        return b"%b%d}" % (self._ack, seq)

    def stored_subject(self, subject: bytes) -> bytes:
        """Return what a message on this subject is stored under."""
        return self._transform.stored(subject) if self._transform is not None else subject

    def end_run(self, subject: bytes) -> None:
        """Do what follows from a run of messages that nobody waits for."""
        self._end_run(subject, [])

    def prepare(self, subjects: Iterable[bytes]) -> None:
        """See to it that `store` refuses none of several. Raises StoreBusy, with nothing staged."""
        self._stream.errands.check_room()
        if self._republish is not None:
            for subject in subjects:
                self._stream.store.subject_state(subject)

    def store(self, subject: bytes, judged: Judged, now_ns: int, *, seq: int = 0) -> int:
        """Store a message that was checked and counted, and return its sequence."""
        stream = self._stream
        header_size, body = judged.header_size, judged.body
        if not judged.is_wanted:
            return self._skip(subject, judged, now_ns, seq=seq)
        before = stream.store.subject_state(subject) if self._republish is not None else None
        seq = stream.store.append(subject, header_size, body, now_ns, seq=seq)
        self._may_hold_more = True
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
            stream.dedupe.add(judged.msg_id, seq, stream.ids_time_ns())
        if judged.rollup:
            self._roll_up(subject, seq, everything=judged.rollup == b"all")
        if judged.due_ns:
            stream.scheduler.add(subject, seq, judged.due_ns)
        elif stream.config.allow_msg_schedules:
            stream.scheduler.replaced(subject)
        if judged.ends:
            stream.end_schedule(judged.ends)
        return seq

    def enforce_limits(self, subject: bytes) -> None:
        """Drop what a message on this subject pushed over the limits; it is staged in any case."""
        self._may_hold_more = False
        try:
            self._stream.enforcement.after_message((subject,))
        except StoreError as error:
            self._stream.trouble.note("Limits not enforced", error)

    def _roll_up(self, subject: bytes, seq: int, *, everything: bool) -> None:
        """Remove what a message replaces that is staged, after what it pushes over the limits."""
        self.enforce_limits(subject)
        try:
            self._stream.roll_up(subject, seq, everything=everything)
        except StoreError as error:
            self._stream.trouble.note("Roll-up not finished", error)

    def store_own(self, subject: bytes, block: bytes, payload: bytes, *, ends: bytes) -> None:
        """Store a message of the server's own: of a schedule, which may be over with it.

        Raises JetStreamError, StoreError.
        """
        stream, body = self._stream, block + payload
        now_ns = stream.next_time_ns()
        fields = dict(reversed(header.parse(block)))
        rollup = self.judge.rollup(fields.get(b"Nats-Rollup", b""))
        judged = self.judge.judged(len(block), body, fields, rollup)._replace(
            ends=ends, is_wanted=self.judge.is_wanted(subject)
        )
        if rollup:
            stream.errands.check_room()
        if stream.quota is not None and judged.is_wanted:
            stream.quota.refresh()
            self.count(subject, len(block), body)
        self.store(subject, judged, now_ns)
        self.end_run(subject)

    def batch_ack(self, seq: int, name: str, count: int, *, repeats: bool = False) -> bytes:
        """Return the PubAck of a batch; `seq` is that of its last message."""
        repeat = b',"duplicate": true' if repeats else b""
        return b'%b%d%b,"batch":%b,"count":%d}' % (
            *(self._ack, seq, repeat),
            *(wire.encode(name), count),
        )

    def count(self, subject: bytes, header_size: int, body: bytes, *, before: int = 0) -> None:
        """Count a message that is about to be stored, behind others of its batch that have `before`
        bytes. Raises 10002, 10023.
        """
        quota = self._stream.quota
        if quota is None:
            return
        size = self.bytes_of(subject, header_size, body)
        try:
            quota.admit(size, before)
        except JetStreamError:
            if not self._may_hold_more:
                raise
            self.enforce_limits(subject)
            quota.admit(size, before)

    def check_room(self, subject: bytes, header_size: int, body: bytes) -> None:
        """Raise 10002 or 10023 where there is no room for this message now."""
        quota = self._stream.quota
        if quota is not None:
            quota.refresh()
            quota.check(self.bytes_of(subject, header_size, body))

    def bytes_of(self, subject: bytes, header_size: int, body: bytes) -> int:
        """Return what a message counts in this stream."""
        storage = self._stream.config.storage
        return message_bytes(storage, len(subject), header_size, len(body))

    def _skip(self, subject: bytes, judged: Judged, now_ns: int, *, seq: int = 0) -> int:
        """Let a message have its sequence that no consumer wants, without keeping it."""
        stream = self._stream
        seq = stream.store.append(subject, judged.header_size, judged.body, now_ns, seq=seq)
        try:
            stream.store.remove([seq])
        except StoreBusy:  # it is stored in any case
            stream.interest_changed(seq)
        stream.last_msg_id = judged.msg_id
        if judged.msg_id:
            stream.dedupe.add(judged.msg_id, seq, stream.ids_time_ns())
        if judged.rollup:
            self._roll_up(subject, seq, everything=judged.rollup == b"all")
        if judged.ends:
            stream.end_schedule(judged.ends)
        return seq


def _traced(trace: Trace, fields: dict[str, object], error: StoreError | None) -> None:
    """A traced message is on disk, or will never be."""
    if error is not None:
        fields["error"] = store_error(error).description
    trace.release()
