"""ASCII lines: CR, LF or CRLF ends a reading; a line without an end is bounded.

Knows bytes, not what they mean, and no port. Truth: docs/serial.md, "Lines".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.reading import FrameCounts, Reading

if TYPE_CHECKING:
    from leafnode.bridge.reading import Receipt

# Either character ends a line and an empty line is nothing, so CRLF needs no rule of its own.
_END: Final = re.compile(rb"[\r\n]")


class LineFraming:
    """Implements Framing. A sensor that speaks in lines hears nothing back.

    `msg_id_prefix` is unique for this start of the gateway: with the count behind it, a reading
    that is published twice carries the same id twice.
    """

    def __init__(self, *, max_frame_bytes: int, keep_first: bool, msg_id_prefix: bytes) -> None:
        self._bytes_in = 0
        self._frames = 0
        self._overlong = 0
        self._max_frame_bytes = max_frame_bytes
        self._keep_first = keep_first
        self._msg_id_prefix = msg_id_prefix
        self._buffer = bytearray()
        self._start = 0
        self._searched = 0
        self._skipping = not keep_first

    def opened(self, now_ms: int) -> None:  # noqa: ARG002 -- lines have no time
        self._buffer.clear()
        self._start = 0
        self._searched = 0
        # What comes before the first end may be the tail of a line whose head nobody read: as a
        # number it would be a wrong measurement.
        self._skipping = not self._keep_first

    def receive(self, data: bytes, now_ms: int) -> None:  # noqa: ARG002
        self._bytes_in += len(data)
        self._buffer += data

    def next_event(self) -> Reading | None:
        while True:
            end = _END.search(self._buffer, self._searched)
            if end is None:
                self._keep_rest()
                return None
            line = bytes(self._buffer[self._start : end.start()])
            self._start = self._searched = end.end()
            if self._skipping:
                self._skipping = False
            elif len(line) > self._max_frame_bytes:
                self._overlong += 1
            elif line:
                self._frames += 1
                return Reading(b"%b.%d" % (self._msg_id_prefix, self._frames), line)

    def committed(self, receipt: Receipt) -> None:  # noqa: ARG002
        raise AssertionError("a line has no receipt")

    def data_to_send(self, now_ms: int) -> bytes:  # noqa: ARG002
        return b""

    def next_timeout_ms(self, now_ms: int) -> int | None:  # noqa: ARG002
        return None

    def counts(self) -> FrameCounts:
        return FrameCounts(self._bytes_in, self._frames, overlong=self._overlong)

    def _keep_rest(self) -> None:
        """Keep the line that has no end yet, unless it is too long or to be passed over."""
        del self._buffer[: self._start]
        self._start = 0
        if len(self._buffer) > self._max_frame_bytes and not self._skipping:
            self._overlong += 1
            self._skipping = True
        if self._skipping:
            self._buffer.clear()
        self._searched = len(self._buffer)
