"""The node program without its board: measure, publish, poll the link. No asyncio, no sleep.

Knows the link; sensors and board are in `measuring`. Truth: firmware/README.md for what a HAL does,
docs/device-link.md for the link.
"""

from math import isfinite

from .measuring import Measuring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from leafnode.link.device import DeviceSession

    from .measuring import Hal, Sensor
else:
    from link.device import DeviceSession

_WRITE_RETRY_MS = 5  # the line took only a part: a UART at 9600 baud sends 5 bytes in this time
_BURSTS_MAX = 4  # written in one poll, so that measuring is never late by much
_LOG_ERROR = 3
_LOG_INFO = 6


class Node(Measuring):
    """Measures and never waits for the link. Each reading is `{"n":<n>,"v":<value>}`.

    `link`: a DeviceSession's options.
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
        super().__init__(hal, sensors, interval_ms, count)
        self.session = DeviceSession(name, hal.boot_id(), **link)
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
        self._measure_if_due(now_ms)
        if self.session.renew_due:
            self.session.renew(self.hal.boot_id())
        self._write(now_ms)
        return self._until_measuring_ms(now_ms, self._wait_ms(now_ms))

    def _publish(self, subject: str, value: "int | float", now_ms: int) -> None:
        text = '{{"n":{},"v":{}}}'.format(self.n, _json_number(value))
        self.session.publish(subject, text.encode(), now_ms)

    def _say(self, text: str) -> None:
        self.session.log(_LOG_ERROR, text)

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
            return _WRITE_RETRY_MS
        timeout_ms = self.session.next_timeout_ms(now_ms)
        return self._interval_ms if timeout_ms is None else timeout_ms


def _json_number(value: "int | float") -> str:
    """Return `value` as JSON, which has no NaN and no infinity."""
    return "{}".format(value) if isfinite(value) else "null"
