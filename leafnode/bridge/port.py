"""A serial port as the bridge needs it: a descriptor that is read and written without blocking.

Knows no operating system: how a port is opened is in `transports/`. Opening and closing may block,
so both belong into a worker thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.serial_options import SerialPort


class LineErrors(NamedTuple):
    """What the driver counted since the port was opened; zeros where it counts nothing.

    `overruns`: times that bytes were lost before anybody could read them, in the chip or the
    driver. `framing_errors` and `parity_errors` are of a wrong speed or form, or of a bad line.
    """

    overruns: int = 0
    framing_errors: int = 0
    parity_errors: int = 0
    breaks: int = 0


class OpenPort(Protocol):
    """A port that is open. A read or write that finds it gone raises OSError."""

    @property
    def path(self) -> str:
        """What was opened, such as /dev/ttyUSB0: the name of now."""
        ...

    @property
    def is_low_latency(self) -> bool:
        """Whether the driver was told, and can, hand on every byte at once."""
        ...

    def describe(self) -> str:
        """Return how it was opened, as `key=value` words for the log."""
        ...

    def fileno(self) -> int: ...

    def read(self) -> bytes:
        """Return what is there, at most SERIAL_READ_BYTES; b"" when nothing is."""
        ...

    def write(self, data: bytes) -> int:
        """Take what can be taken of `data` now and return how much that was.

        Whoever calls again begins with the rest.
        """
        ...

    def write_pause_ns(self) -> int:
        """For how long a write is useless; 0: until the descriptor is writable."""
        ...

    def line_errors(self) -> LineErrors: ...

    def stop(self) -> None:
        """Do nothing by itself any more, such as moving a line when it is time. On the loop."""
        ...

    def close(self) -> None:
        """Drop what is not sent yet and let go of the port. May block."""
        ...


if TYPE_CHECKING:
    # Opens one. Blocks. Raises OSError; whatever else it raises ends this attempt, too.
    OpenSerial = Callable[[SerialPort], OpenPort]
    # Returns the path that its name leads to now. Blocks. Raises OSError: to none.
    FindPath = Callable[[SerialPort], str]


class PortGone(OSError):  # noqa: N818 -- a condition, named as people say it
    """The device was unplugged, or its other end hung up."""
