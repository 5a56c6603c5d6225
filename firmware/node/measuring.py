"""Reading sensors by the clock: what a node does whatever its link is.

Knows sensors as (subject, function) pairs and the board as a HAL; not how a reading goes out.
Truth: firmware/README.md, "What a node does".
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from leafnode.link.ticks import is_due, until_ms

    class Hal(Protocol):
        """A board. No call blocks but wait."""

        closed: bool  # the line is gone for good (a pipe's other end); a UART never is

        def ticks_ms(self) -> int: ...
        def boot_id(self) -> int: ...
        def read(self) -> bytes: ...
        def write(self, data: memoryview) -> int: ...
        def wait(self, timeout_ms: int) -> None: ...

    Sensor = tuple[str, Callable[[], "int | float | None"]]
else:
    from link.ticks import is_due, until_ms


class Measuring:
    """Measures each sensor every `interval_ms`; `count` ends it after so many readings, 0 never.

    A sensor that returns None has nothing new. `n` counts the readings from 1, also those that the
    full ring gave up: a gap in `n` at the receiver is a loss, and nothing else is.
    """

    def __init__(
        self, hal: "Hal", sensors: "Sequence[Sensor]", interval_ms: int, count: int
    ) -> None:
        self.hal = hal
        self.n = 0
        self.sensor_errors = 0
        self.late = 0  # measurements skipped because poll came more than an interval too late
        self._sensors = sensors
        self._interval_ms = interval_ms
        self._count = count
        self._measure_at_ms = hal.ticks_ms()

    @property
    def done(self) -> bool:
        """Whether `count` readings were measured and all of them are acked or given up."""
        return False

    def poll(self) -> int:
        """Do all that is due; return in how many milliseconds to call again, or when bytes come."""
        raise NotImplementedError

    def run(self) -> None:
        """Poll until the work is done or the line is gone; on a board that is for ever."""
        while not self.hal.closed:
            wait_ms = self.poll()
            if self.done:
                return
            self.hal.wait(wait_ms)

    def _publish(self, subject: str, value: "int | float", now_ms: int) -> None:
        raise NotImplementedError

    def _say(self, text: str) -> None:
        raise NotImplementedError

    def _measured(self) -> bool:
        return 0 < self._count <= self.n

    def _measure_if_due(self, now_ms: int) -> None:
        if self._measured() or not is_due(now_ms, self._measure_at_ms):
            return
        for subject, read in self._sensors:
            if self._measured():
                return
            try:
                value = read()
            except OSError as err:
                self.sensor_errors += 1
                self._say("{}: {}".format(subject, err))
                continue
            if value is None:
                continue  # nothing new
            self.n += 1
            self._publish(subject, value, now_ms)
        # From the plan, not from now: the rate holds although each poll comes a little late.
        self._measure_at_ms += self._interval_ms
        if is_due(now_ms, self._measure_at_ms):
            self.late += 1
            self._measure_at_ms = now_ms + self._interval_ms

    def _until_measuring_ms(self, now_ms: int, wait_ms: int) -> int:
        """Return `wait_ms`, or less when a measurement is due before."""
        return wait_ms if self._measured() else min(wait_ms, until_ms(now_ms, self._measure_at_ms))
