"""A tty, opened by pyserial the way a gateway needs it: locked, set, and its input kept.

Knows the operating system; not what the bytes mean. Truth: pyserial 3.5 serialposix.py, termios(3),
ioctl_tty(2), docs/serial/ports.md.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import serial
from serial.rs485 import RS485Settings

from leafnode import limits
from leafnode.bridge.port import LineErrors, PortGone
from leafnode.bridge.transports.driver import port_errors
from leafnode.clock import NS_PER_MS

if TYPE_CHECKING:
    from leafnode.bridge.uucp_lock import LockFile
    from leafnode.config.serial_options import Rs485Options, SerialPort

_PARITIES: Final = {
    "none": serial.PARITY_NONE,
    "even": serial.PARITY_EVEN,
    "odd": serial.PARITY_ODD,
    "mark": serial.PARITY_MARK,
    "space": serial.PARITY_SPACE,
}


_GONE: Final = frozenset({errno.EIO, errno.ENODEV, errno.ENXIO})  # unplugged meanwhile

# struct serial_icounter_struct: cts, dsr, rng, dcd, rx, tx, frame, overrun, parity, brk,
# buf_overrun, and nine that are reserved.
_ICOUNTER: Final = struct.Struct("=11i36x")


def _since(now: int, before: int) -> int:
    """Return how much a driver's counter grew: it has 32 bits and comes round."""
    return now - before & 0x7FFFFFFF


class _KeepInput(serial.Serial):
    """pyserial's port, opened without throwing away what the kernel received before.

    `open` discards the input (serialposix.py `_reset_input_buffer`). A sensor that only talks would
    lose what it said while the gateway was restarting, where the kernel had kept it.
    """

    def _reset_input_buffer(self) -> None:
        """Keep what is there."""


class TtyPort:
    """Implements OpenPort by pyserial. `lock` is released when it is closed."""

    def __init__(self, options: SerialPort, path: str, lock: LockFile | None = None) -> None:
        self.path = path
        self._options = options
        self._lock = lock
        with port_errors():
            self._serial = _open_port(options, path)
        self._fd = self._serial.fileno()
        self._line_errors = LineErrors()
        try:
            with port_errors():
                self._claim()
            self._counted_at_first = self._counted() or (0, 0, 0, 0)
            self.is_low_latency = options.low_latency and self._make_fast()
        except BaseException:
            with suppress(OSError):
                self.close()
            raise

    def describe(self) -> str:
        options = self._options
        form = f"{options.data_bits}{options.parity[0].upper()}{options.stop_bits}"
        words = [f"path={self.path} baud={options.baud} line={form}"]
        if options.flow != "none":
            words.append(f"flow={options.flow}")
        if options.rs485 is not None:
            words.append(f"rs485={options.rs485.mode}")
        return " ".join(words)

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

    def line_errors(self) -> LineErrors:
        """Ask the driver; one that is gone has counted what it had counted before."""
        counted = self._counted()
        if counted is not None:
            self._line_errors = LineErrors(*map(_since, counted, self._counted_at_first))
        return self._line_errors

    def _counted(self) -> tuple[int, int, int, int] | None:
        """Return the driver's counters, None where it has none."""
        try:
            data = fcntl.ioctl(self._fd, termios.TIOCGICOUNT, bytes(_ICOUNTER.size))
        except OSError:
            return None
        _, _, _, _, _, _, frame, overrun, parity, breaks, buffer = _ICOUNTER.unpack(data)
        return overrun + buffer, frame, parity, breaks

    def stop(self) -> None:
        """It does nothing by itself."""

    def close(self) -> None:
        with suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCNXCL)  # a pseudo-terminal would keep it
        # close() waits up to 30 s for unsent bytes (closing_wait), which a gone device never takes.
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCOFLUSH)
        try:
            with port_errors():
                self._serial.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    @property
    def line(self) -> serial.Serial:
        """Pyserial's port, for whoever sets its line."""
        return self._serial

    def set_line(self, baud: int, parity: str) -> None:
        """Go on at another speed and parity. Raises OSError."""
        with port_errors():
            self._serial.parity = _PARITIES[parity]
            self._serial.baudrate = baud

    # --- what a soft RS-485 switch needs

    def set_rts(self, *, on: bool) -> None:
        """Move the line. Raises OSError where there is none."""
        with port_errors():
            self._serial.rts = on

    def unsent_bytes(self) -> int:
        """How many bytes the driver has not sent, as far as it knows."""
        try:
            return int(self._serial.out_waiting)
        except OSError:
            return 0

    def drop_input(self) -> None:
        """Throw away what was received and not read."""
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCIFLUSH)

    def _claim(self) -> None:
        """Keep others out, and set RS-485. Raises OSError."""
        # flock is pyserial's, and keeps out who asks; TIOCEXCL who does not, but root.
        with suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCEXCL)
        rs485 = self._options.rs485
        if rs485 is not None and rs485.mode == "kernel":
            self._set_rs485(rs485)
        elif rs485 is not None and rs485.mode == "rts":
            try:
                self.set_rts(on=not rs485.rts_on_send)  # pyserial's open() says nothing of failure
            except OSError as err:
                reason = f"{self.path} has no RTS line for the RS-485 mode rts: use adapter"
                raise OSError(err.errno, reason) from err

    def _set_rs485(self, options: Rs485Options) -> None:
        try:
            with port_errors():
                self._serial.rs485_mode = _settings(options)
        except OSError as err:
            if err.errno in _GONE:
                raise
            # Every later setting of this object would fail likewise: it is closed, and never used.
            reason = (
                f"the driver of {self.path} has no RS-485 mode: use rs485 mode rts, "
                "or adapter where the adapter switches by itself"
            )
            raise OSError(errno.ENOTTY, reason) from err

    def _make_fast(self) -> bool:
        """Ask the driver to hand on every byte at once; say whether it has that."""
        try:
            with port_errors():
                self._serial.set_low_latency_mode(True)
        except OSError:
            return False
        return True


def _settings(options: Rs485Options) -> RS485Settings:
    return RS485Settings(
        rts_level_for_tx=options.rts_on_send,
        rts_level_for_rx=not options.rts_on_send,
        loopback=options.rx_during_tx,
        delay_before_tx=_whole_ms(options.delay_before_ns),
        delay_before_rx=_whole_ms(options.delay_after_ns),
    )


def _whole_ms(delay_ns: int) -> float:
    """Return seconds that are whole milliseconds, rounded up: the driver knows no shorter ones.

    A quarter of one more, since pyserial cuts off what a float has too little.
    """
    whole = -(-delay_ns // NS_PER_MS)
    return (whole + 0.25) / 1000 if whole else 0.0


def _open_port(options: SerialPort, path: str) -> _KeepInput:
    """Open it. A driver that knows no parity opens with 8N1, the second time as the first.

    It takes what it can and says nothing. But where the line is so already, glibc finds that
    nothing of what was asked was done, and says EINVAL.
    """
    try:
        return _opened(options, path)
    except termios.error as err:
        if err.args[0] != errno.EINVAL or (options.data_bits, options.parity) == (8, "none"):
            raise
        return _opened(replace(options, data_bits=8, parity="none"), path)


def _opened(options: SerialPort, path: str) -> _KeepInput:
    port = _closed_port(options)
    port.port = path
    port.open()
    return port


def _closed_port(options: SerialPort) -> _KeepInput:
    # exclusive: flock, so that a second gateway or a second entry does not steal bytes.
    # inter_byte_timeout=0 makes pyserial set VMIN=1: a read of nothing is then EAGAIN, and
    # an empty one means that the line is gone. With its usual VMIN=0 the two look the same.
    port = _KeepInput(
        None,
        options.baud,
        bytesize=options.data_bits,
        parity=_PARITIES[options.parity],
        stopbits=options.stop_bits,
        xonxoff=options.flow == "xonxoff",
        rtscts=options.flow == "rtscts",
        exclusive=True,
        inter_byte_timeout=0,
    )
    port.dtr = options.dtr
    port.rts = options.rts
    if options.rs485 is not None and options.rs485.mode != "adapter":
        port.rts = not options.rs485.rts_on_send  # we listen
    return port
