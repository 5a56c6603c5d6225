"""The serial lab in short; `make serial-lab` is the long form."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.serial_lab import lab


@pytest.mark.faults
def test_bad_cables_at_a_real_gateway_cost_what_they_touch(seed: int) -> None:
    report = asyncio.run(lab(3, seed))

    assert report.faults == [], str(report)
    assert report.touched > 50
    assert report.readings > 100
