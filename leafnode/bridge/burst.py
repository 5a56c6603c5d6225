"""Which readings are published in one turn of the loop, so that nothing speaks for what is lost.

This server's stream says at once what it refuses, and takes the rest of a turn in one COMMIT; the
caller ends a burst with the first refusal. To another stream what a board keeps goes one by one: it
may take what is behind one that it refuses, which would speak for both. Nor does what is stored
here go before that is answered. A burst ends where it is large enough, but not within a reading of
several messages that a board would say again. Knows messages one after the other; not whose stream
takes them, and no answers. Truth: docs/serial.md, "Stored, then acknowledged".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.bridge import port_bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.publication import Publication


class Burst:
    """Of one port. `most`: so many messages; `is_full`: the share of the turn is used up."""

    def __init__(self, *, most: int, is_full: Callable[[], bool]) -> None:
        self._most = most
        self._is_full = is_full
        self._size = self._sent = 0
        self._is_within = False  # a reading that its board says again: all of it in one COMMIT
        self._is_sure = True  # what boards keep of it has not been refused, and will not be

    def pass_over(self, publication: Publication) -> None:
        """This one is stored, or given up, and stands between the others."""
        self._is_within = self._is_within and publication.receipt is None

    def takes(self, publication: Publication, *, is_own: bool) -> bool:
        """Say whether this one goes, too; `is_own`: a stream of this server takes it."""
        self._size += len(publication.body)
        if self._sent and publication.speaks and not (is_own and self._is_sure):
            return False
        if self._sent and not self._is_within and self._is_enough:
            return False
        self._sent += 1
        self._is_within = publication.is_kept and publication.receipt is None
        self._is_sure = self._is_sure and (
            is_own or not (publication.is_kept or publication.receipt)
        )
        return True

    @property
    def _is_enough(self) -> bool:
        if self._sent >= self._most or self._size > limits.READINGS_BURST_BYTES:
            return True
        return self._sent >= port_bounds.READINGS_BURST_MIN and self._is_full()
