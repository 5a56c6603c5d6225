"""Times, durations and JSON as nats-server's monitoring writes them.

Pure. Truth: nats-server 2.15.1 server/monitor.go myUptime; Go's encoding/json, which escapes <, >
and &.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.clock import NS_PER_S
from leafnode.go_json import escaped
from leafnode.slices import finish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.monitor.steps import Steps

_ENCODER: Final = msgspec.json.Encoder()
_ITEMS_PER_PIECE: Final = 64
_BYTES_PER_TURN: Final = 64 * 1024  # 2 ms of writing on a PC
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY
_UNITS_S: Final = {"y": _YEAR, "d": _DAY, "h": _HOUR, "m": _MINUTE, "s": 1}


def uptime(ns: int) -> str:
    """Return `1y2d3h4m5s`, without the parts that are too large to be needed."""
    left = max(0, ns) // NS_PER_S
    parts: list[str] = []
    for letter, size in (("y", _YEAR), ("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{letter}")
    return "".join(parts) + f"{left}s"


def uptime_ns(text: str) -> int:
    """Return what `uptime` said, to the second."""
    total_s, digits = 0, ""
    for char in text:
        if char in _UNITS_S:
            total_s += int(digits) * _UNITS_S[char]
            digits = ""
        else:
            digits += char
    return total_s * NS_PER_S


def number(value: float) -> float:
    """Return it as Go writes it: a whole one without a point."""
    return int(value) if value == int(value) else value


def pretty_steps(answer: Mapping[str, object], indent: int = 2) -> Steps[list[bytes]]:
    """Return the pieces of JSON with `indent` spaces of indentation, made in slices.

    Long lists are written a few items at a time, wherever they are; putting the pieces together
    would take as long as making them. So would letting ten thousand rows go at once: the lists at
    the top of the answer are emptied as they are written.
    """
    out = _Writer(indent)
    yield from out.write(dict(answer), 0)
    out.close_piece()
    return out.pieces


class _Writer:
    """Writes one answer, and lets others have their turn when it has written enough."""

    def __init__(self, indent: int) -> None:
        self.pieces: list[bytes] = []
        self._indent = indent
        self._open: list[bytes] = []  # parts of the next piece
        self._open_bytes = 0

    def close_piece(self) -> None:
        self.pieces.append(b"".join(self._open))
        self._open.clear()
        self._open_bytes = 0

    def write(self, value: object, depth: int) -> Steps[None]:
        if isinstance(value, dict) and _is_long(value):
            yield from self._object(value, depth)
        elif isinstance(value, list) and _is_long(value):
            yield from self._list(value, depth)
        else:
            self._add(self._formatted(value, depth))

    def _object(self, value: dict[str, object], depth: int) -> Steps[None]:
        before = b"{"
        for key, item in value.items():
            self._add(before + self._line(depth + 1) + _ENCODER.encode(key) + b": ")
            yield from self.write(item, depth + 1)
            before = b","
        self._add(self._line(depth) + b"}")

    def _list(self, items: list[object], depth: int) -> Steps[None]:
        before, last = b"[", self._line(depth)
        for start in range(0, len(items), _ITEMS_PER_PIECE):
            run = items[start : start + _ITEMS_PER_PIECE]
            if depth == 1:
                items[start : start + _ITEMS_PER_PIECE] = [None] * len(run)
            if any(map(_is_long, run)):
                for item in run:
                    self._add(before + self._line(depth + 1))
                    yield from self.write(item, depth + 1)
                    before = b","
            else:
                # What stands between the brackets of a list by itself.
                self._add(before + self._formatted(run, depth)[1 : -len(last) - 1])
                before = b","
            if self._open_bytes > _BYTES_PER_TURN:
                self.close_piece()
                yield
        self._add(last + b"]")

    def _line(self, depth: int) -> bytes:
        return b"\n" + b" " * (self._indent * depth)

    def _formatted(self, value: object, depth: int) -> bytes:
        text = escaped(msgspec.json.format(_ENCODER.encode(value), indent=self._indent))
        return text.replace(b"\n", self._line(depth)) if depth else text

    def _add(self, part: bytes) -> None:
        self._open.append(part)
        self._open_bytes += len(part)


def _is_long(value: object) -> bool:
    """Say whether it is better written piece by piece."""
    if isinstance(value, list):
        return len(value) > _ITEMS_PER_PIECE or any(_is_long(item) for item in value)
    return isinstance(value, dict) and any(
        _is_long(item) for item in value.values() if isinstance(item, list | dict)
    )


def pretty(answer: Mapping[str, object]) -> bytes:
    """Return JSON with two spaces of indentation, made at once."""
    return b"".join(finish(pretty_steps(answer)))


def shown(subject: bytes) -> str:
    """Return wire bytes as text; what is no UTF-8 is replaced."""
    return subject.decode("utf-8", "replace")
