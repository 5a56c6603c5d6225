"""Wall time as far as it can be believed.

Knows one clock, and what was noted of it before the start; not who stores the notes.
Truth: docs/ARCHITECTURE.md, "Time".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leafnode import limits

if TYPE_CHECKING:
    from leafnode.clock import Clock


@dataclass(frozen=True, slots=True)
class Doubt:
    """A wall time that is not believed yet, and for how long the server ran by it."""

    wall_ns: int
    waited_ns: int


@dataclass(frozen=True, slots=True)
class Noted:
    """What a start is told of the time before it: believed last, and doubted since."""

    believed_ns: int
    doubt: Doubt | None = None


class TrustedTime:
    """Wall time as far as it can be believed: judges the age of messages.

    A device without a battery-backed clock may jump by years when it learns the time. A jump of
    more than a day pauses expiry until it is an hour old. A clock that jumps back to what is no
    earlier than what was believed before was wrong until then: its time counts no more. One that
    jumps back beyond that is believed after the hour.

    `last` has the time that was believed last before the start, if that is known: from there to
    now is such a jump, too. A device that was off for so long looks the same. What was waited of
    the hour before the start counts, where the clock went on from there: who is switched on for
    less than an hour at a time would wait for ever.
    """

    __slots__ = (
        *("_believed_ns", "_clock", "_former", "_high_ns", "_offset_ns", "_paused_until_ns"),
        "jumps",
    )

    def __init__(self, clock: Clock, last: Noted | None = None) -> None:
        self._clock = clock
        now_ns = clock.monotonic_ns()
        self._high_ns = clock.wall_ns()
        self._offset_ns = self._believed_ns = self._high_ns - now_ns  # wall above monotonic time
        self._paused_until_ns: int | None = None
        self._former: Doubt | None = None  # before the start
        self.jumps = 0
        if last is not None and abs(clock.wall_ns() - last.believed_ns) > limits.CLOCK_JUMP_NS:
            self._believed_ns = last.believed_ns - now_ns  # at least
            self._former = last.doubt
            self._doubt(now_ns)
            self._look()

    def now_ns(self) -> int:
        """Return wall time that goes backward only where it was wrong; stamps messages."""
        wall_ns = self._clock.wall_ns()
        if abs(wall_ns - self._high_ns) > limits.CLOCK_JUMP_NS:
            self._look()
        self._high_ns = max(self._high_ns, wall_ns)
        return self._high_ns

    def expiry_ns(self) -> int | None:
        """Return the time to judge ages by, or None while the clock is in doubt."""
        self._look()
        return None if self._paused_until_ns is not None else self.now_ns()

    def doubted_for_ns(self) -> int:
        """Return for how much longer the clock is in doubt; 0: it is not."""
        self._look()
        until_ns = self._paused_until_ns
        return 0 if until_ns is None else until_ns - self._clock.monotonic_ns()

    def noted(self) -> Noted:
        """Return what the next start should know."""
        left_ns = self.doubted_for_ns()
        believed_ns = max(0, self._believed_ns + self._clock.monotonic_ns())
        if not left_ns:
            return Noted(believed_ns)
        doubt = Doubt(self._clock.wall_ns(), limits.EXPIRY_PAUSE_NS - left_ns)
        former = self._former
        # Who starts in 1970 until it learns the time keeps what it waited by the right one.
        if former is not None and _rank(former, believed_ns) > _rank(doubt, believed_ns):
            doubt = former
        return Noted(believed_ns, doubt)

    def _look(self) -> None:
        """Compare the clock with what it was at the last look."""
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        offset_ns = wall_ns - now_ns
        step_ns, self._offset_ns = offset_ns - self._offset_ns, offset_ns
        if abs(step_ns) > limits.CLOCK_JUMP_NS:
            self._doubt(now_ns)
            if step_ns < 0 and offset_ns >= self._believed_ns - limits.CLOCK_JUMP_NS:
                self._high_ns = wall_ns
        if self._paused_until_ns is not None:
            if now_ns < self._paused_until_ns:
                return
            self._paused_until_ns = None
            if self._high_ns - wall_ns > limits.CLOCK_JUMP_NS:
                self._high_ns = wall_ns
        self._believed_ns = offset_ns
        self._former = None

    def _doubt(self, now_ns: int) -> None:
        """Wait an hour from now, less what was waited by a clock that went on to this time."""
        self.jumps += 1
        former, waited_ns = self._former, 0
        if former is not None:
            believed_ns = self._believed_ns + now_ns
            if _goes_on(former.wall_ns, self._clock.wall_ns(), believed_ns):
                waited_ns = former.waited_ns
        self._paused_until_ns = now_ns + limits.EXPIRY_PAUSE_NS - waited_ns


def _goes_on(before_ns: int, wall_ns: int, believed_ns: int) -> bool:
    """Say whether one clock may have shown both: the same, or later by a time without power."""
    if abs(wall_ns - before_ns) <= limits.CLOCK_JUMP_NS:
        return True
    return wall_ns > before_ns and (wall_ns > believed_ns) == (before_ns > believed_ns)


def _rank(doubt: Doubt, believed_ns: int) -> tuple[bool, int]:
    """Return what puts one doubt before another: it is later than what was, then its time."""
    return doubt.wall_ns > believed_ns, doubt.waited_ns
