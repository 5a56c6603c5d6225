"""What a consumer delivers again, when, and when it gives up.

An ack wait that ends queues its message; the queue is served before anything new. What had its
`max_deliver` attempts is told by an advisory: with one attempt as soon as its wait ends, else when
its turn comes again. Knows the pending list, the cursor and the clock; not who takes messages.
Truth: measured on nats-server 2.15.1; server/consumer.go checkPending, hasMaxDeliveries.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.jetstream import advisory

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.jetstream.consumer import Consumer
    from leafnode.store.api import StoredMsg


class Redelivery:
    """The second and later deliveries of one consumer."""

    __slots__ = ("_consumer", "_due_ns", "_spent", "_timer")

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._timer: Timer | None = None
        self._due_ns = 0
        self._spent: deque[int] = deque()  # of what is pending: to be given up, a slice per turn

    def close(self) -> None:
        """Wake up no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def arm(self) -> None:
        """Wake up when the first ack wait ends."""
        consumer = self._consumer
        due_ns = consumer.pending.next_deadline_ns()
        if due_ns is None or consumer.closed or not consumer.config.ack_wait:
            return
        if self._timer is not None:
            if self._due_ns <= due_ns:
                return
            self._timer.cancel()
        self._due_ns = due_ns
        clock = consumer.context.clock
        delay_ns = due_ns - clock.monotonic_ns()
        if delay_ns > 0:  # each look is at all that is out
            delay_ns = max(delay_ns, limits.EXPIRE_GAP_NS * len(consumer.pending))
        self._timer = clock.call_later(delay_ns, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        consumer = self._consumer
        expired = consumer.pending.expire(consumer.context.clock.monotonic_ns())
        if consumer.config.max_deliver == 1:
            self._spent.extend(expired)
            self._give_up_spent(consumer)
        if expired:
            consumer.pump()
        self.arm()

    def _give_up_spent(self, consumer: Consumer) -> None:
        if consumer.closed:
            return
        turn = limits.DELIVER_TURN_MSGS // limits.GIVE_UP_COST
        for _ in range(min(len(self._spent), turn)):
            seq = self._spent.popleft()
            if seq in consumer.pending.redeliveries():  # else it was acknowledged, or starts over
                self._give_up(seq)
        if self._spent:
            consumer.context.clock.call_later(0, partial(self._give_up_spent, consumer))

    def fetch(self, seq: int) -> tuple[bool, StoredMsg | None]:
        """Return (done with it, message to deliver): done when it is out of attempts, or gone.
        Neither: it is still on its way from the store.
        """
        consumer = self._consumer
        if 0 < consumer.config.max_deliver <= consumer.pending.deliveries(seq):
            self._give_up(seq)
            return True, None
        known, msg = consumer.cursor.fetch(seq, ahead=consumer.pending.redeliveries())
        if known and msg is None:
            consumer.cursor.forget(seq)
            consumer.pending.ack(seq)  # the stream let go of it
            return True, None
        return False, msg

    def _give_up(self, seq: int) -> None:
        consumer = self._consumer
        deliveries = consumer.pending.deliveries(seq)
        consumer.pending.give_up(seq)
        if deliveries == consumer.config.max_deliver:  # told once, though the bound be lowered
            names = consumer.stream.name, consumer.name
            advisory.max_deliver(consumer.context, *names, seq, deliveries)
        consumer.keeper.touch()
