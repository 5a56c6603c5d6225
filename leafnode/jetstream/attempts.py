"""Messages that a consumer is out of attempts for: they leave its pending list, and that is told.

A message that may be delivered once is given up when its ack wait has passed; one with more
attempts when it would be delivered again, so not before somebody asks for it.
Truth: measured on nats-server 2.15.1; server/consumer.go checkPending, hasMaxDeliveries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.jetstream import advisory

if TYPE_CHECKING:
    from leafnode.jetstream.consumer import Consumer


def give_up(consumer: Consumer, seq: int) -> bool:
    """Give a message up where it was delivered as often as it may be."""
    deliveries = consumer.pending.deliveries(seq)
    if not 0 < consumer.config.max_deliver <= deliveries:
        return False
    consumer.pending.drop(seq)
    stream = consumer.stream.name
    advisory.max_deliver(consumer.context, stream, consumer.name, seq, deliveries)
    consumer.keeper.touch()
    return True


def give_up_waiting(consumer: Consumer) -> None:
    """Give up what waits to be delivered again and may be delivered once: some now, the rest on
    later turns.
    """
    if consumer.config.max_deliver != 1 or consumer.closed:
        return
    for _ in range(limits.DELIVER_TURN_MSGS):
        seq = consumer.pending.next_redelivery()
        if seq is None or not give_up(consumer, seq):
            return
    consumer.context.clock.call_later(0, lambda: give_up_waiting(consumer))
