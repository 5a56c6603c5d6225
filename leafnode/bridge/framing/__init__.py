"""Framings: where a reading starts and ends on the wire, and what the device hears back.

To add one: a class that implements Framing, a row in FRAMINGS, a test, a line in docs/serial.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.bridge.framing.line import LineFraming
from leafnode.bridge.framing.link import LinkFraming

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.reading import Framing
    from leafnode.config.serial_options import SerialPort

if TYPE_CHECKING:
    # Besides the options: a msg_id prefix that is unique for the port and this start of the
    # gateway, and the time of day in milliseconds.
    Make = Callable[[SerialPort, bytes, Callable[[], int]], Framing]

FRAMINGS: Final[dict[str, Make]] = {
    "line": lambda options, msg_id_prefix, _: LineFraming(
        max_frame_bytes=options.max_frame_bytes,
        keep_first=options.keep_first,
        msg_id_prefix=msg_id_prefix,
    ),
    "link": lambda _, __, wall_ms: LinkFraming(wall_ms=wall_ms),
}
