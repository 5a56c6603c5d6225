"""The node program without its board: measure, publish, poll the link. No asyncio, no sleep.

Knows sensors as (subject, function) pairs and the board as a HAL; not pins, ports or files.
Truth: firmware/README.md for what a HAL does, docs/device-link.md for the link.
"""

from math import isfinite

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from leafnode.link.device import DeviceSession
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
    from link.device import DeviceSession
    from link.ticks import is_due, until_ms

_WRITE_RETRY_MS = 5  # the line took only a part: a UART at 9600 baud sends 5 bytes in this time
_BURSTS_MAX = 4  # written in one poll, so that measuring is never late by much
_LOG_ERROR = 3
_LOG_INFO = 6


class Node:
    """Measures each sensor every `interval_ms` and never waits for the link.

    A sensor that returns None has nothing new. Each reading is `{"n":<n>,"v":<value>}`. `n` counts
    the node's measurements from 1, also those that the full ring gave up: a gap in `n` at the
    receiver is a loss, and nothing else is.
    `count` ends the measuring after so many readings, 0 never. `link`: a DeviceSession's options.
    """

    def __init__(
        self,
        hal: "Hal",
        sensors: "Sequence[Sensor]",
        name: str,
        interval_ms: int = 1000,
        count: int = 0,
        **link: "Any",
    ) -> None:
        self.hal = hal
        self.session = DeviceSession(name, hal.boot_id(), **link)
        self.n = 0
        self.sensor_errors = 0
        self.late = 0  # measurements skipped because poll came more than an interval too late
        self._sensors = sensors
        self._interval_ms = interval_ms
        self._count = count
        self._measure_at_ms = hal.ticks_ms()
        self._out = memoryview(b"")  # what the line has not taken yet
        self.session.log(_LOG_INFO, "boot {}".format(self.session.boot_id))

    @property
    def done(self) -> bool:
        """Whether `count` readings were measured and all of them are acked or given up."""
        return self._measured() and self.session.unacked == 0 and len(self._out) == 0

    def poll(self) -> int:
        """Do all that is due; return in how many milliseconds to call again, or when bytes come."""
        now_ms = self.hal.ticks_ms()
        data = self.hal.read()
        if data:
            self.session.receive(data, now_ms)
        if not self._measured() and is_due(now_ms, self._measure_at_ms):
            self._measure(now_ms)
        if self.session.renew_due:
            self.session.renew(self.hal.boot_id())
        self._write(now_ms)
        return self._wait_ms(now_ms)

    def run(self) -> None:
        """Poll until the work is done or the line is gone; on a board that is for ever."""
        while not self.hal.closed:
            wait_ms = self.poll()
            if self.done:
                return
            self.hal.wait(wait_ms)

    def _measured(self) -> bool:
        return 0 < self._count <= self.n

    def _measure(self, now_ms: int) -> None:
        for subject, read in self._sensors:
            if self._measured():
                return
            try:
                value = read()
            except OSError as err:
                self.sensor_errors += 1
                self.session.log(_LOG_ERROR, "{}: {}".format(subject, err))
                continue
            if value is None:
                continue  # nothing new
            self.n += 1
            text = '{{"n":{},"v":{}}}'.format(self.n, _json_number(value))
            self.session.publish(subject, text.encode(), now_ms)
        # From the plan, not from now: the rate holds although each poll comes a little late.
        self._measure_at_ms += self._interval_ms
        if is_due(now_ms, self._measure_at_ms):
            self.late += 1
            self._measure_at_ms = now_ms + self._interval_ms

    def _write(self, now_ms: int) -> None:
        for _ in range(_BURSTS_MAX):
            if len(self._out) == 0:
                self._out = memoryview(self.session.data_to_send(now_ms))
                if len(self._out) == 0:
                    return
            taken = self.hal.write(self._out)
            self._out = self._out[taken:]
            if len(self._out):
                return

    def _wait_ms(self, now_ms: int) -> int:
        if len(self._out):
            wait_ms = _WRITE_RETRY_MS
        else:
            timeout_ms = self.session.next_timeout_ms(now_ms)
            wait_ms = self._interval_ms if timeout_ms is None else timeout_ms
        if self._measured():
            return wait_ms
        return min(wait_ms, until_ms(now_ms, self._measure_at_ms))


def _json_number(value: "int | float") -> str:
    """Return `value` as JSON, which has no NaN and no infinity."""
    return "{}".format(value) if isfinite(value) else "null"
