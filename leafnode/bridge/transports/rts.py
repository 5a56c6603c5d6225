"""RS-485 by our own hand: RTS up, send, wait until the last bit has left, RTS down.

Knows time and one line; not what the bytes mean. It waits as long as the bytes take at this speed,
and then asks the driver, since no descriptor tells when a line is quiet. In Python that is as exact
as a turn of the loop: some milliseconds, see docs/serial/ports.md, "RS-485".
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from leafnode.bridge import port_bounds
from leafnode.bridge.port import OpenPort
from leafnode.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from leafnode.bridge.port import LineErrors
    from leafnode.clock import Clock, Timer
    from leafnode.config.serial_options import Rs485Options, SerialPort


class RtsLine(OpenPort, Protocol):
    """A port whose RTS can be moved."""

    def set_rts(self, *, on: bool) -> None: ...

    def unsent_bytes(self) -> int: ...

    def drop_input(self) -> None: ...


class RtsPort:
    """Implements OpenPort on a line where somebody must say who speaks."""

    def __init__(
        self, line: RtsLine, options: SerialPort, switch: Rs485Options, clock: Clock
    ) -> None:
        self._line = line
        self._switch = switch
        self._clock = clock
        bits = 1 + options.data_bits + (options.parity != "none") + options.stop_bits
        self._byte_ns = bits * NS_PER_S // options.baud
        self._waiting = bytearray()  # to be given to the driver
        self._sends = False  # RTS says that we speak
        self._may_send_ns = 0
        self._quiet_ns = 0  # when the last bit will have left
        self._timer: Timer | None = None
        self._stopped = False
        self._failure: OSError | None = None
        self.path = line.path
        self.is_low_latency = line.is_low_latency

    def describe(self) -> str:
        return self._line.describe()

    def fileno(self) -> int:
        return self._line.fileno()

    def read(self) -> bytes:
        data = self._line.read()
        return b"" if self._sends and not self._switch.rx_during_tx else data

    def write(self, data: bytes) -> int:
        if self._failure is not None:
            raise self._failure
        taken = data[: max(0, port_bounds.RS485_BUFFER_MAX - len(self._waiting))]
        self._waiting += taken
        if taken and not self._sends:
            self._line.set_rts(on=self._switch.rts_on_send)
            self._sends = True
            self._may_send_ns = self._clock.monotonic_ns() + self._switch.delay_before_ns
        self._go_on()
        return len(taken)

    def line_errors(self) -> LineErrors:
        return self._line.line_errors()

    def write_pause_ns(self) -> int:
        """It takes no more until half of what waits is on the line."""
        return max(1, len(self._waiting) * self._byte_ns // 2)

    def stop(self) -> None:
        self._stopped = True
        self._waiting.clear()
        self._set_timer(0)
        if self._sends:
            with suppress(OSError):  # it is gone, and speaks no more
                self._line.set_rts(on=not self._switch.rts_on_send)

    def close(self) -> None:
        self._line.close()

    def _go_on(self) -> None:
        """Do what is due, and set the timer for what is next."""
        self._set_timer(0)
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._may_send_ns:
            self._set_timer(self._may_send_ns - now_ns)
            return
        if self._waiting:
            count = self._line.write(bytes(self._waiting))
            del self._waiting[:count]
            self._quiet_ns = max(now_ns, self._quiet_ns) + count * self._byte_ns
        if self._waiting:  # the driver is full
            self._set_timer(max(self._byte_ns, port_bounds.RS485_BUFFER_MAX * self._byte_ns // 16))
            return
        left_ns = max(
            self._quiet_ns + self._switch.delay_after_ns - now_ns,
            self._unsent_ns(),
        )
        if left_ns > 0:
            self._set_timer(left_ns)
        elif self._sends:
            self._listen()

    def _unsent_ns(self) -> int:
        """How long the driver will send yet; one that sends nothing is not asked all the time."""
        count = self._line.unsent_bytes()
        return max(count * self._byte_ns, NS_PER_MS) if count else 0

    def _listen(self) -> None:
        if not self._switch.rx_during_tx:
            self._line.drop_input()  # our own voice; nobody else speaks meanwhile
        self._line.set_rts(on=not self._switch.rts_on_send)
        self._sends = False

    def _set_timer(self, delay_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if delay_ns and not self._stopped:
            self._timer = self._clock.call_later(delay_ns, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._stopped:
            return
        try:
            self._go_on()
        except OSError as err:  # the port is gone: the next read or write says so
            self._failure = err
