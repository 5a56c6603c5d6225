"""Times, durations and JSON as nats-server's monitoring writes them.

Pure. Truth: nats-server 2.15.1 server/monitor.go myUptime; Go's encoding/json, which escapes <, >
and &.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENCODER: Final = msgspec.json.Encoder()
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


def pretty(answer: Mapping[str, object]) -> bytes:
    """Return JSON with two spaces of indentation."""
    return _escaped(msgspec.json.format(_ENCODER.encode(answer), indent=2))


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
