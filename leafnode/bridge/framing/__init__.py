"""Framings: where a reading starts and ends on the wire, and what the device hears back.

To add one: a class that implements Framing, or Splitter where bytes alone bound a frame; a row in
FRAMINGS or SPLITTERS; a test; a section in docs/serial/framing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.bridge.checks import new_check
from leafnode.bridge.framing import delimited
from leafnode.bridge.framing.link import LinkFraming
from leafnode.bridge.framing.marked import SizedSplitter, StartEndSplitter
from leafnode.bridge.framing.split import SplitFraming
from leafnode.bridge.framing.stuffed import StuffedSplitter
from leafnode.bridge.framing.text_link import TextLinkFraming
from leafnode.bridge.framing.timed import IdleFraming, RawFraming
from leafnode.bridge.modbus.master import ModbusFraming

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.bridge.framing.split import Splitter
    from leafnode.bridge.reading import Framing
    from leafnode.config.serial_options import SerialPort
    from leafnode.config.serial_stage_options import FramingOptions

if TYPE_CHECKING:
    # Besides the options: a msg_id prefix that no other framing has, and the time of day in
    # milliseconds.
    Make = Callable[[SerialPort, bytes, Callable[[], int]], Framing]

SPLITTERS: Final[dict[str, Callable[[FramingOptions], Splitter]]] = {
    "line": delimited.line_splitter,
    "cobs": delimited.cobs_splitter,
    "slip": delimited.slip_splitter,
    "hdlc": delimited.hdlc_splitter,
    "vedirect": delimited.vedirect_splitter,
    "fixed": SizedSplitter,
    "length": SizedSplitter,
    "start_end": StartEndSplitter,
    "stx_etx": StuffedSplitter,
}
FRAMINGS: Final[dict[str, Make]] = {
    "idle": lambda port, msg_id_prefix, _: IdleFraming(
        port.framing,
        new_check(port.check),
        msg_id_prefix,
        baud=port.baud,
    ),
    "raw": lambda port, msg_id_prefix, _: RawFraming(
        port.framing, new_check(port.check), msg_id_prefix
    ),
    "link": lambda port, _, wall_ms: LinkFraming(
        wall_ms=wall_ms, gathers=port.mapping.every_ns > 0
    ),
    "text_link": lambda port, msg_id_prefix, _: TextLinkFraming(
        name=port.name,
        msg_id_prefix=msg_id_prefix,
        max_frame_bytes=port.framing.max_frame_bytes,
        keep_first=port.framing.keep_first,
        gathers=port.mapping.every_ns > 0,
    ),
}


def new_framing(port: SerialPort, msg_id_prefix: bytes, wall_ms: Callable[[], int]) -> Framing:
    """Return the framing of a port, with its check."""
    if port.modbus is not None:
        return ModbusFraming(port, msg_id_prefix)
    kind = port.framing.type
    if kind in SPLITTERS:
        splitter = SPLITTERS[kind](port.framing)
        return SplitFraming(splitter, port.framing, new_check(port.check), msg_id_prefix)
    return FRAMINGS[kind](port, msg_id_prefix, wall_ms)
