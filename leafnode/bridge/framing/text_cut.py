"""Where the lines of a text board begin and end.

Knows bytes; not what a line says. What comes before the first line end is passed over, as `line`
does: the tail of `#12 pt temp 21.5` would be a reading without a number, and come again as #12. Nor
does a checksum tell a tail: that of `#12 ` is zero. Truth: docs/device-link.md, "The text dialect".
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from leafnode.bridge.framing.text_lines import Passed

_END: Final = re.compile(rb"[\r\n]")


class Tail(Enum):
    """What came before the first line end, and is passed over."""

    TAIL = auto()


TAIL: Final = Tail.TAIL


class LineCutter:
    """Bytes of one port in, lines out. With `keep_first` a line begins where the port is opened."""

    def __init__(self, *, max_line_bytes: int, keep_first: bool) -> None:
        self.noise_bytes = 0  # that were passed over
        self._max_line_bytes = max_line_bytes
        self._keep_first = keep_first
        self._buffer = bytearray()
        self._start = self._searched = 0
        self._is_tail = not keep_first  # what comes next is not the beginning of a line
        self._tail_bytes = 0
        self._long: Passed | None = None  # a line that is too long

    def opened(self) -> None:
        """What comes now may be the tail of a line whose head nobody read."""
        self._clear()
        self._is_tail = not self._keep_first

    def drop(self) -> None:
        """Forget what came; of a line that has no end yet its tail is still to come."""
        rest = self._buffer[self._start :]
        self._is_tail = not rest.endswith((b"\r", b"\n")) if rest else self._is_amid
        self._clear()

    @property
    def _is_amid(self) -> bool:
        return self._is_tail or self._long is not None

    def _clear(self) -> None:
        self._tail_bytes = 0
        self._buffer.clear()
        self._start = self._searched = 0
        self._long = None

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_line(self) -> bytes | Tail | Passed | None:
        """Return the next line without its end, b"" where there is nothing in one; None: none has
        an end yet. Of a line that is too long what is kept of it: at once, since it may have no
        end, and once more when it has, `is_whole` then.
        """
        end = _END.search(self._buffer, self._searched)
        if end is None:
            return self._rest()
        size = end.start() - self._start
        if self._is_tail:
            self._is_tail = False
            self._pass_over_tail(end.start())
            self._start = self._searched = end.end()
            return TAIL if self._tail_bytes else b""
        if self._long is None and size <= self._max_line_bytes:
            line = bytes(self._buffer[self._start : end.start()])
            self._start = self._searched = end.end()
            return line
        if self._long is None:
            self._searched = end.start()
            self._long = Passed()
            return self._long
        whole, self._long = self._long, None
        self._pass_over(whole, end.start())
        self._start = self._searched = end.end()
        whole.is_whole = True
        return whole

    def _rest(self) -> Passed | None:
        """Keep the line that has no end yet, unless it is too long or to be passed over."""
        is_news = False
        if self._is_tail:
            self._pass_over_tail(len(self._buffer))
        elif self._long is not None or len(self._buffer) - self._start > self._max_line_bytes:
            is_news = self._long is None
            self._long = self._long or Passed()
            self._pass_over(self._long, len(self._buffer))
        del self._buffer[: self._start]
        self._start, self._searched = 0, len(self._buffer)
        return self._long if is_news else None

    def _pass_over_tail(self, end: int) -> None:
        self._tail_bytes += end - self._start
        self.noise_bytes += end - self._start
        self._start = end

    def _pass_over(self, long: Passed, end: int) -> None:
        long.take(bytes(self._buffer[self._start : end]))
        self.noise_bytes += end - self._start
        self._start = end
