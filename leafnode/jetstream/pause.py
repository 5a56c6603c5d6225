"""A consumer that is paused until some time: nothing is delivered, heartbeats go on.

The time is part of the consumer's configuration, so it is kept over a restart. Knows one consumer.
Truth: measured on nats-server 2.15.1; server/consumer.go updatePauseState.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.jetstream import advisory, consumer_config

if TYPE_CHECKING:
    from leafnode.clock import Timer
    from leafnode.jetstream.consumer import Consumer


class Pause:
    """The pause of one consumer."""

    __slots__ = ("_consumer", "_timer")

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._timer: Timer | None = None

    def remaining_ns(self) -> int:
        """Return how long it goes on; 0: it is not paused."""
        until_ns = self._consumer.config.pause_until
        if until_ns is None:
            return 0
        return max(0, until_ns - self._consumer.context.clock.wall_ns())

    def open(self) -> None:
        """Wake up when it ends, and tell that it began."""
        if self.remaining_ns():
            self.rearm()
            self._tell()

    def remind(self) -> None:
        """Tell again that it goes on: somebody just changed something else."""
        if self.remaining_ns():
            self._tell()

    def set(self, until_ns: int | None) -> None:
        """Pause until then; None, or a time that has passed: go on. Raises StoreError."""
        consumer = self._consumer
        was, back = consumer.config.pause_until, consumer.checkpoint(position=False)
        consumer.config = consumer_config.as_paused(consumer.config, until_ns)
        try:
            consumer.keeper.put()
        except BaseException:
            back()
            raise
        self.rearm()
        consumer.stream.undo.stage(back, self._tell if was != until_ns else None)
        consumer.pump()

    def close(self) -> None:
        """Wake up no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def rearm(self) -> None:
        """The time changed: wake up when it has come; the wall clock is looked at in between."""
        self.close()
        left_ns = self.remaining_ns()
        if left_ns and not self._consumer.closed:
            wait_ns = min(left_ns, limits.PAUSE_LOOK_NS)
            self._timer = self._consumer.context.clock.call_later(wait_ns, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.remaining_ns():
            self.rearm()
            return
        self._tell()
        self._consumer.pump()

    def _tell(self) -> None:
        consumer = self._consumer
        advisory.consumer_pause(
            consumer.context,
            consumer.stream.name,
            consumer.name,
            paused=bool(self.remaining_ns()),
            until_ns=consumer.config.pause_until,
        )
