"""Times, durations and JSON as nats-server's monitoring writes them.

Pure. Truth: nats-server 2.15.1 server/monitor.go myUptime; Go's encoding/json, which escapes <, >
and &.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.clock import NS_PER_S
from leafnode.monitor.steps import finish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.monitor.steps import Steps

_ENCODER: Final = msgspec.json.Encoder()
_ITEMS_PER_TURN: Final = 256
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY


def uptime(ns: int) -> str:
    """Return `1y2d3h4m5s`, without the parts that are too large to be needed."""
    left = max(0, ns) // NS_PER_S
    parts: list[str] = []
    for letter, size in (("y", _YEAR), ("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{letter}")
    return "".join(parts) + f"{left}s"


def pretty_steps(answer: Mapping[str, object], indent: int = 2) -> Steps[bytes]:
    """Return JSON with `indent` spaces of indentation, made in slices: a long list takes several.

    Only lists right below the answer are cut, which are all that grow with what is connected.
    """
    pieces = []
    for key, value in answer.items():
        name = _ENCODER.encode(key) + b": "
        if isinstance(value, list) and len(value) > _ITEMS_PER_TURN:
            text = yield from _long_list(value, indent)
        else:
            text = _formatted(value, indent, 1)
        pieces.append(name + text)
    if not pieces:
        return b"{}"
    inner = b"\n" + b" " * indent
    return b"{" + inner + (b"," + inner).join(pieces) + b"\n}"


def _long_list(items: list[object], indent: int) -> Steps[bytes]:
    outer = b"\n" + b" " * indent
    pieces = []
    for start in range(0, len(items), _ITEMS_PER_TURN):
        some = items[start : start + _ITEMS_PER_TURN]
        # What stands between the brackets of a list by itself, one level deeper.
        pieces.append(_formatted(some, indent, 1)[1 : -len(outer) - 1])
        yield
    return b"[" + b",".join(pieces) + outer + b"]"


def _formatted(value: object, indent: int, depth: int) -> bytes:
    text = _escaped(msgspec.json.format(_ENCODER.encode(value), indent=indent))
    return text.replace(b"\n", b"\n" + b" " * (indent * depth))


def pretty(answer: Mapping[str, object]) -> bytes:
    """Return JSON with two spaces of indentation, made at once."""
    return finish(pretty_steps(answer))


def compact(answer: Mapping[str, object]) -> bytes:
    return _escaped(_ENCODER.encode(answer))


def _escaped(data: bytes) -> bytes:
    # Outside of strings JSON has none of these, so that a subject cannot become markup anywhere.
    for plain, escaped in ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026")):
        data = data.replace(plain, escaped)
    return data


def shown(subject: bytes) -> str:
    """Return wire bytes as text; what is no UTF-8 is replaced."""
    return subject.decode("utf-8", "replace")
