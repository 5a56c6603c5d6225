"""Times on the line: 3.5 characters of silence, 1.75 ms for fast lines, in whole milliseconds."""

from __future__ import annotations

import pytest

from leafnode.bridge.modbus.line import Line
from tests.unit.bridge.modbus.bus import port, slave

SLAVES = f"slaves [ {slave('m', 1, '{ name: a, address: 0 }')} ]"


@pytest.mark.parametrize(
    ("more", "gap_ms", "byte_ms"),
    [
        ("baud: 1200, parity: even", 34, 10),  # 11 bits of 0.83 ms
        ("baud: 9600", 5, 2),
        ("baud: 9600, parity: even", 6, 2),
        ("baud: 19200, parity: even", 4, 1),
        ("baud: 38400", 3, 1),
        ("baud: 115200", 3, 1),
    ],
)
def test_the_silence_between_frames(more: str, gap_ms: int, byte_ms: int) -> None:
    line = Line(port(SLAVES, more))

    assert (line.gap_ms, line.bytes_ms(1)) == (gap_ms, byte_ms)


def test_a_device_may_need_more() -> None:
    assert Line(port("gap: 50ms, " + SLAVES)).gap_ms == 51


def test_many_bytes_take_long_on_a_slow_line() -> None:
    assert Line(port(SLAVES, "baud: 1200, parity: even")).bytes_ms(255) == 2338
