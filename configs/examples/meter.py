"""Frames of a water meter: a byte 0x81, litres times ten, degrees times ten, a status."""

from __future__ import annotations

import struct

_FRAME = struct.Struct("<BIhB")


def decode(frame: bytes) -> dict[str, object] | None:
    """Return the fields of a reading; nothing of other frames. A short one raises."""
    kind, litres, degrees, status = _FRAME.unpack(frame[: _FRAME.size])
    if kind != 0x81:
        return None
    return {"litres": litres / 10, "temperature": degrees / 10, "leak": bool(status & 1)}
