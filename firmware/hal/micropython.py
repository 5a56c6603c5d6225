"""MicroPython boards: a UART, or the USB serial port that the REPL uses too.

Knows machine.UART's methods and stdin; not which pins. Truth: docs.micropython.org, machine.UART.
"""

import sys

from .boot_id import random_boot_id
from .clock import sleep_ms, ticks_ms
from .interrupt import Interrupt
from .stream import StreamHal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CHUNK_BYTES = 32  # per write; no port's transmit FIFO is smaller than this by much
_WAIT_STEP_MS = 5


class UartHal:
    """A machine.UART, built with `timeout=0` and, where the port has it, `txbuf=512`."""

    closed = False

    def __init__(self, uart: "Any") -> None:
        self._uart = uart

    def ticks_ms(self) -> int:
        return ticks_ms()

    def boot_id(self) -> int:
        return random_boot_id()

    def read(self) -> bytes:
        count = self._uart.any()
        return (self._uart.read(count) or b"") if count else b""

    def write(self, data: memoryview) -> int:
        return self._uart.write(data[:_CHUNK_BYTES]) or 0

    def wait(self, timeout_ms: int) -> None:
        # Not every port can poll a UART: look for bytes in small steps.
        while timeout_ms > 0 and not self._uart.any():
            step_ms = min(timeout_ms, _WAIT_STEP_MS)
            sleep_ms(step_ms)
            timeout_ms -= step_ms


class UsbHal(StreamHal):
    """The USB serial port of the REPL. What is printed passes as noise between frames.

    mpremote, or Ctrl-C twice on a terminal, ends the program: read raises KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self._interrupt = Interrupt()
        # A frame may hold the byte 3, which is Ctrl-C.
        _set_interrupt_byte(-1)
        super().__init__(sys.stdin.buffer, sys.stdout.buffer)

    def _quiet(self) -> None:
        self._interrupt.quiet(ticks_ms())

    def _ends_program(self, byte: int) -> bool:
        if not self._interrupt.take(byte):
            return False
        _set_interrupt_byte(3)
        return True


def _set_interrupt_byte(byte: int) -> None:
    import micropython

    micropython.kbd_intr(byte)  # type: ignore[attr-defined]  # CircuitPython's stubs
