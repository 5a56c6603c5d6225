"""CircuitPython boards: usb_cdc.data, or a busio.UART built with `timeout=0`.

Knows in_waiting, read and write; the clock is passed in (supervisor.ticks_ms), so nothing of a
board is imported here. Truth: docs.circuitpython.org, usb_cdc.Serial and busio.UART.
"""

import time

from .boot_id import random_boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_READ_BYTES_MAX = 256
_CHUNK_BYTES = 32  # busio.UART.write returns when all is sent: 3 ms at 115200 baud
_WAIT_STEP_MS = 5


class SerialHal:
    """`port` is usb_cdc.data (set its write_timeout to 0) or a busio.UART.

    `boot_id`: hal.boot_counter's where the board has no random numbers.
    """

    closed = False

    def __init__(
        self,
        port: "Any",
        ticks_ms: "Callable[[], int]",
        boot_id: "Callable[[], int]" = random_boot_id,
    ) -> None:
        self._port = port
        self._ticks_ms = ticks_ms
        self._boot_id = boot_id

    def ticks_ms(self) -> int:
        return self._ticks_ms()

    def boot_id(self) -> int:
        return self._boot_id()

    def read(self) -> bytes:
        count = min(self._port.in_waiting, _READ_BYTES_MAX)
        return (self._port.read(count) or b"") if count else b""

    def write(self, data: memoryview) -> int:
        return self._port.write(bytes(data[:_CHUNK_BYTES])) or 0

    def wait(self, timeout_ms: int) -> None:
        while timeout_ms > 0 and not self._port.in_waiting:
            step_ms = min(timeout_ms, _WAIT_STEP_MS)
            time.sleep(step_ms / 1000)
            timeout_ms -= step_ms
