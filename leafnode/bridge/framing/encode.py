"""A frame to send: the content with marks, lengths, escapes and the check of its framing.

Knows the framings that bound frames by bytes, the other way round; not what the content means.
Truth: docs/serial/framing.md; docs/serial/commands.md, "What is sent".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.link import cobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.checks import Check
    from leafnode.config.serial_stage_options import FramingOptions

_STUFFED: Final = re.compile(rb"[\x02\x03\x10]")
_HDLC: Final = re.compile(rb"[\x7d\x7e]")
_LINE_END: Final = re.compile(rb"[\r\n]")


class Unfit(Exception):  # noqa: N818 -- a condition of the content, not of the program
    """A content that no frame of this framing can hold. `text` never repeats it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Encoder:
    """Makes frames for the device of one port."""

    def __init__(self, options: FramingOptions, check: Check | None, line_end: bytes) -> None:
        self._options = options
        self._check = check
        self._line_end = line_end
        self._frame = _FRAMES.get(options.type)

    def frame(self, content: bytes) -> bytes:
        """Return what is sent. Raises Unfit."""
        options = self._options
        if self._frame is not None:
            made = self._frame(self._sealed(content), options)
        elif options.type == "line":
            if _LINE_END.search(content):
                raise Unfit("holds a line end")
            made = self._sealed(content) + self._line_end
        elif options.type in _MARKED:
            made = self._marked(content)
        else:  # a silence ends it
            made = self._sealed(content)
        if len(made) > 2 * options.max_frame_bytes + 4:
            raise Unfit("is longer than max_frame")
        return made

    def _sealed(self, content: bytes) -> bytes:
        """Return content and check."""
        if self._check is None:
            return content
        if not content:
            raise Unfit("is empty")
        frame = self._check.sealed(content + bytes(self._check.size), 0, 0)
        if self._check.verify(frame, 0, 0) < 0:
            raise Unfit("is nothing that the check can be of")
        return frame

    def _marked(self, content: bytes) -> bytes:
        options = self._options
        start, end = options.start, options.end
        if options.type == "stx_etx":
            start, end = b"\x02", b"\x03"
        room = 0 if self._check is None else self._check.size
        inside = 0 if options.after_end else room
        length = b""
        if options.type == "length":
            size = len(start) + options.length_bytes + len(content) + inside + len(end)
            order = "big" if options.length_big else "little"
            try:
                length = (size - options.length_add).to_bytes(options.length_bytes, order)  # type: ignore[arg-type]
            except OverflowError:
                raise Unfit("has a length that its field cannot hold") from None
        frame = start + length + content + bytes(inside) + end + bytes(options.after_end)
        if self._check is not None:
            head, tail = len(start), len(end) + options.after_end
            frame = self._check.sealed(frame, head, tail)
            if self._check.verify(frame, head, tail) < 0:
                raise Unfit("is nothing that the check can be of")
        if options.type == "fixed" and len(frame) != options.length:
            raise Unfit(f"makes {len(frame)} bytes where a frame has {options.length}")
        if options.type == "stx_etx":
            return _stuffed(frame, options)
        inner = frame[len(start) : len(frame) - len(end) - options.after_end]
        if options.type == "start_end" and (start in inner or end in inner):
            raise Unfit("holds a mark of the framing")
        return frame


def _stuffed(frame: bytes, options: FramingOptions) -> bytes:
    tail = 1 + options.after_end
    content, behind = frame[1:-tail], frame[len(frame) - options.after_end :]
    if options.escape == "double":
        return b"\x10\x02%b\x10\x03%b" % (content.replace(b"\x10", b"\x10\x10"), behind)
    return b"\x02%b\x03%b" % (_STUFFED.sub(lambda one: b"\x10" + one[0], content), behind)


def _cobs(content: bytes, _: FramingOptions) -> bytes:
    target = bytearray(cobs.encoded_bytes_max(len(content)))
    size = cobs.encode_into(bytearray(content), len(content), target, 0)
    return b"\0%b\0" % bytes(target[:size])


def _slip(content: bytes, _: FramingOptions) -> bytes:
    return b"\xc0%b\xc0" % content.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")


def _hdlc(content: bytes, _: FramingOptions) -> bytes:
    return b"\x7e%b\x7e" % _HDLC.sub(lambda one: bytes((0x7D, one[0][0] ^ 0x20)), content)


_FRAMES: Final[dict[str, Callable[[bytes, FramingOptions], bytes]]] = {
    "cobs": _cobs,
    "slip": _slip,
    "hdlc": _hdlc,
}
_MARKED: Final = frozenset({"start_end", "stx_etx", "fixed", "length"})
