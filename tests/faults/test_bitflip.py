"""No flipped bit is served: some here, 10,000 with `make bitflip`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.bitflip import make, try_all

if TYPE_CHECKING:
    from pathlib import Path

FLIPS = 200
SEED = 4  # fixed: what is found by chance is found with `make bitflip`


@pytest.mark.faults
def test_no_flipped_bit_is_served_or_swallowed(tmp_path: Path) -> None:
    report = try_all(make(tmp_path), FLIPS, SEED)

    assert report.faults == [], str(report)
    assert report.outcomes["refused"] > 0
    assert report.outcomes["set aside"] > 0
    assert report.outcomes["whole"] > 0
