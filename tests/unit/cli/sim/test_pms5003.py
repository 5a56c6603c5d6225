"""The simulated particle sensor is read by the preset pms5003."""

from __future__ import annotations

from random import Random

from leafnode.cli.sim.pms5003 import Pms5003
from tests.unit.cli.sim.read import readings


def test_its_frames_are_read_whole() -> None:
    sensor = Pms5003(Random(1))

    found = readings(sensor.entry, b"".join(sensor.say(0) for _ in range(100)))

    assert len(found) == 100
    assert all(0 < one["pm1"] <= one["pm2_5"] <= one["pm10"] <= 72 for one in found)
    assert all(one["count_0_3"] > one["count_0_5"] > one["count_1"] for one in found)
    assert sensor.answer(b"BM", 0) == b""
