"""Frames that begin with a mark: up to an end mark, of a fixed size, or with a length in them.

Knows bytes, not what they mean, and no port. Truth: docs/serial/framing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.bridge.framing.split import Found

if TYPE_CHECKING:
    from leafnode.config.serial_stage_options import FramingOptions


class StartEndSplitter:
    """Implements Splitter. A start mark inside a frame begins the frame anew: the one before it was
    cut short. Behind the end mark may stand bytes of any value, such as a check.
    """

    def __init__(self, options: FramingOptions) -> None:
        self._start = options.start
        self._end = options.end
        self._after_end = options.after_end
        self._tail = len(options.end) + options.after_end
        self._max_frame_bytes = options.max_frame_bytes
        self._searched = 0

    def opened(self) -> None:
        self._searched = 0

    def moved(self) -> None:
        self._searched = 0

    def find(self, buffer: bytearray, at: int) -> Found | None:
        start = buffer.find(self._start, at) if not self._searched else at
        if start < 0:
            return _noise(buffer, at, self._start)
        if start > at:
            return Found(start, start)
        # A frame that is too long ends there, so how the bytes come makes no difference.
        limit = start + self._max_frame_bytes
        searched = start + self._searched
        end = buffer.find(self._end, max(start + len(self._start), searched), limit)
        last = end
        if end < 0:
            # From there on an end may begin whose rest is yet to come; it goes before a start.
            last = min(limit, len(buffer)) - len(self._end) + 1
        again = buffer.rfind(self._start, max(start + 1, searched), last)
        if again >= 0:
            return Found(again, again)
        behind = end + self._tail
        if (end < 0 and len(buffer) >= limit) or behind > limit:
            return Found(start, start + 1, overlong=True)
        if end < 0:
            marks = len(self._start) + len(self._end)
            self._searched = max(1, len(buffer) - start - marks + 2)
            return None
        if behind > len(buffer):
            self._searched = end - start
            return None
        frame = bytes(buffer[start:behind])
        return Found(start, behind, frame, len(self._start), self._tail, retry=start + 1)


class SizedSplitter:
    """Implements Splitter for frames whose size is fixed, or stands in them.

    Without a start mark every byte may begin a frame, and the check alone says which one does.
    """

    def __init__(self, options: FramingOptions) -> None:
        self._start = options.start
        self._end = options.end
        self._max_frame_bytes = options.max_frame_bytes
        self._length = options.length
        self._field = slice(options.length_at, options.length_at + options.length_bytes)
        self._is_big = options.length_big
        self._add = options.length_add
        self._min_bytes = max(len(options.start) + len(options.end) + 1, options.length_min)
        self._needed = options.length or self._field.stop

    def opened(self) -> None:
        """Nothing is remembered."""

    def moved(self) -> None:
        """Nothing is remembered."""

    def find(self, buffer: bytearray, at: int) -> Found | None:
        start = buffer.find(self._start, at)
        if start < 0:
            return _noise(buffer, at, self._start)
        if start > at:
            return Found(start, start)
        if len(buffer) < start + self._needed:
            return None
        size = self._length or self._size(buffer, start)
        if not self._min_bytes <= size <= self._max_frame_bytes:
            return Found(start, start + 1)
        behind = start + size
        if len(buffer) < behind:
            return None
        tail = len(self._end)
        if tail and buffer[behind - tail : behind] != self._end:
            return Found(start, start + 1)
        frame = bytes(buffer[start:behind])
        return Found(start, behind, frame, len(self._start), tail, retry=start + 1)

    def _size(self, buffer: bytearray, start: int) -> int:
        field = buffer[start + self._field.start : start + self._field.stop]
        return int.from_bytes(field, "big" if self._is_big else "little") + self._add


def _noise(buffer: bytearray, at: int, mark: bytes) -> Found | None:
    """There is no mark: all is noise but what may be the beginning of one."""
    size = len(buffer)
    for keep in range(min(len(mark) - 1, size - at), 0, -1):
        if mark.startswith(buffer[size - keep :]):
            return Found(size - keep, size - keep) if size - keep > at else None
    return Found(size, size) if size > at else None
