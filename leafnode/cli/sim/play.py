"""Lets a sensor speak at its pace and its line's speed, until its time or its number is over.

Knows sensor, wire and terminal; not what is said. Truth: docs/serial/sim.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.cli.sim.sensor import Sensor
    from leafnode.cli.sim.terminal import Terminal
    from leafnode.cli.sim.wire import Wire
    from leafnode.clock import Clock

_WAIT_MAX_NS: Final = NS_PER_S // 5


@dataclass(slots=True)
class Played:
    """What went over the line."""

    said: int = 0  # times that the sensor spoke
    answered: int = 0
    sent_bytes: int = 0
    heard_bytes: int = 0
    lost_bytes: int = 0  # nobody took them


class Player:
    """One sensor on one line. `step` does what is due; `until_ns`, `count` and `stopped` end it."""

    def __init__(
        self,
        sensor: Sensor,
        wire: Wire,
        terminal: Terminal,
        clock: Clock,
        *,
        count: int = 0,
        until_ns: int | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._sensor = sensor
        self._wire = wire
        self._terminal = terminal
        self._clock = clock
        self._count = count
        self._until_ns = until_ns
        self._stopped = stopped
        self._every_ns = None if sensor.every_s is None else int(sensor.every_s * NS_PER_S)
        self._next_ns = clock.monotonic_ns()
        self.played = Played()

    def run(self) -> None:
        """Play until it is over."""
        while not self._is_over():
            self.step()

    def step(self) -> None:
        """Do what is due, then wait for what comes next."""
        now_ns = self._clock.monotonic_ns()
        data = self._terminal.read()
        if data:
            self.played.heard_bytes += len(data)
            answer = self._sensor.answer(self._wire.damage(data), now_ns)
            if answer:
                self.played.answered += 1
                self._wire.send(answer, now_ns)
        if self._is_due(now_ns):
            # From the plan, not from now, so that the pace holds; after a long sleep from now.
            assert self._every_ns is not None, "only such a sensor is ever due"
            self._next_ns += self._every_ns
            if self._next_ns <= now_ns:
                self._next_ns = now_ns + self._every_ns
            if self._terminal.is_heard:
                self.played.said += 1
                self._wire.send(self._sensor.say(self._clock.wall_ns()), now_ns)
        out = self._wire.due(now_ns)
        if out:
            taken = self._terminal.write(out)
            self.played.sent_bytes += taken
            self.played.lost_bytes += len(out) - taken
        if not self._is_over():
            self._terminal.wait(self._wait_ns(self._clock.monotonic_ns()))

    def _has_said_all(self) -> bool:
        return 0 < self._count <= self.played.said + self.played.answered

    def _is_due(self, now_ns: int) -> bool:
        return self._every_ns is not None and now_ns >= self._next_ns and not self._has_said_all()

    def _is_over(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        if self._stopped() or (self._until_ns is not None and now_ns >= self._until_ns):
            return True
        return self._has_said_all() and self._wire.wait_ns(now_ns) is None

    def _wait_ns(self, now_ns: int) -> int:
        waits = [_WAIT_MAX_NS]
        if self._every_ns is not None and not self._has_said_all():
            waits.append(max(0, self._next_ns - now_ns))
        out_ns = self._wire.wait_ns(now_ns)
        if out_ns is not None:
            waits.append(out_ns)
        if self._until_ns is not None:
            waits.append(max(0, self._until_ns - now_ns))
        return min(waits)
