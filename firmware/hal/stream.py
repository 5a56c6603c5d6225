"""Byte streams that block: read and write one byte whenever poll says that it will not.

For MicroPython's unix port, which cannot set O_NONBLOCK, and for USB serial shared with the REPL.
Knows streams and select.poll; not what they are. Truth: poll(2): one byte can be written when
POLLOUT is set; of more, a terminal may block.
"""

import select

from .boot_id import random_boot_id
from .clock import sleep_ms, ticks_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_READ_BYTES_MAX = 256  # per poll: a babbling line does not keep the node from measuring
# At its end a pipe says POLLHUP alone, as does a terminal whose other side nobody has open.
_READ_EVENTS = select.POLLIN | select.POLLHUP
_DOWN_WAIT_MS = 20  # poll returns at once on a line that hung up; wait by the clock instead


class StreamHal:
    """A HAL over a readable and a writable stream (which may be the same)."""

    def __init__(self, reader: "Any", writer: "Any") -> None:
        self.closed = False  # the other end of a pipe went away
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray(_READ_BYTES_MAX)
        self._byte = bytearray(1)
        self._readable = select.poll()
        self._readable.register(reader, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(writer, select.POLLOUT)

    def ticks_ms(self) -> int:
        return ticks_ms()

    def boot_id(self) -> int:
        return random_boot_id()

    def read(self) -> bytes:
        size = 0
        try:
            while size < _READ_BYTES_MAX and _is_ready(self._readable, _READ_EVENTS):
                if not self._reader.readinto(self._byte):
                    self.closed = True  # end of file; a terminal that hung up raises EIO instead
                    break
                self._buffer[size] = self._byte[0]
                size += 1
                if self._ends_program(self._byte[0]):
                    raise KeyboardInterrupt  # what follows is for the REPL: it is not read here
        except OSError:
            pass  # nobody has the other side of the terminal open: the link's timers notice
        if not size:
            self._quiet()
        return bytes(memoryview(self._buffer)[:size])

    def _ends_program(self, _byte: int) -> bool:
        return False

    def _quiet(self) -> None:
        """Nothing had come until now."""

    def write(self, data: memoryview) -> int:
        size = 0
        try:
            while size < len(data) and _is_ready(self._writable, select.POLLOUT):
                self._writer.write(data[size : size + 1])
                size += 1
        except OSError:
            pass  # as in read; what was not taken is offered again
        return size

    def wait(self, timeout_ms: int) -> None:
        if timeout_ms <= 0:
            return
        was_quiet = not self._readable.poll(0)
        ready = self._readable.poll(timeout_ms)
        if was_quiet:  # what came has come just now
            self._quiet()
        if ready and not ready[0][1] & select.POLLIN:
            sleep_ms(min(timeout_ms, _DOWN_WAIT_MS))


def _is_ready(poller: "select.poll", events: int) -> bool:
    ready = poller.poll(0)
    return len(ready) > 0 and ready[0][1] & events != 0
