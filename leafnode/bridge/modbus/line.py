"""How long bytes take on the line of a bus, and how long it must be silent between frames.

Knows speeds and characters; not requests. Truth: "MODBUS over Serial Line" V1.02, section 2.5.1.1:
3.5 characters, and 1.75 ms above 19,200 baud. Milliseconds are rounded up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.bridge.char_time import char_ns
from leafnode.clock import NS_PER_MS

if TYPE_CHECKING:
    from leafnode.config.serial_options import SerialPort

_GAP_CHARS_TENTHS: Final = 35
_GAP_FAST_NS: Final = 1_750_000
_FAST_BAUD: Final = 19_200


class Line:
    """The times of one port."""

    def __init__(self, port: SerialPort) -> None:
        assert port.modbus is not None, "a bus has its block"
        self._char_ns = char_ns(port)
        gap_ns = port.modbus.gap_ns or max(
            _GAP_FAST_NS if port.baud > _FAST_BAUD else 0, _GAP_CHARS_TENTHS * self._char_ns // 10
        )
        # One more, since a time in milliseconds may be almost one too early.
        self.gap_ms = _ms(gap_ns) + 1

    def bytes_ms(self, count: int) -> int:
        """Return how long so many bytes take."""
        return _ms(count * self._char_ns)


def _ms(duration_ns: int) -> int:
    return max(1, -(-duration_ns // NS_PER_MS))
