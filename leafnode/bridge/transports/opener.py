"""Opens what a port's name leads to, each time anew.

Knows every transport; not who uses it. Runs in a worker thread: nothing here may need the loop.
Truth: docs/serial/ports.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.bridge import uucp_lock
from leafnode.bridge.names import resolve
from leafnode.bridge.sysfs import Machine
from leafnode.bridge.transports.driver import port_errors
from leafnode.bridge.transports.rfc2217 import open_com_port
from leafnode.bridge.transports.rts import RtsPort
from leafnode.bridge.transports.tcp import open_socket
from leafnode.bridge.transports.tty import TtyPort
from leafnode.config import device_name
from leafnode.config.device_name import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.bridge.port import OpenPort
    from leafnode.clock import Clock
    from leafnode.config.serial_options import SerialPort


class Opener:
    """Implements OpenSerial on this machine, or on a part of it."""

    def __init__(
        self,
        clock: Clock,
        machine: Machine | None = None,
        lock_directory: Path = uucp_lock.DIRECTORY,
    ) -> None:
        self._clock = clock
        self._machine = machine or Machine()
        self._lock_directory = lock_directory

    def __call__(self, options: SerialPort) -> OpenPort:
        """Open the port. Blocks. Raises OSError; FileNotFoundError: it is not there yet."""
        with port_errors():
            return self._open(options)

    def find(self, options: SerialPort) -> str:
        """Implement FindPath: what would be opened now."""
        name = device_name.parse(options.device)
        if name.kind in {Kind.SOCKET, Kind.RFC2217}:
            return options.device
        return resolve(name, self._machine)

    def _open(self, options: SerialPort) -> OpenPort:
        name = device_name.parse(options.device)
        if name.kind is Kind.SOCKET:
            return open_socket(name)
        if name.kind is Kind.RFC2217:
            return open_com_port(name, options, self._clock)
        path = resolve(name, self._machine)
        lock = uucp_lock.take(path, self._lock_directory)
        try:
            tty = TtyPort(options, path, lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        if options.rs485 is not None and options.rs485.mode == "rts":
            return RtsPort(tty, options, options.rs485, self._clock)
        return tty
