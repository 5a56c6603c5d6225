"""MicroPython's unix port (and CPython): the link on stdin and stdout, or on a device path.

Knows file descriptors and terminals. What the program prints goes to the link's line as noise, so
print to stderr. Truth: firmware/README.md.
"""

import termios

from .stream import StreamHal


class PosixHal(StreamHal):
    """The link on `path`, by default on file descriptors 0 and 1."""

    def __init__(self, path: str = "") -> None:
        if path:
            line = open(path, "r+b", 0)
            _set_raw(line.fileno())
            super().__init__(line, line)
        else:
            _set_raw(0)
            super().__init__(open(0, "rb", 0), open(1, "wb", 0))


def _set_raw(fd: int) -> None:
    """Turn a terminal's echo and line editing off: they would answer and hold back frames."""
    if hasattr(termios, "setraw"):  # MicroPython
        try:
            termios.setraw(fd)
        except OSError:
            pass  # not a terminal
        return
    import tty

    try:
        tty.setraw(fd)
    except termios.error:
        pass  # not a terminal
