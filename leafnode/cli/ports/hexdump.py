"""Bytes as people look at them: sixteen a line, in hexadecimal and as text.

Prints nothing. Truth: docs/serial/tools.md, "port monitor".
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from leafnode.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_WIDTH: Final = 16


def lines(data: bytes) -> Iterator[str]:
    """Yield one line for every sixteen bytes."""
    for start in range(0, len(data), _WIDTH):
        row = data[start : start + _WIDTH]
        halves = (row[:8].hex(" "), row[8:].hex(" "))
        yield f"{'  '.join(halves):48}  {as_text(row)}"


def as_text(data: bytes) -> str:
    """Return printable ASCII, and a dot for everything else."""
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


def moment(wall_ns: int, zone: tzinfo | None = None) -> str:
    """Return the time of day with milliseconds; local time where no zone is given."""
    seconds, rest = divmod(wall_ns, NS_PER_S)
    time = datetime.fromtimestamp(seconds, tz=zone).astimezone(zone)
    return f"{time:%H:%M:%S}.{rest // NS_PER_MS:03}"
