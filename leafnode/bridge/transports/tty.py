"""A tty, opened by pyserial the way a gateway needs it.

Knows the operating system; not what the bytes mean. Truth: pyserial 3.5 serialposix.py, termios(3),
docs/serial/ports.md.
"""

from __future__ import annotations

import os
import termios
from contextlib import suppress
from typing import TYPE_CHECKING

import serial

from leafnode import limits
from leafnode.bridge.port import PortGone

if TYPE_CHECKING:
    from leafnode.bridge.port import OpenPort
    from leafnode.config.serial_options import SerialPort


class _KeepInput(serial.Serial):
    """pyserial's port, opened without throwing away what the kernel received before.

    `open` discards the input (serialposix.py `_reset_input_buffer`). A sensor that only talks would
    lose what it said while the gateway was restarting, where the kernel had kept it.
    """

    def _reset_input_buffer(self) -> None:
        """Keep what is there."""


class PySerialPort:
    """Implements OpenPort by pyserial."""

    def __init__(self, options: SerialPort) -> None:
        try:
            # exclusive: flock, so that a second gateway or a second entry does not steal bytes.
            # inter_byte_timeout=0 makes pyserial set VMIN=1: a read of nothing is then EAGAIN, and
            # an empty one means that the line is gone. With its usual VMIN=0 the two look the same.
            self._serial = _KeepInput(
                options.device, options.baud, exclusive=True, inter_byte_timeout=0
            )
        except termios.error as err:  # not an OSError: unplugged between open and tcsetattr
            raise PortGone(*err.args) from err
        self._fd = self._serial.fileno()
        self._baud = options.baud
        self.path = options.device

    def describe(self) -> str:
        return f"baud={self._baud}"

    def fileno(self) -> int:
        return self._fd

    def read(self) -> bytes:
        try:
            data = os.read(self._fd, limits.SERIAL_READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise PortGone("the other end hung up")
        return data

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def write_pause_ns(self) -> int:
        return 0

    def close(self) -> None:
        # close() waits up to 30 s for unsent bytes (closing_wait), which a gone device never takes.
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCOFLUSH)
        self._serial.close()


def open_pyserial(options: SerialPort) -> OpenPort:
    """Open the port. Blocks. Raises OSError, as pyserial's errors are, or ValueError."""
    return PySerialPort(options)
