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
        self._record = ""  # why it cannot be kept how far the stream is
        self.is_ailment = False  # that is something to be mended
        self.former = ""
        self.former_ns = 0  # when it was over

    def say(self, error: str) -> None:
        """Keep and log an error; the same one again is not logged again."""
        self._log(error)
        self.now = error

    def _log(self, error: str) -> None:
        if error != self._logged:
            log.warning("Uplink problem: stream=%s problem=%s", self._stream, error)
        self._logged = error

    @property
    def lasting(self) -> str:
        """What is wrong though messages go."""
        return self.flight or self._record

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
        if self.lasting:
            self.say(self.lasting)

    def recorded(self, problem: str) -> None:
        """Take why it could not be kept how far the stream is, or that it was."""
        if problem == self._record:
            return
        self._record, before = problem, self._record
        if problem:
            self._log(problem)
        if self.now in {"", before}:
            self.is_over()

    def is_over(self) -> None:
        """What was wrong is over: keep it for who asks later, and show what is still wrong."""
        if self.now == self.lasting:
            return
        if self.now:
            self.former, self.former_ns = self.now, self._clock.wall_ns()
        self.now = self.lasting
