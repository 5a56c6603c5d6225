"""Counters start at zero and both ends share those of the line."""

from leafnode.link.counters import DeviceCounters
from leafnode.link.gateway_counters import GatewayCounters

LINE = ("frames", "bad_frames", "noise_bytes", "unknown_frames", "echoes")


def test_counters_of_both_ends_start_at_zero_and_hold_those_of_the_line():
    for counters, own in ((DeviceCounters(), "dropped"), (GatewayCounters(), "missing")):
        for name in LINE:
            assert getattr(counters, name) == 0
        assert getattr(counters, own) == 0
