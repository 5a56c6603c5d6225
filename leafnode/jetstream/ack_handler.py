"""What clients say about a consumer's deliveries, and what follows from it.  HOT

`_on_ack` runs once per acknowledged message. What many of them have in common (the next pump, the
time shown in info) is done once per turn of the loop. Knows the consumer's pending list and the
stream; not who takes messages. Truth: nats-server 2.15.1 server/consumer.go (processAck).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.jetstream import ack, advisory, sampling
from leafnode.jetstream.ack import AckKind
from leafnode.jetstream.names import UPLINK_DURABLES
from leafnode.nuid import hash8
from leafnode.protocol import header

if TYPE_CHECKING:
    from leafnode.jetstream.consumer import Consumer
    from leafnode.routing.subscription import Delivery, Subscription


LAST_CONSUMER: Final = b"Nats-Last-Consumer"
LAST_STREAM: Final = b"Nats-Last-Stream"
_DIGITS_MAX: Final = 19


class _Removed(NamedTuple):
    """What one acknowledgement removes, as it was."""

    acked: list[tuple[int, int, int]]  # sequence, consumer sequence, deliveries
    given_up: list[int]


class _Rest(NamedTuple):
    """What an acknowledgement of very many says that is not done yet."""

    seq: int
    consumer_seq: int
    replies: list[bytes]  # who waits for all of it


class AckHandler:
    """The acknowledgement side of one consumer."""

    __slots__ = (
        "_acked",
        "_acked_ts_ns",
        "_consumer",
        "_due",
        "_prefix_size",
        "_rest",
        "_subs",
        "_undoable",
        "prefix",
    )

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.prefix = ack.subject_prefix(consumer.stream.name, consumer.name)
        self._prefix_size = len(self.prefix)
        self._subs: list[Subscription] = []
        self._due = False  # acks came that may have made room
        self._acked = False  # since the time was noted
        self._acked_ts_ns = 0
        self._rest: _Rest | None = None
        # What was acked since the last commit, bounded by what the store lets be staged.
        self._undoable: deque[_Removed] = deque()

    @property
    def acked_ts_ns(self) -> int:
        """Wall time of the last acknowledgement, for info; 0: there was none."""
        self._note_time()
        return self._acked_ts_ns

    @acked_ts_ns.setter
    def acked_ts_ns(self, wall_ns: int) -> None:
        self._acked = False
        self._acked_ts_ns = wall_ns

    def removed(self, seq: int, *, follows: bool) -> bool:
        """A message is gone. If it is pending that counts as acknowledged, with what lies before it
        where an acknowledgement means that. `follows`: that is done later; it is only told of.
        Return whether there may be room for another one.
        """
        consumer = self._consumer
        if not follows:
            consumer.pending.gone(seq)
        if seq not in consumer.pending:
            return False
        consumer_seq, deliveries = consumer.pending.first(seq)
        if not follows:
            if consumer.config.ack_policy == "explicit":
                consumer.pending.ack(seq)
                self._acked = True
            else:
                try:
                    self._take_all(seq, consumer_seq)
                except StoreError as error:  # it goes when its ack wait ends
                    consumer.trouble.note("Acknowledgement lost", error)
                    return False
            self._note_time()
        advisory.terminated(
            consumer.context,
            consumer.stream.name,
            consumer.name,
            seqs=(consumer_seq, seq),
            deliveries=max(1, deliveries - 1),  # nats-server counts the second ones
            reason="Unacknowledged message was deleted",
        )
        consumer.keeper.touch()
        return not follows

    def purged(self, first_seq: int) -> None:
        """The stream begins at `first_seq`: what was pending before it counts as acknowledged."""
        if self._consumer.pending.purge(first_seq):
            self._acked = True
            self._note_time()

    def forget_gone(self, seqs: list[int]) -> None:
        """Pending messages were purged, which counts as acknowledged; those before them stay."""
        consumer = self._consumer
        for seq in seqs:
            consumer.pending.forget_gone(seq)
            consumer.cursor.forget(seq)
        self._acked = True
        self._note_time()
        consumer.keeper.touch()
        consumer.pump()

    def undoable(self, seqs: list[int]) -> None:
        """Messages are about to be acknowledged whose removal from the stream is staged."""
        pending = self._consumer.pending
        removed = _Removed(
            [(seq, *pending.first(seq)) for seq in seqs if seq in pending],
            [seq for seq in seqs if seq in pending.given_up] if pending.given_up else [],
        )
        self._undoable.append(removed)
        self._consumer.stream.root.after_commit(self._kept)

    def is_unsure(self) -> bool:
        """Say whether acknowledgements are not on disk yet."""
        return bool(self._undoable)

    def mark(self) -> _Removed | None:
        """Return what `forget_since` is to go back to."""
        return self._undoable[-1] if self._undoable else None

    def forget_since(self, mark: _Removed | None) -> None:
        """What was acknowledged since then never was delivered."""
        while self._undoable and self._undoable[-1] is not mark:
            self._undoable.pop()

    def _kept(self, error: StoreError | None) -> None:
        """The oldest removals are on disk; those that failed wait for `rolled_back`."""
        if error is None and self._undoable:
            self._undoable.popleft()

    def rolled_back(self) -> None:
        """What was acknowledged since the last commit is in the stream again: so it is here."""
        if not self._undoable:
            return
        consumer = self._consumer
        now_ns = consumer.context.clock.monotonic_ns()
        undone = list(self._undoable)
        self._undoable.clear()
        consumer.keeper.forget_replies()  # but not the rest's: that acknowledges all of it anew
        consumer.pending.take_back([ack for one in undone for ack in one.acked], now_ns)
        consumer.pending.given_up_again([seq for one in undone for seq in one.given_up])

    def forget_rest(self) -> None:
        """The consumer starts over: what is delivered from now on was not acknowledged. Who waits
        for the rest of an acknowledgement is not told.
        """
        self._rest = None

    def open(self) -> None:
        """Begin to listen. What a leaf says is not judged by what its user may publish, so for an
        uplink it says nothing.
        """
        consumer = self._consumer
        account = consumer.context.account
        names = consumer.stream.name.encode(), consumer.name.encode()
        domain = (consumer.context.facts.domain or "_").encode()
        hashed = hash8(account.name).encode()
        is_uplinks = consumer.name.startswith(UPLINK_DURABLES)
        for subject in (
            self.prefix + b"*.*.*.*.*",
            b"$JS.ACK.%b.%b.%b.%b.*.*.*.*.>" % (domain, hashed, *names),
        ):
            self._subs.append(account.subscribe(subject, self._on_ack, is_private=is_uplinks))
        self._subs[0].bulk = self._on_acks

    def close(self) -> None:
        """Listen no more."""
        for sub in self._subs:
            self._consumer.context.account.unsubscribe(sub)
        self._subs.clear()
        self._rest = None

    def _on_ack(self, delivery: Delivery) -> None:
        consumer = self._consumer
        subject = delivery.subject
        where = None
        if subject.startswith(self.prefix):
            where = ack.parse_tail(subject[self._prefix_size :])
        where = where or ack.parse_subject(subject)
        if where is None:
            return
        beyond = where.stream_seq > consumer.pending.delivered.stream_seq
        for reply, header_size, body in delivery.messages:
            said = ack.parse(body[header_size:] if header_size else body)
            if beyond and said is ack.PLAIN:
                continue
            try:
                if said is ack.PLAIN:
                    self._take(where)
                else:
                    self._do(where, said)
            except StoreError as error:
                consumer.trouble.note("Acknowledgement lost", error)
                continue
            if said.kind is AckKind.NEXT:
                consumer.outlet.request(reply, b"", said.text)
            elif reply and self._is_answered(where, said.kind, beyond=beyond):
                self._confirm(reply)
        self._end_turn_later()

    def _on_acks(self, numbers: list[bytes], payload: bytes) -> int:
        """Take many plain acknowledgements without replies; return how many of the first, or 0
        where each has to be looked at.
        """
        consumer = self._consumer
        pending, config = consumer.pending, consumer.config
        if config.ack_policy != "explicit" or config.sample_freq or pending.given_up:
            return 0
        if ack.parse(payload) is not ack.PLAIN:
            return 0
        seqs = ack.stream_seqs(numbers)
        if consumer.stream.config.retention != "limits":
            seqs = [seq for seq in dict.fromkeys(seqs) if seq in pending]
            try:
                consumer.stream.acknowledged(consumer, seqs)
            except StoreError:
                return 0  # it is told of each of them
        acked = pending.ack_run(seqs)
        for seq in acked:
            consumer.cursor.forget(seq)
        if acked:
            self._acked = True
            consumer.keeper.touch()
        self._end_turn_later()
        return len(numbers)

    def _confirm(self, reply: bytes) -> None:
        """Answer an acknowledgement when all that it says is done and on disk."""
        keeper = self._consumer.keeper
        if self._rest is None:
            keeper.confirm(reply)
        elif len(self._rest.replies) < limits.CONFIRMATIONS_MAX:
            self._rest.replies.append(reply)
        else:
            keeper.unconfirmed += 1

    def _end_turn_later(self) -> None:
        """Have one pump for all acks of a turn; bench_js fetch: 18.5k to 22.7k/s."""
        if not self._due:
            self._due = True
            consumer = self._consumer
            consumer.context.clock.call_later(0, partial(self._end_turn, consumer))

    def _is_answered(self, where: ack.AckSubject, kind: AckKind, *, beyond: bool) -> bool:
        if not where.stream_seq:  # nothing, which is taken where nothing hangs on it
            retention = self._consumer.stream.config.retention
            return retention == "limits" and kind in {AckKind.ACK, AckKind.TERM}
        return not (beyond and kind is AckKind.TERM)

    def _end_turn(self, consumer: Consumer) -> None:
        self._due = False
        self._consumer.outlet.last_active_ns = self._consumer.context.clock.monotonic_ns()
        self._note_time()
        consumer.pump()

    def _note_time(self) -> None:
        if self._acked:
            self._acked = False
            self._acked_ts_ns = self._consumer.context.clock.wall_ns()

    def _take(self, where: ack.AckSubject, *, sampled: bool = True) -> None:
        """Take an acknowledgement. Raises StoreError with nothing changed."""
        consumer = self._consumer
        pending = consumer.pending
        seq = where.stream_seq
        # First the store, which may refuse: what is still pending comes again.
        if consumer.config.ack_policy == "all":
            self._take_all(seq, where.consumer_seq)
        else:
            if seq in pending:
                if sampled and consumer.config.sample_freq:
                    sampling.sample(consumer, where)
                consumer.stream.acknowledged(consumer, [seq])
            elif seq in pending.given_up:
                consumer.stream.acknowledged(consumer, [seq])
                pending.gone(seq)
                self._acked = True
                consumer.keeper.touch()
            if not pending.ack(seq):
                return
            consumer.cursor.forget(seq)
            self._acked = True
        consumer.keeper.touch()

    def _take_all(self, seq: int, consumer_seq: int) -> None:
        """Acknowledge all up to there: what is too much for a turn in the next ones, and what comes
        meanwhile behind it, as if all before were done. Raises StoreError with nothing changed.
        """
        rest, pending = self._rest, self._consumer.pending
        consumer_seq = min(consumer_seq, pending.delivered.consumer_seq)
        if rest is None:
            if self._take_some(seq, consumer_seq):
                self._rest = _Rest(seq, consumer_seq, [])
                self._go_on_later()
        elif (
            seq > rest.seq
            and consumer_seq > rest.consumer_seq
            and pending.up_to(seq, consumer_seq, 1)
        ):
            self._rest = _Rest(seq, consumer_seq, rest.replies)

    def _take_some(self, seq: int, consumer_seq: int) -> bool:
        """Acknowledge the first of all that is up to there; say whether there are others."""
        consumer = self._consumer
        is_kept = consumer.stream.config.retention == "limits"
        most = limits.ACKED_TURN_MSGS if is_kept else limits.PURGE_TURN_MSGS
        acked = consumer.pending.up_to(seq, consumer_seq, most + 1)
        is_more = len(acked) > most
        del acked[most:]
        consumer.stream.acknowledged(consumer, acked)
        if is_more:
            consumer.pending.ack_some(acked, consumer_seq)
        else:
            consumer.pending.ack_all(seq, consumer_seq)
        for one in acked:
            consumer.cursor.forget(one)
        self._acked = self._acked or bool(acked)
        return is_more

    def _go_on_later(self) -> None:
        consumer = self._consumer
        consumer.context.clock.call_later(0, partial(self._go_on, consumer))

    def _go_on(self, consumer: Consumer) -> None:
        """Acknowledge some more of very many; then tell who waits."""
        rest = self._rest
        if rest is None:  # it was closed, or starts over
            return
        try:
            is_more = self._take_some(rest.seq, rest.consumer_seq)
        except StoreError as error:
            consumer.trouble.note("Acknowledgement lost", error)
            self._rest = None
            return
        consumer.keeper.touch()
        if is_more:
            self._go_on_later()
            return
        self._rest = None
        for reply in rest.replies:
            consumer.keeper.confirm(reply)
        self._end_turn_later()

    def flowed(self, block: bytes) -> None:
        """An answer to flow control says up to where everything is done with."""
        consumer = self._consumer
        seq = _number(block, LAST_STREAM)
        if seq:
            seq = min(seq, consumer.pending.delivered.stream_seq)
            try:
                self._take_all(seq, _number(block, LAST_CONSUMER))
            except StoreError as error:
                consumer.trouble.note("Acknowledgement lost", error)
            consumer.keeper.touch()

    def _do(self, where: ack.AckSubject, said: ack.Ack) -> None:
        """Do what an ack other than the plain one says."""
        consumer = self._consumer
        context, stream, name = consumer.context, consumer.stream.name, consumer.name
        seq = where.stream_seq
        seqs = (where.consumer_seq, seq)
        now_ns = context.clock.monotonic_ns()
        match said.kind:
            case AckKind.NAK:
                pending = consumer.pending
                newest = pending.delivered.consumer_seq + 1
                if not pending.floor.consumer_seq < where.consumer_seq <= newest:
                    return
                if not pending.nak(seq, now_ns, said.delay_ns):
                    return
                consumer.redelivery.arm()
                advisory.nak(context, stream, name, seqs=seqs, deliveries=where.deliveries)
            case AckKind.PROGRESS:
                if consumer.pending.progress(seq, now_ns):
                    consumer.redelivery.arm()
            case AckKind.TERM:
                self._take(where, sampled=False)
                advisory.terminated(
                    context,
                    stream,
                    name,
                    seqs=seqs,
                    deliveries=where.deliveries,
                    reason=said.text.decode("utf-8", "replace"),
                )
            case AckKind.UNKNOWN:
                return
            case _:
                self._take(where)
        consumer.keeper.touch()


def _number(block: bytes, name: bytes) -> int:
    value = header.get(block, name) or b""
    return int(value) if value.isdigit() and len(value) <= _DIGITS_MAX else 0
