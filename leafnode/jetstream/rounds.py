"""Long answers, a step at a time: what one turn of the loop does for all of an account together.

Knows steps and what each of them costs, in messages; not what they do. Whoever wants many answers
at once gets all of them more slowly, and the others do not wait for it.
Bounded by DIRECT_BATCHES_MAX. Truth: ours; nats-server 2.15.1 has a thread for each answer.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from leafnode.errors import StoreBusy
from leafnode.limits import DIRECT_BATCHES_MAX, READ_BATCH_MSGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock


class Rounds:
    """Steps that wait, in order. A turn does as many as together cost a page of messages."""

    __slots__ = ("_is_due", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._is_due = False

    def begin(self, clock: Clock, first: Callable[[], None]) -> None:
        """Add the first step of an answer. Raises StoreBusy where too many wait."""
        if len(self._waiting) >= DIRECT_BATCHES_MAX:
            raise StoreBusy("too many answers of several messages wait")
        self.add(clock, first)

    def add(self, clock: Clock, step: Callable[[], None], msgs: int = READ_BATCH_MSGS) -> None:
        """Add a step that costs so many messages. It does not raise."""
        self._waiting.append((msgs, step))
        self._arm(clock)

    def go_on(self, clock: Clock, step: Callable[[], None], msgs: int = READ_BATCH_MSGS) -> None:
        """Add the next step of what has its turn now, before those of all others: so that no more
        than one answer holds what it gathers.
        """
        self._waiting.appendleft((msgs, step))
        self._arm(clock)

    def _arm(self, clock: Clock) -> None:
        if self._waiting and not self._is_due:
            self._is_due = True
            clock.call_later(0, lambda: self._run(clock))

    def _run(self, clock: Clock) -> None:
        self._is_due = False
        left = READ_BATCH_MSGS
        try:
            for _ in range(len(self._waiting)):
                msgs, step = self._waiting.popleft()
                left -= msgs
                step()
                if left <= 0:
                    break
        finally:  # one that raises keeps no other from it
            self._arm(clock)
