"""Keeps a consumer's position in the store: lazily, and at once where a client asked for it.

A plain ack is written within CONSUMER_FLUSH_NS, or with the next batch. An ack with a reply is
answered after the COMMIT that holds it; what comes during one commit is answered by the next.
Truth: docs/adr/0003; the store's rules 1 and 5.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreError
from leafnode.jetstream import wire

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.jetstream.consumer import Consumer


class Keeper:
    """The stored side of one consumer."""

    __slots__ = ("_confirming", "_consumer", "_replies", "_timer", "unconfirmed")

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._timer: Timer | None = None
        self._replies: list[bytes] = []
        self._confirming = False
        self.unconfirmed = 0  # ack replies dropped at the bound: the client asks again

    @property
    def persists(self) -> bool:
        """Whether the consumer outlives the process."""
        return not self._consumer.config.mem_storage

    def touch(self) -> None:
        """The position changed."""
        if self._timer is None and self.persists and not self._consumer.closed:
            self._timer = self._consumer.context.clock.call_later(
                limits.CONSUMER_FLUSH_NS, self.save
            )

    def save(self) -> None:
        """Hand the position to the store, to be written with the next batch."""
        self.stop()
        if self.persists:
            consumer = self._consumer
            consumer.stream.root.put_consumer_state(
                consumer.context.account.name,
                consumer.stream.name,
                consumer.name,
                consumer.encoded_state(),
            )

    def put(self) -> None:
        """Stage configuration and position for the next commit. Raises StoreError."""
        self.stop()
        if self.persists:
            consumer = self._consumer
            consumer.stream.root.put_consumer(
                consumer.context.account.name,
                consumer.stream.name,
                consumer.name,
                consumer.created_ns,
                wire.encode(wire.to_dict(consumer.config)),
                consumer.encoded_state(),
            )

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

    def _start(self) -> None:
        replies, self._replies = self._replies, []
        self._confirming = True
        try:
            self.put()
        except StoreError as error:
            self._confirming = False
            self._consumer.note_trouble("Acknowledgement not confirmed", error)
            return
        self._consumer.stream.root.after_commit(partial(self._committed, replies))

    def _committed(self, replies: list[bytes], error: StoreError | None) -> None:
        self._confirming = False
        if error is None:
            for reply in replies:
                self._consumer.context.send(reply, b"")
        if self._replies and not self._consumer.closed:
            self._start()
