"""Keeps a consumer's position in the store: lazily, and at once where a client asked for it.

A plain ack is staged after CONSUMER_FLUSH_NS, with all that came meanwhile: a position is as long
as its pending list, so it is not encoded for each ack. An ack with a reply is answered after the
COMMIT that holds it; what comes during one commit is answered by the next.
Truth: docs/adr/0003; docs/store.md, rules 1 and 5.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreError, StoreFull
from leafnode.jetstream import consumer_state, wire
from leafnode.jetstream.pending import RESTORED_PER_STEP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.clock import Timer
    from leafnode.jetstream.api_types import ConsumerConfig
    from leafnode.jetstream.consumer import Consumer
    from leafnode.store.api import State


class Keeper:
    """The stored side of one consumer."""

    __slots__ = (
        "_config",
        "_confirming",
        "_consumer",
        "_encoded",
        "_replies",
        "_timer",
        "unconfirmed",
    )

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._timer: Timer | None = None
        self._replies: list[bytes] = []
        self._confirming = False
        self._config: ConsumerConfig | None = None  # as encoded last
        self._encoded = b""
        self.unconfirmed = 0  # ack replies dropped at the bound: the client asks again

    @property
    def persists(self) -> bool:
        """Whether the consumer outlives the process."""
        config = self._consumer.config
        return not (config.mem_storage or config.direct)

    def position(self) -> State:
        """Return the position for the store. One of many messages is made of copies by the thread
        that writes: 65,536 that are out, and 200,000 listed, held the loop for 30 ms.
        """
        consumer = self._consumer
        clock, pending, listed = consumer.context.clock, consumer.pending, consumer.cursor.listed
        now_ns, wall_ns = clock.monotonic_ns(), clock.wall_ns()
        delivered, _ = pending.kept()
        acks_all = consumer.config.ack_policy in {"all", "flow_control"}
        floor = pending.shown_floor(acks_all=acks_all)
        made = partial(
            consumer_state.encode,
            (*delivered, *floor),
            pending.columns(),
            wall_ns - now_ns,
            pending.kept_counts(),
            list(listed),
            now_ns,
        )
        size = len(pending) + pending.redelivered + len(listed)
        return made() if size <= limits.POSITION_ENCODED_MAX else made

    def restore(self, data: bytes) -> Iterator[None]:
        """Go on where the stored position was, in steps where it is long; overdue messages are
        redelivered at once. It may be older than a purge that is on disk: what went with that is
        not pending. Raises StoreCorrupt.

        A wall clock that went back while the server was down holds nothing for longer than was left
        of its wait when the position was written.
        """
        consumer = self._consumer
        clock, pending, store = consumer.context.clock, consumer.pending, consumer.stream.store
        state, stored = consumer_state.begin(data)
        now_ns, wall_ns = clock.monotonic_ns(), clock.wall_ns()
        entries: list[tuple[int, int, int]] = []
        while some := list(islice(stored, RESTORED_PER_STEP)):
            for seq, cseq, at_ns in some:
                if state.written_ns is not None:
                    left_ns = at_ns - state.written_ns
                else:
                    left_ns = pending.wait_ns(state.counts.get(seq, 1))
                entries.append((seq, cseq, now_ns + min(at_ns - wall_ns, left_ns)))
            if len(some) == RESTORED_PER_STEP:
                yield
        yield from pending.restore(state.delivered, state.floor, entries, state.counts)
        if store.damage() is None:
            pending.drop(store.first_seq())
        consumer.cursor.listed.extend(state.listed)
        consumer.cursor.reset(pending.delivered.stream_seq + 1)

    def touch(self) -> None:
        """The position changed."""
        if self._timer is None and self.persists and not self._consumer.closed:
            self._timer = self._consumer.context.clock.call_later(
                limits.CONSUMER_FLUSH_NS, self._flush
            )

    def _flush(self) -> None:
        self._timer = None
        try:
            self.put()
        except StoreError as error:
            self._consumer.trouble.note("Position not stored", error)
            self.touch()
        else:
            consumer = self._consumer
            consumer.stream.root.after_commit(partial(self._flushed, consumer))

    def _flushed(self, consumer: Consumer, error: StoreError | None) -> None:
        if error is not None and not consumer.closed:
            self.touch()

    def save(self) -> None:
        """Hand over the position without fail, to be written when the store can: at the end."""
        self.stop()
        if self.persists:
            consumer = self._consumer
            consumer.stream.root.put_consumer_state(
                consumer.context.account.name,
                consumer.stream.name,
                consumer.name,
                self.position(),
            )

    def put(self) -> None:
        """Stage configuration and position for the next commit. Raises StoreError."""
        self.stop()
        if self.persists:
            consumer = self._consumer
            if self._config is not consumer.config:
                self._config = consumer.config
                self._encoded = wire.encode(wire.to_dict(consumer.config))
            consumer.stream.root.put_consumer(
                consumer.context.account.name,
                consumer.stream.name,
                consumer.name,
                consumer.created_ns,
                self._encoded,
                self.position(),
            )

    def catch_up(self) -> None:
        """Stage now what would be staged a little later. Raises StoreError."""
        if self._timer is not None:
            self.put()

    def stop(self) -> None:
        """Write nothing more until the next change."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def confirm(self, reply: bytes) -> None:
        """Answer an ack with an empty message once it is on disk."""
        if len(self._replies) >= limits.CONFIRMATIONS_MAX:
            self.unconfirmed += 1
            return
        self._replies.append(reply)
        if not self._confirming:
            self._start()

    def forget_replies(self) -> None:
        """What was to be confirmed is undone: who asked hears nothing, and asks again."""
        self._replies.clear()

    def _start(self) -> None:
        replies, self._replies = self._replies, []
        self._confirming = True
        try:
            failure = self._consumer.stream.root.failed()
            full = isinstance(failure, StoreFull)  # removals and positions go on then
            if failure is not None and not full and self._consumer.acks.is_unsure():
                raise failure
            self.put()
        except StoreError as error:
            self._confirming = False
            self._consumer.trouble.note("Acknowledgement not confirmed", error)
            self.touch()
            return
        consumer = self._consumer
        consumer.stream.root.after_commit(partial(self._committed, consumer, replies))

    def _committed(
        self, consumer: Consumer, replies: list[bytes], error: StoreError | None
    ) -> None:
        self._confirming = False
        if error is None:
            for reply in replies:
                consumer.context.send(reply, b"")
        else:
            self.touch()
        if self._replies and not consumer.closed:
            self._start()
