"""STX … ETX with DLE: what looks like a mark in the content has a DLE before it.

Knows bytes, not what they mean, and no port. Two ways are in use, and `escape` says which:
`escape`: STX content ETX, a DLE before every STX, ETX and DLE of the content;
`double`: DLE STX content DLE ETX, every DLE of the content twice (DF1, BSC).
Truth: docs/serial/framing.md; ISO 1745; Allen-Bradley 1770-6.5.16, chapter 2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.framing.escapes import Escape
from leafnode.bridge.framing.split import Found
from leafnode.bridge.port_bounds import FRAME_SEARCH_STEPS

if TYPE_CHECKING:
    from leafnode.bridge.checks.calculation import Steps
    from leafnode.config.serial_stage_options import FramingOptions

_STX: Final = 0x02
_ETX: Final = 0x03
_DLE: Final = 0x10
_HALF: Final = b"\x10"
# A DLE with what follows it is one token, so that no second byte is taken for a mark.
_TOKEN: Final = re.compile(rb"[\x02\x03]|\x10(?:.|\Z)", re.DOTALL)
_PAIR: Final = re.compile(rb"\x10.|\x10\Z", re.DOTALL)
_ESCAPE: Final = Escape(_DLE, {byte: byte for byte in range(256)})


class StuffedSplitter:
    """Implements Splitter. The frame that the check sees is STX, plain content, ETX, and the
    `after_end` bytes behind it.
    """

    def __init__(self, options: FramingOptions) -> None:
        self._double = options.escape == "double"
        self._token = _PAIR if self._double else _TOKEN
        self._after_end = options.after_end
        self._max_frame_bytes = options.max_frame_bytes
        self._max_encoded_bytes = 2 * options.max_frame_bytes + 4  # every byte escaped, two marks
        self._mark = 2 if self._double else 1
        self._inside = False
        self._searched = self._escapes = 0

    def opened(self) -> None:
        self._inside = False
        self._searched = self._escapes = 0

    def moved(self) -> None:
        self._searched = self._escapes = 0

    def find(self, buffer: bytearray, at: int) -> Found | None:
        if self._inside:
            return self._end(buffer, at)
        return self._start(buffer, at)

    def _start(self, buffer: bytearray, at: int) -> Found | None:
        position = at
        for _ in range(FRAME_SEARCH_STEPS):
            match = self._token.search(buffer, position)
            if match is None:
                return Found(len(buffer), len(buffer)) if len(buffer) > at else None
            if match[0] == _HALF:  # what it belongs to has not come yet
                return Found(match.start(), match.start()) if match.start() > at else None
            if self._kind(match) == _STX:
                self._inside = True
                return Found(match.start(), match.start())
            position = match.end()
        return Found(position, position, unfinished=True)

    def _end(self, buffer: bytearray, at: int) -> Found | None:
        position = at + max(self._searched, self._mark)
        limit = at + self._max_encoded_bytes
        for _ in range(FRAME_SEARCH_STEPS):
            match = self._token.search(buffer, position, limit)
            if match is None or match[0] == _HALF:
                if len(buffer) >= limit:
                    return self._overlong(at)
                end = min(limit, len(buffer)) if match is None else match.start()
                self._searched = end - at
                return None
            kind = self._kind(match)
            if kind == _ETX:
                return self._whole(buffer, at, match)
            if kind == _STX:
                return Found(match.start(), match.start())  # the one before it was cut short
            if self._double and kind != _DLE:
                self._inside = False
                return Found(at, match.end(), malformed=True)
            self._escapes += 1
            position = match.end()
        self._searched = position - at
        return Found(at, at, unfinished=True)

    def _whole(self, buffer: bytearray, at: int, end: re.Match[bytes]) -> Found | None:
        behind = end.end() + self._after_end
        if len(buffer) < behind:
            self._searched = end.start() - at
            return None
        size = end.start() - at - self._mark - self._escapes + 2 + self._after_end
        if size > self._max_frame_bytes:
            return self._overlong(at)
        self._inside = False
        found = bytes(buffer[at:behind])
        retry = at + self._mark
        return Found(at, behind, found, 1, 1 + self._after_end, retry=retry, decode=self._plain)

    def _plain(self, found: bytes) -> Steps[bytes | None]:
        end = len(found) - self._after_end
        content = yield from _ESCAPE.removed(found[self._mark : end - self._mark])
        return None if content is None else b"\x02%b\x03%b" % (content, found[end:])

    def _overlong(self, at: int) -> Found:
        self._inside = False
        return Found(at, at + self._mark, overlong=True)

    def _kind(self, token: re.Match[bytes]) -> int:
        """Return the mark that a token is, DLE for a doubled one, or 0 for escaped content."""
        text = token[0]
        if not self._double:
            return text[0] if len(text) == 1 else 0
        return text[1]
