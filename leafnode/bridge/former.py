"""What entries of a port that reloads changed left, beside the queue of the entry there is now.

Knows one queue and when it goes first; not what becomes of a reading in it. Truth:
docs/serial/ports.md, "Reload".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.bridge import port_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.publication import Left
    from leafnode.bridge.publisher import Publisher
    from leafnode.bridge.queued import Queued
    from leafnode.bridge.reading import Life

LEFT: Final = "what the entry before left"


class Former:
    """Goes before what is new: unless no stream answers for it, or one refuses it that does not
    refuse what is new. `new` makes a queue, of what that stream answers for.
    """

    def __init__(self, left: Left, new: Callable[[str], Publisher]) -> None:
        self._queue = new(left.stream)
        self._queue.takes_all = True  # the bound is that of `take_over`
        self._queue.start()

    @property
    def queued(self) -> int:
        return self._queue.queued

    @property
    def queued_bytes(self) -> int:
        return self._queue.queued_bytes

    @property
    def last_error(self) -> str:
        """Return why it waits, "" where it does not."""
        return f"{LEFT}: {self._queue.last_error}" if self._queue.last_error else ""

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits that a stream may take yet."""
        return self._queue.is_settled

    def holds_up(self, newer: Publisher) -> bool:
        """Say whether what is newer goes behind something that waits here."""
        return self._queue.holds_up(newer)

    def take_over(self, left: Left) -> None:
        """Publish what one more entry left; the oldest beyond the bound is given up. What is kept
        goes behind the rest until its board is here.
        """
        if left.stream != self._queue.stream:
            self._queue.stream = ""
        self._queue.offer_all([*left.publications, *left.kept])
        while (
            self.queued > port_bounds.READINGS_LEFT_MAX
            or self.queued_bytes > port_bounds.READINGS_LEFT_BYTES
        ):
            self._queue.give_up_oldest("too many readings wait that reloads left")
        self._queue.pump()

    def released(self, life: Life) -> list[Queued]:
        """Take out, and return, what this life of a board had said: it is here now."""
        return self._queue.released(life)

    def hurry(self) -> None:
        """The port ends: what was refused is tried at once."""
        self._queue.hurry()

    def stop(self) -> Left:
        """Publish no more; return what was not stored."""
        return self._queue.stop()
