"""Tries of one queue that stored nothing: why, how many in a row, and when the next one is.

Knows reasons and pauses; not readings, and no timer. Truth: docs/serial/ports.md, "Losing a port".
"""

from __future__ import annotations

import logging
from enum import Enum, auto
from typing import TYPE_CHECKING

from leafnode import limits

if TYPE_CHECKING:
    from leafnode.bridge.status import PortCounters

log = logging.getLogger(__name__)


class Newer(Enum):
    """What is newer than this queue, as far as it depends on this queue."""

    WAITS = auto()  # until this queue is refused
    GOES = auto()  # this queue was refused since it waits
    WENT = auto()  # and was not refused itself: more of it goes while this queue pauses


class Refusals:
    """Of one queue. `whose`: what is in it, "" for what its port reads."""

    def __init__(self, counters: PortCounters, *, port: str, whose: str) -> None:
        self.reason = ""  # of the burst that is under way
        self.last_error = ""  # until something is stored again
        self.in_a_row = 0
        self.burst_max = limits.READINGS_BURST_MAX
        self.is_silent = False  # no answer came in time, and none since
        self.newer = Newer.WAITS
        self._counters = counters
        self._where = f"{port} of={whose}" if whose else port
        self._pause_ns = limits.READING_RETRY_NS

    def note(self, reason: str, queued: int) -> None:
        """One more."""
        self._counters.refused += 1
        self.in_a_row += 1
        self.newer = Newer.WAITS
        if not self.last_error:
            log.warning(
                "Readings cannot be stored: port=%s reason=%s queued=%d",
                self._where,
                reason,
                queued,
            )
        self.reason = self.last_error = reason

    def begin_pause_ns(self) -> int:
        """The burst is over: return how long it is until the next one, of one reading."""
        pause_ns = self._pause_ns
        self.reason = ""
        self.burst_max = 1
        self._pause_ns = min(2 * pause_ns, limits.READING_RETRY_MAX_NS)
        return pause_ns

    def begin_anew(self) -> None:
        """What was refused may be taken by now."""
        self.in_a_row, self._pause_ns = 0, limits.READING_RETRY_NS

    def stored(self, queued: int) -> None:
        """A burst went through."""
        self.begin_anew()
        self.newer = Newer.WAITS
        self.burst_max = limits.READINGS_BURST_MAX
        if self.last_error:
            self.last_error = ""
            log.info("Readings are stored again: port=%s queued=%d", self._where, queued)
