"""What is wrong with one stream's uplink now, and what was wrong before.

Knows a clock and the log; not what the words mean. Truth: docs/monitoring.md, "/uplinkz".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leafnode.clock import Clock

log = logging.getLogger(__name__)


class Trouble:
    """The last error, and the one that is over."""

    def __init__(self, stream: str, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._logged = ""
        self._waits: tuple[str, int] | None = None  # for what, and since when
        self.now = ""
        self.flight = ""  # what stays wrong for as long as this flight lasts
        self.is_ailment = False  # that is something to be mended
        self.former = ""
        self.former_ns = 0  # when it was over

    def say(self, error: str) -> None:
        """Keep and log an error; the same one again is not logged again."""
        if error != self._logged:
            log.warning("Uplink problem: stream=%s problem=%s", self._stream, error)
        self.now = self._logged = error

    def wait(self, what: str, patience_ns: int) -> None:
        """It waits for something that ought to come by itself: that is told when it takes long."""
        now_ns = self._clock.monotonic_ns()
        if self._waits is None or self._waits[0] != what:
            self._waits = what, now_ns
        elif now_ns - self._waits[1] >= patience_ns:
            self.say(what)

    def waited(self) -> None:
        """What it waited for has come, or is not waited for any more."""
        waits, self._waits = self._waits, None
        if waits is not None and self.now == waits[0]:
            self.is_over()

    def begin_flight(self, problem: str, *, is_ailment: bool = False) -> None:
        self.flight = problem
        self.is_ailment = is_ailment
        if problem:
            self.say(problem)

    def end_flight(self) -> None:
        """What was wrong with all of it is over."""
        self.begin_flight("")
        self.is_over()

    def is_over(self) -> None:
        """What was wrong is over: keep it for who asks later, and show what is still wrong."""
        if self.now != self.flight:
            self.former = self.now
            self.former_ns = self._clock.wall_ns()
            self.now = self.flight
