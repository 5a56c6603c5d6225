"""No flipped bit is served: some here, 10,000 with `make bitflip`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.store.schema import FILE_NAME
from tests.faults.bitflip import PAGE, Flip, Report, make, try_all, try_one

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


@pytest.mark.faults
def test_a_page_that_leads_to_another_tables_rows_serves_none_of_them(tmp_path: Path) -> None:
    """Their checksums hold. One of these flips did so, with SQLite 3.40."""
    report = Report()
    for directory, held in make(tmp_path).items():
        for page in range(10, 20):
            for bit in range(4):
                flip = Flip(FILE_NAME, page * PAGE + 11, bit)  # the last child of an inner page
                try_one(directory, held, flip, report)

    assert report.faults == [], str(report)
    assert report.outcomes["set aside"] > 0
