"""Where a simulated sensor speaks: a pseudo-terminal of its own, or a serial port that is there.

Knows the operating system; not what is said. A wire does not wait: what nobody reads is lost.
Truth: pty(7), poll(2).
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import sys
import termios
import tty
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from leafnode.bridge import uucp_lock
from leafnode.bridge.names import resolve
from leafnode.bridge.sysfs import Machine
from leafnode.bridge.transports.tty import TtyPort
from leafnode.cli.sim.errors import SimError
from leafnode.clock import NS_PER_MS
from leafnode.config import device_name
from leafnode.config.serial_options import SerialPort

if TYPE_CHECKING:
    from leafnode.bridge.port import OpenPort

_READ_BYTES: Final = 4096
_LOOK_MS: Final = 50  # how often it is looked whether somebody opened the terminal
_LINGER_LOOKS: Final = 40


class Terminal(Protocol):
    """One end of a line."""

    path: str  # what the gateway opens

    @property
    def is_heard(self) -> bool:
        """Whether anybody has the other end open, as far as that is known."""
        ...

    def read(self) -> bytes: ...

    def write(self, data: bytes) -> int:
        """Return how much was taken; the rest is lost."""
        ...

    def wait(self, delay_ns: int) -> None:
        """Wait for so long, or until something came."""
        ...

    def close(self) -> None: ...


class Pty:
    """Implements Terminal on a pseudo-terminal. `link` is a name that stays, a symbolic link."""

    def __init__(self, link: str | None) -> None:
        self._fd, other = pty.openpty()
        tty.setraw(other)
        self.path = os.ttyname(other)
        os.close(other)  # from now on the kernel says whether somebody has it
        os.set_blocking(self._fd, False)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._link = Path(link) if link is not None else None
        if self._link is not None:
            try:
                _lay(self._link, self.path)
            except BaseException:
                os.close(self._fd)
                raise

    @property
    def is_heard(self) -> bool:
        return not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def read(self) -> bytes:
        try:
            return os.read(self._fd, _READ_BYTES)
        except OSError:  # nothing there, or nobody
            return b""

    def write(self, data: bytes) -> int:
        try:
            return os.write(self._fd, data)
        except OSError:
            return 0

    def wait(self, delay_ns: int) -> None:
        if self.is_heard:
            self._poll.poll(-(-delay_ns // NS_PER_MS))
        else:  # poll would return at once
            select.select([], [], [], min(delay_ns / NS_PER_MS, _LOOK_MS) / 1000)

    def close(self) -> None:
        if self._link is not None:
            with suppress(OSError):
                if str(self._link.readlink()) == self.path:
                    self._link.unlink()
        if self.is_heard:
            self._linger()
        os.close(self._fd)

    def _linger(self) -> None:
        """Let them read what was said last: what they have not read goes with the terminal."""
        try:
            other = os.open(self.path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:  # the gateway has it for itself: it reads at once
            select.select([], [], [], _LOOK_MS / 1000)
            return
        try:
            empty = 0  # looks: what was just written needs a moment to get there
            for _ in range(_LINGER_LOOKS):
                select.select([], [], [], _LOOK_MS / 1000)
                unread = fcntl.ioctl(other, termios.FIONREAD, bytes(4))
                empty = 0 if int.from_bytes(unread, sys.byteorder) else empty + 1
                if empty == 2:
                    return
        finally:
            os.close(other)


class Tty:
    """Implements Terminal on a port of this machine, whose cable leads to a gateway."""

    is_heard = True

    def __init__(self, device: str, baud: int) -> None:
        try:
            name = device_name.parse(device)
        except ValueError as err:
            raise SimError(f"{device}: {err}") from None
        if name.is_network:
            raise SimError(f"{device}: expected a tty of this machine")
        self.path = resolve(name, Machine())
        self._port: OpenPort = _opened(self.path, baud)
        self._poll = select.poll()
        self._poll.register(self._port.fileno(), select.POLLIN)

    def read(self) -> bytes:
        return self._port.read()

    def write(self, data: bytes) -> int:
        return self._port.write(data)

    def wait(self, delay_ns: int) -> None:
        self._poll.poll(-(-delay_ns // NS_PER_MS))

    def close(self) -> None:
        self._port.close()


def _opened(path: str, baud: int) -> OpenPort:
    lock = uucp_lock.take(path)
    try:
        return TtyPort(SerialPort(path, "sim", "x", baud=baud, low_latency=False), path, lock)
    except BaseException:
        if lock is not None:
            lock.release()
        raise


def _lay(link: Path, path: str) -> None:
    """Make the symbolic link; one that leads to another pseudo-terminal is of a run before."""
    with suppress(FileNotFoundError):
        if not link.is_symlink():
            if link.exists():
                raise SimError(f"{link} is there already")
        elif not str(link.readlink()).startswith("/dev/pts/"):
            raise SimError(f"{link} leads to {link.readlink()}, which is none of ours")
        else:
            link.unlink()
    try:
        link.symlink_to(path)
    except OSError as err:
        raise SimError(f"{link}: {err.strerror or err}") from err
