"""leafnode.protocol.crc32c: the known values, in one piece and in several."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.protocol.crc32c import crc32c, masked


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),  # the check value
        (bytes(32), 0x8A9136AA),  # RFC 3720 appendix B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_the_known_values_come_out(data: bytes, crc: int) -> None:
    assert crc32c(data) == crc


@given(st.binary(max_size=200), st.integers(0, 200))
def test_it_goes_on_where_it_was(data: bytes, at: int) -> None:
    assert crc32c(data[at:], crc32c(data[:at])) == crc32c(data)


def test_frames_carry_it_masked() -> None:
    assert masked(0) == 0xA282EAD8
    assert masked(0x8000) == 0xA282EAD9
