"""A serial port as the bridge needs it: a descriptor that is read and written without blocking.

Knows the operating system; not what the bytes mean. Opening and closing may block, so both belong
into a worker thread. Truth: pyserial 3.5 serialposix.py, termios(3).
"""

from __future__ import annotations

import os
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import serial

from leafnode import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.serial_options import SerialPort


class OpenPort(Protocol):
    """A port that is open. A read or write that finds it gone raises OSError."""

    def fileno(self) -> int: ...

    def read(self) -> bytes:
        """Return what is there, at most SERIAL_READ_BYTES; b"" when nothing is."""
        ...

    def write(self, data: bytes) -> int:
        """Give the kernel what it takes of `data` now and return how much that was."""
        ...

    def close(self) -> None:
        """Drop what is not sent yet and let go of the port. May block."""
        ...


if TYPE_CHECKING:
    OpenSerial = Callable[[SerialPort], OpenPort]


class PortGone(OSError):  # noqa: N818 -- a condition, named as people say it
    """The device was unplugged, or its other end hung up."""


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

    def close(self) -> None:
        # close() waits up to 30 s for unsent bytes (closing_wait), which a gone device never takes.
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCOFLUSH)
        self._serial.close()


def open_pyserial(options: SerialPort) -> OpenPort:
    """Open the port. Blocks. Raises OSError, as pyserial's errors are, or ValueError."""
    return PySerialPort(options)
