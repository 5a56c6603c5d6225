"""How long a character takes on the wire of a port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort


def char_ns(port: SerialPort) -> int:
    """Return the time of a start bit, the data, the parity and the stop bits, rounded up."""
    bits = 1 + port.data_bits + (port.parity != "none") + port.stop_bits
    return -(-bits * NS_PER_S // port.baud)
