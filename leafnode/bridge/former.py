"""What entries of a port that reloads changed left, beside the queue of the entry there is now.

Knows two queues and when they go first; not what becomes of a reading in one. What boards keep has
a queue of its own: what no stream takes of the rest keeps none of it from its stream, nor the other
way round, and nothing of the rest says what of it is stored. Truth: docs/serial/ports.md, "Reload".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.bridge import port_bounds
from leafnode.bridge.refusals import Newer

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.publication import Left
    from leafnode.bridge.publisher import Publisher
    from leafnode.bridge.queued import Queued
    from leafnode.bridge.reading import Life
    from leafnode.clock import Clock

LEFT: Final = "what the entry before left"


class Former:
    """Goes before what is new: unless no stream answers for it, or one refuses it that does not
    refuse what is new. `new` makes a queue: the end of its inbox, the stream that answers, and who
    hears that something of it is stored.
    """

    def __init__(
        self, left: Left, clock: Clock, new: Callable[[bytes, str, Callable[[], None]], Publisher]
    ) -> None:
        self._clock = clock
        self._plain = new(b".former", left.stream, self._progressed)
        self._kept = new(b".kept", left.stream, self._progressed)  # until its board is here
        self._both = self._plain, self._kept
        self.is_tried = False  # for what is newer, which goes by itself then
        self._has_waited = False  # what is newer, for a late answer
        self._goes_until_ns = 0  # what is newer, whatever of this is tried meanwhile
        for queue in self._both:
            queue.takes_all = True  # the bound is that of `take_over`
            queue.start()

    @property
    def queued(self) -> int:
        return sum(queue.queued for queue in self._both)

    @property
    def queued_bytes(self) -> int:
        return sum(queue.queued_bytes for queue in self._both)

    @property
    def last_error(self) -> str:
        """Return why it waits, "" where it does not."""
        why = self._plain.last_error or self._kept.last_error
        return f"{LEFT}: {why}" if why else ""

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits that a stream may take yet."""
        return all(queue.is_settled for queue in self._both)

    def tried_lets_pass(self) -> bool:
        """Say whether what is newer goes now: each queue has to be refused once since that waits.
        So it waits for one late answer, not until the pauses of two fall together, and then goes
        for a while: else one burst of it would go for each such answer.
        """
        if self.is_tried:
            return False
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._goes_until_ns:
            return True
        self.is_tried = True
        try:
            self._try()
        finally:
            self.is_tried = False
        self._has_waited = self._holds_up
        if not self._has_waited:
            self.say(Newer.WENT)
            self._goes_until_ns = now_ns + limits.READING_RETRY_MAX_NS
            return True
        for queue in self._both:
            if queue.is_pausing and not queue.holds_up:
                queue.refusals.newer = Newer.GOES
        return False

    def _try(self) -> None:
        for queue in self._both:
            queue.try_again(Newer.WAITS)
        if not self._has_waited or self._holds_up:
            return
        for queue in self._both:  # there may be room since, and this costs no time
            if queue.answers_at_once:
                queue.try_again(Newer.GOES)

    @property
    def _holds_up(self) -> bool:
        return any(queue.holds_up for queue in self._both)

    def begin_anew(self) -> None:
        """Nothing newer waits: what was refused by now says nothing for what comes."""
        for queue in self._both:
            if queue.refusals.newer is Newer.GOES:
                queue.refusals.newer = Newer.WAITS

    def _progressed(self) -> None:
        """Something of this is stored: so may be the rest, and order counts."""
        self._goes_until_ns = 0

    def say(self, newer: Newer) -> None:
        """So it is by now: where what is newer is refused, too, order counts."""
        self._goes_until_ns = 0
        for queue in self._both:
            queue.refusals.newer = newer

    def take_over(self, left: Left) -> int:
        """Publish what one more entry left. Beyond the bound the oldest is given up, then the
        oldest of what boards keep is left to them: return how many messages.
        """
        self.say(Newer.WAITS)
        for queue, publications in zip(self._both, (left.publications, left.kept), strict=True):
            if left.stream != queue.stream:
                queue.stream = ""
            queue.offer_all(publications)
        while self._plain.queued and max(self._beyond()) > 0:
            self._plain.give_up_oldest("too many readings wait that reloads left")
        beyond = self._beyond()
        to_boards = self._kept.leave_oldest(*beyond) if max(beyond) > 0 else 0
        for queue in self._both:
            queue.pump()
        return to_boards

    def _beyond(self) -> tuple[int, int]:
        """Return how many messages, and bytes, are beyond the bound."""
        return (
            self.queued - port_bounds.READINGS_LEFT_MAX,
            self.queued_bytes - port_bounds.READINGS_LEFT_BYTES,
        )

    def released(self, life: Life) -> list[Queued]:
        """Take out, and return, what this life of a board had said: it is here now."""
        return self._kept.released({life})

    def hurry(self) -> None:
        """The port ends: what was refused is tried at once."""
        for queue in self._both:
            queue.hurry()

    def stop(self) -> Left:
        """Publish no more; return what was not stored."""
        return self._plain.stop().behind(self._kept.stop())
