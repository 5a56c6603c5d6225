"""What goes out on a port: as much as it takes, and when there will be more.

Knows a port that is open and who has something for it; not what that means, nor when it is read.
Truth: docs/serial.md, "Stored, then acknowledged".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.commands import PortCommands
    from leafnode.bridge.port import OpenPort
    from leafnode.bridge.reading import Framing
    from leafnode.bridge.taps import Taps
    from leafnode.clock import Clock, Timer

_WRITES_MAX: Final = 16  # of one port in one turn; the rest goes out when it is writable again
_BLOCKED_MS: Final = 20  # before a port that takes nothing is asked again, unless it is writable


class PortOutput:
    """Writes one port while it is open. `again` sends what waits, `due` is called when it is time
    for more.
    """

    def __init__(
        self,
        clock: Clock,
        taps: Taps,
        *,
        again: Callable[[], None],
        due: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._taps = taps
        self._again = again
        self._due = due
        self._port: OpenPort | None = None
        self._out = b""
        self._timer: Timer | None = None
        self.is_sending = False

    def opened(self, port: OpenPort) -> None:
        self._port = port
        self._out = b""

    def closed(self, port: OpenPort) -> None:
        """Write no more; what the port did not take is lost with it."""
        asyncio.get_running_loop().remove_writer(port.fileno())
        self._set_timer(None)
        self._port = None

    def send(self, sender: Framing | PortCommands) -> None:
        """Give the device what it shall hear; new answers wait until the kernel took the old."""
        assert self._port is not None, "only an open port is written to"
        delays_ns = []
        self.is_sending = True
        try:
            if not self._write(self._port, sender):
                delays_ns.append(0)
        finally:
            self.is_sending = False
        loop = asyncio.get_running_loop()
        pause_ns = self._port.write_pause_ns() if self._out else 0
        if self._out and not pause_ns:
            loop.add_writer(self._port.fileno(), self._again)
        else:
            loop.remove_writer(self._port.fileno())
        due_ms = sender.next_timeout_ms(self._now_ms())
        if pause_ns:
            delays_ns.append(pause_ns)
        if due_ms is not None:
            # What is owed now cannot go now: who does not read would have us try for ever.
            delays_ns.append(max(due_ms, _BLOCKED_MS if self._out else 0) * NS_PER_MS)
        self._set_timer(min(delays_ns, default=None))

    def _write(self, port: OpenPort, sender: Framing | PortCommands) -> bool:
        """Write what there is, as far as the port takes it; say whether that is all for now."""
        for _ in range(_WRITES_MAX):
            self._out = self._out or sender.data_to_send(self._now_ms())
            if not self._out:
                return True
            count = port.write(self._out)
            if self._taps and count:
                self._taps.sent(self._out[:count])
            self._out = self._out[count:]
            if self._out:
                return True
        return False

    def _set_timer(self, delay_ns: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if delay_ns is not None:
            self._timer = self._clock.call_later(delay_ns, self._time_came)

    def _time_came(self) -> None:
        self._timer = None
        self._due()

    def _now_ms(self) -> int:
        return self._clock.monotonic_ns() // NS_PER_MS
