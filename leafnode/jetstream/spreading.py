"""What a consumer sends to very many: while it is on its way, or waits for room, no more is sent.

So each consumer has one pump's messages on their way at most, in whichever account they go to very
many. Knows that there are backlogs; not what is delivered. Truth: ours; nats-server delivers a
message to all before it takes the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.jetstream.consumer import Consumer


class Spreading:
    """Whether a consumer waits for what goes to very many; it is pumped when that is over."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._account = consumer.context.account
        self._is_closed = False
        self._backlog = self._account.backlog  # where it waits, or waited
        self.is_on = False

    def close(self) -> None:
        """The consumer ends."""
        self._is_closed = True

    def send(self, send: Callable[[], object]) -> None:
        """Send something, and wait for it where it goes to very many."""
        aside = self._account.system.outbox.aside
        before = aside.added
        send()
        if aside.added > before and not self.is_on:
            assert aside.last is not None, "something was added to it"
            self.is_on, self._backlog = True, aside.last
            self._backlog.then(self._on_sent)

    def must_wait(self, subjects: Callable[[], list[bytes]]) -> bool:
        """Say whether nothing is to be sent there now."""
        if self.is_on:
            return True
        backlog, is_wide = self._account.backlog, self._account.is_wide
        if not backlog.is_half_full or not any(map(is_wide, subjects())):
            return False
        self.is_on, self._backlog = True, backlog
        backlog.when_room(self._on_sent)
        return True

    def _on_sent(self) -> None:
        if self._backlog.is_half_full:
            self._backlog.when_room(self._on_sent)
            return
        self.is_on = False
        if not self._is_closed:  # else the consumer may be gone by now
            self._consumer.pump()
