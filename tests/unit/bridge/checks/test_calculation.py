"""Numbers over bytes, in pieces: the same as in one go, and no piece is longer than its bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.bridge.checks import SUMS
from leafnode.bridge.checks.calculation import Calculation
from leafnode.bridge.checks.crc import crc
from leafnode.bridge.port_bounds import FRAME_STEP_BYTES
from leafnode.config.crc_catalog import CATALOG
from leafnode.slices import finish

ALL = {name: calculation for name, (calculation, _) in SUMS.items()} | {
    name: crc(options) for name, (options, _) in CATALOG.items()
}


@pytest.mark.parametrize("name", ALL)
def test_in_pieces_it_is_what_it_is_in_one(name: str) -> None:
    data = bytes(range(256)) * 20 + b"tail"

    assert finish(ALL[name].steps(data)) == ALL[name](data)
    assert finish(ALL[name].steps(b"")) == ALL[name](b"")


@given(st.integers(0, 5 * FRAME_STEP_BYTES))
def test_each_piece_is_bounded_and_each_byte_is_in_one(size: int) -> None:
    pieces: list[int] = []

    def add(value: int, data: bytes) -> int:
        pieces.append(len(data))
        return value + len(data)

    steps = Calculation(0, add).steps(bytes(size))
    count = 1 + sum(1 for _ in steps)

    assert sum(pieces) == size
    assert max(pieces) <= FRAME_STEP_BYTES
    assert len(pieces) == count  # it gives way between two of them
