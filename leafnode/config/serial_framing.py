"""`framing` of a serial port: for each type a table of its keys, and the rules among them.

Knows framings by their options; not how they find frames. Truth: docs/serial/framing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.config import convert, serial_bounds
from leafnode.config.octets import octets
from leafnode.config.place import Row
from leafnode.config.serial_stage_options import FramingOptions
from leafnode.config.variant import TYPE, variant

if TYPE_CHECKING:
    from leafnode.config.place import Given, Place

MAX_FRAME: Final = convert.number(1, limits.MIB, "a size")
_MARK: Final = octets(serial_bounds.FRAME_MARK_BYTES_MAX)
_CHARS_MAX: Final = 1000


def framing(place: Place) -> FramingOptions:
    given = variant(place, TABLES)
    values = given.values
    _check_marks(given)
    if values[TYPE] == "fixed":
        given.need("length", "length, the size of a frame with its marks")
    if values[TYPE] == "length":
        values.setdefault("length_at", len(values.get("start", b"")))
    if values[TYPE] == "start_end":
        given.need("start", "start, the bytes that every frame begins with")
        given.need("end", "end, the bytes that every frame ends with")
    if "poll" in values:
        given.need("poll_every_ns", "poll_every beside poll")
    elif "poll_every_ns" in values:
        raise given.places["poll_every_ns"].error("expected poll, the bytes to send, beside it")
    if values[TYPE] == "vedirect":
        values["after_end"] = 1  # the byte that its sum stands in
    given.exclude("gap_ns", "gap_chars", "expected either gap or chars")
    _check_sizes(given)
    return FramingOptions(**values)


def _check_marks(given: Given) -> None:
    start, end = given.values.get("start", b""), given.values.get("end", b"")
    if start and end and given.values[TYPE] == "start_end" and (start in end or end in start):
        raise given.places["end"].error("expected an end mark that differs from the start mark")


def _check_sizes(given: Given) -> None:
    """A frame holds its marks and one byte more, and is no larger than max_frame."""
    values = given.values
    marks = len(values.get("start", b"")) + len(values.get("end", b"")) + values.get("after_end", 0)
    length: int | None = values.get("length")
    if length is not None:
        if length <= marks:
            raise given.places["length"].error(f"expected more than the {marks} bytes of the marks")
        most = values.setdefault("max_frame_bytes", max(length, limits.FRAME_BYTES_MAX))
        if length > most:
            raise given.places["length"].error(f"expected at most max_frame, {most} bytes")
    if marks >= values.get("max_frame_bytes", limits.FRAME_BYTES_MAX):
        raise given.places["max_frame_bytes"].error(f"expected more than {marks}, for the marks")


def _characters(place: Place) -> float:
    value = place.node.value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise place.expected("a number of characters, like 3.5")
    if not 1 <= value <= _CHARS_MAX:
        raise place.expected(f"1 to {_CHARS_MAX} characters")
    return float(value)


def _length_size(place: Place) -> int:
    value = place.node.value
    if value not in {1, 2, 4} or isinstance(value, bool):
        raise place.expected("1, 2 or 4 bytes")
    return convert.number(1, 4, "bytes")(place)


def _is_big(place: Place) -> bool:
    return convert.one_of("big", "little")(place) == "big"


_MAX_FRAME: Final = Row(("max_frame", "max_frame_bytes"), "max_frame_bytes", MAX_FRAME)
_COMMON: Final = (
    _MAX_FRAME,
    Row(("poll",), "poll", octets(serial_bounds.POLL_BYTES_MAX)),
    Row(("poll_every",), "poll_every_ns", convert.duration),
)
_KEEP_FIRST: Final = Row(("keep_first",), "keep_first", convert.boolean)
_STRIP: Final = Row(("strip",), "strip", convert.boolean)
_START: Final = Row(("start",), "start", _MARK)
_END: Final = Row(("end",), "end", _MARK)
_AFTER_END: Final = Row(
    ("after_end",), "after_end", convert.number(0, serial_bounds.FRAME_MARK_BYTES_MAX, "bytes")
)
_SIZE: Final = convert.number(1, limits.MIB, "a size")
_OFFSET: Final = convert.number(0, 255, "an offset")
_ADD: Final = convert.number(-limits.MIB, limits.MIB, "bytes")

TABLES: Final[dict[str, tuple[Row, ...]]] = {
    "line": (*_COMMON, _KEEP_FIRST),
    "cobs": (*_COMMON, _KEEP_FIRST),
    "slip": (*_COMMON, _KEEP_FIRST),
    "hdlc": (*_COMMON, _KEEP_FIRST),
    "fixed": (*_COMMON, _START, _END, _STRIP, Row(("length",), "length", _SIZE)),
    "length": (
        *_COMMON,
        _START,
        _END,
        _STRIP,
        Row(("length_at",), "length_at", _OFFSET),
        Row(("length_bytes",), "length_bytes", _length_size),
        Row(("length_order",), "length_big", _is_big),
        Row(("length_add",), "length_add", _ADD),
        Row(("length_min",), "length_min", _SIZE),
    ),
    "start_end": (*_COMMON, _START, _END, _AFTER_END, _STRIP),
    "stx_etx": (
        *_COMMON,
        _AFTER_END,
        _STRIP,
        Row(("escape",), "escape", convert.one_of("escape", "double")),
    ),
    "idle": (
        *_COMMON,
        _KEEP_FIRST,
        Row(("gap",), "gap_ns", convert.duration),
        Row(("chars",), "gap_chars", _characters),
    ),
    "raw": (*_COMMON, Row(("every",), "every_ns", convert.duration)),
    "vedirect": (*_COMMON, _KEEP_FIRST),
    "link": (),
    "text_link": (_MAX_FRAME, _KEEP_FIRST),
}


KEEP_FIRST_TYPES: Final = frozenset(name for name, rows in TABLES.items() if _KEEP_FIRST in rows)


def is_marked(options: FramingOptions) -> bool:
    """Say whether something besides a check tells where a frame begins or ends."""
    return options.type not in {"fixed", "length"} or bool(options.start or options.end)
