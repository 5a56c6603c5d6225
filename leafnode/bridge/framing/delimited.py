"""Frames with a delimiter between them that stands in no frame: lines, COBS, SLIP, HDLC, VE.Direct.

Knows bytes, not what they mean, and no port. Truth: docs/serial/framing.md; COBS: Cheshire and
Baker, 1999; SLIP: RFC 1055; HDLC: RFC 1662, section 4; VE.Direct: Victron
"VE.Direct Protocol", 3.34.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leafnode.bridge.framing.escapes import Escape
from leafnode.bridge.framing.split import Found
from leafnode.bridge.port_bounds import FRAME_SEARCH_STEPS, FRAME_STEP_BYTES
from leafnode.link import cobs

if TYPE_CHECKING:
    from leafnode.bridge.checks.calculation import Steps
    from leafnode.bridge.framing.split import Decode
    from leafnode.config.serial_stage_options import FramingOptions

# Either character ends a line and an empty line is nothing, so CRLF needs no rule of its own.
_LINE_END: Final = re.compile(rb"[\r\n]")
_SLIP_END: Final = re.compile(rb"\xc0")
_SLIP_ESCAPE: Final = Escape(0xDB, {0xDC: 0xC0, 0xDD: 0xDB})
_HDLC_FLAG: Final = re.compile(rb"\x7e")
# What its sender gave up ends in an escape, and so is wrong.
_HDLC_ESCAPE: Final = Escape(0x7D, {byte: byte ^ 0x20 for byte in range(256)})
_COBS_FULL: Final = 255  # the code of a group behind which no zero stands
_VEDIRECT_END: Final = re.compile(rb"\r\nChecksum\t.", re.DOTALL)
_VEDIRECT_HEX: Final = re.compile(rb":[0-9A-Fa-f]+\n")


class DelimiterSplitter:
    """Implements Splitter. The first piece may be the tail of a frame: it is noise, unless kept."""

    def __init__(
        self,
        end: re.Pattern[bytes],
        *,
        max_frame_bytes: int,
        keep_first: bool,
        decode: Decode | None = None,
        max_encoded_bytes: int | None = None,
        end_bytes: int = 1,
        keeps_end: bool = False,
    ) -> None:
        self._end = end
        self._end_bytes = end_bytes
        self._keeps_end = keeps_end
        self._decode = decode
        self._max_frame_bytes = max_frame_bytes
        self._max_encoded_bytes = max_encoded_bytes or max_frame_bytes
        self._keep_first = keep_first
        self._searched = 0
        self._skipping = not keep_first

    def opened(self) -> None:
        self._searched = 0
        # What comes before the first end may be the tail of a frame whose head nobody read: as a
        # number it would be a wrong measurement.
        self._skipping = not self._keep_first

    def moved(self) -> None:
        self._searched = 0

    def find(self, buffer: bytearray, at: int) -> Found | None:
        match = self._end.search(buffer, at + self._searched)
        if match is None:
            return self._unended(at, len(buffer))
        end, behind = match.span()
        if self._skipping:
            self._skipping = False
            return Found(end, behind, b"")  # noise, then an empty frame
        # Judged by the bytes that stand here before the end is known, however they come.
        whole = behind if self._keeps_end else end
        if whole - at > self._max_encoded_bytes:
            return Found(whole, whole, overlong=True)
        return self._whole(at, behind, bytes(buffer[at:whole]))

    def _unended(self, at: int, size: int) -> Found | None:
        """Keep the frame that has no end yet, unless it is too long or to be passed over."""
        overlong = not self._skipping and size - at > self._max_encoded_bytes
        if overlong:
            self._skipping = True
        searched = max(0, size - at - self._end_bytes + 1)
        if self._skipping and searched:
            return Found(at, at + searched, overlong=overlong)
        self._searched = searched
        return None

    def _whole(self, at: int, behind: int, encoded: bytes) -> Found:
        tail = self._end_bytes if self._keeps_end else 0
        if self._decode is not None:
            return Found(at, behind, encoded, 0, tail, decode=self._decode)
        if len(encoded) > self._max_frame_bytes:
            return Found(at, behind, overlong=True)
        return Found(at, behind, encoded, 0, tail)


def line_splitter(options: FramingOptions) -> DelimiterSplitter:
    return DelimiterSplitter(
        _LINE_END, max_frame_bytes=options.max_frame_bytes, keep_first=options.keep_first
    )


def cobs_splitter(options: FramingOptions) -> DelimiterSplitter:
    return DelimiterSplitter(
        re.compile(rb"\x00"),
        max_frame_bytes=options.max_frame_bytes,
        keep_first=options.keep_first,
        decode=cobs_decoded,
        max_encoded_bytes=cobs.encoded_bytes_max(options.max_frame_bytes),
    )


def slip_splitter(options: FramingOptions) -> DelimiterSplitter:
    return _escaped_splitter(_SLIP_END, _SLIP_ESCAPE.removed, options)


def hdlc_splitter(options: FramingOptions) -> DelimiterSplitter:
    return _escaped_splitter(_HDLC_FLAG, _HDLC_ESCAPE.removed, options)


def _escaped_splitter(
    end: re.Pattern[bytes], decode: Decode, options: FramingOptions
) -> DelimiterSplitter:
    """Frames in which an escaped byte takes two."""
    return DelimiterSplitter(
        end,
        max_frame_bytes=options.max_frame_bytes,
        keep_first=options.keep_first,
        decode=decode,
        max_encoded_bytes=2 * options.max_frame_bytes,
    )


def vedirect_splitter(options: FramingOptions) -> DelimiterSplitter:
    """A block of text fields up to its checksum byte, which may be any."""
    return DelimiterSplitter(
        _VEDIRECT_END,
        max_frame_bytes=options.max_frame_bytes,
        keep_first=options.keep_first,
        decode=vedirect_decoded,
        end_bytes=len(b"\r\nChecksum\t?"),
        keeps_end=True,
    )


def cobs_decoded(encoded: bytes) -> Steps[bytes | None]:
    decoded = bytearray()
    size, start = len(encoded), 0
    while start < size:
        end, code = start, 0
        for _ in range(FRAME_SEARCH_STEPS):  # whole groups, each of which says where the next is
            if end >= size or end - start >= FRAME_STEP_BYTES:
                break
            code = encoded[end]
            end += code or size + 1
        if end > size:
            return None
        piece = bytearray(encoded[start:end])
        plain = bytearray(len(piece))
        decoded += plain[: cobs.decode_into(piece, len(piece), plain)]
        if end < size:
            decoded += b"" if code == _COBS_FULL else b"\0"
            yield
        start = end
    return bytes(decoded)


def vedirect_decoded(block: bytes) -> Steps[bytes | None]:
    """Answers of the hexadecimal protocol may come between the fields and are not of the sum."""
    decoded = bytearray()
    at = 0
    while at < len(block):
        if at:
            yield
        # Such an answer ends with its line, so whole lines can be looked at by themselves.
        end = len(block) if len(block) - at <= FRAME_STEP_BYTES else 0
        end = end or block.rfind(b"\n", at, at + FRAME_STEP_BYTES) + 1
        end = end or block.find(b"\n", at + FRAME_STEP_BYTES) + 1 or len(block)
        decoded += _VEDIRECT_HEX.sub(b"", block[at:end])
        at = end
    return bytes(decoded)
