"""How long a character takes."""

from __future__ import annotations

import pytest

from leafnode.bridge.char_time import char_ns
from tests.unit.config.test_serial_framing import port


@pytest.mark.parametrize(
    ("line", "expected_ns"),
    [
        ("baud: 2400", 4_166_667),
        ("baud: 1000, data_bits: 7, parity: even, stop_bits: 2", 11_000_000),
    ],
)
def test_a_character_is_all_its_bits(line: str, expected_ns: int) -> None:
    assert char_ns(port(line)) == expected_ns
