"""Frames that only time bounds: a silence between them, or what comes within an interval.

Knows bytes and milliseconds, not what they mean, and no port. What one read brings counts as come
at once: a silence within it cannot be seen. Truth: docs/serial/framing.md, "Silence".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from leafnode.bridge.framing.frames import Frames
from leafnode.bridge.framing.split import PLACE_BYTES
from leafnode.bridge.port_bounds import FRAME_STEP_BYTES
from leafnode.bridge.reading import MORE
from leafnode.clock import NS_PER_MS

if TYPE_CHECKING:
    from leafnode.bridge.checks import Check
    from leafnode.bridge.reading import More, Reading
    from leafnode.config.serial_stage_options import FramingOptions


class IdleFraming(Frames):
    """Implements Framing: a silence ends a frame, whole milliseconds of it.

    The first one after the port was opened may have begun before: it is noise, unless kept.
    """

    def __init__(
        self,
        options: FramingOptions,
        check: Check | None,
        msg_id_prefix: bytes,
        *,
        baud: int,
    ) -> None:
        self._gap_ms = max(1, -(-options.ends_ns(baud) // NS_PER_MS))
        super().__init__(options, check, msg_id_prefix, ends_ms=self._gap_ms)
        # Frames that nobody asked for yet: one of a silence before the last bytes, one behind them.
        self._ended: deque[bytes] = deque()
        self._last_ms = 0
        self._skipping = not self._keep_first

    def opened(self, now_ms: int) -> None:
        self._buffer.clear()
        self._ended.clear()
        self._skipping = not self._keep_first
        self._last_ms = now_ms
        self._begin(now_ms)

    def receive(self, data: bytes, now_ms: int) -> None:
        self._came(len(data), now_ms)
        if now_ms - self._last_ms >= self._gap_ms:
            self._end()
        if not data:
            return
        self._last_ms = now_ms
        if self._skipping:
            self._skip(len(data))
            return
        self._buffer += data
        if len(self._buffer) > self._max_frame_bytes:
            self._too_long()
            self._skip(len(self._buffer))
            self._buffer.clear()
            self._skipping = True

    def next_event(self) -> Reading | More | None:
        while self._ended or self._work is not None:
            if self._work is None:
                self._work = self._judging_whole(self._ended.popleft())
            event = self._go_on()
            if event is not None:
                return event
        return None

    def next_timeout_ms(self, now_ms: int) -> int | None:
        poll_ms = super().next_timeout_ms(now_ms)
        if not self._buffer:
            return poll_ms
        gap_ms = max(0, self._last_ms + self._gap_ms - now_ms)
        return gap_ms if poll_ms is None else min(gap_ms, poll_ms)

    def _end(self) -> None:
        self._skipping = False
        if self._buffer:
            self._ended.append(bytes(self._buffer))
            assert len(self._ended) <= 2, "no bytes are read while frames wait"
            self._buffer.clear()


class RawFraming(Frames):
    """Implements Framing: what came since the first byte, after `every_ms` or at the most bytes."""

    def __init__(
        self,
        options: FramingOptions,
        check: Check | None,
        msg_id_prefix: bytes,
    ) -> None:
        self._every_ms = max(1, options.every_ns // NS_PER_MS)
        super().__init__(options, check, msg_id_prefix, ends_ms=self._every_ms)
        self._due_ms = 0
        self._is_due = False

    def opened(self, now_ms: int) -> None:
        self._buffer.clear()
        self._is_due = False
        self._begin(now_ms)

    def receive(self, data: bytes, now_ms: int) -> None:
        self._came(len(data), now_ms)
        if self._buffer and now_ms >= self._due_ms:
            self._is_due = True
        if data and not self._buffer:
            self._due_ms = now_ms + self._every_ms
        self._buffer += data

    def next_event(self) -> Reading | More | None:
        left = FRAME_STEP_BYTES
        while left > 0:
            if self._work is None:
                is_full = len(self._buffer) >= self._max_frame_bytes
                if not is_full and not (self._is_due and self._buffer):
                    self._is_due = False
                    return None
                chunk = bytes(self._buffer[: self._max_frame_bytes])
                del self._buffer[: self._max_frame_bytes]
                left -= PLACE_BYTES + len(chunk)
                self._work = self._judging_whole(chunk)
            event = self._go_on()
            if event is not None:
                return event
        return MORE

    def next_timeout_ms(self, now_ms: int) -> int | None:
        poll_ms = super().next_timeout_ms(now_ms)
        if not self._buffer or self._is_due:  # what is due waits to be asked for, not for time
            return poll_ms
        due_ms = max(0, self._due_ms - now_ms)
        return due_ms if poll_ms is None else min(due_ms, poll_ms)
