"""A gateway's counters start at zero, and count the line as a device's do."""

from leafnode.link.counters import LineCounters
from leafnode.link.gateway_counters import ChannelCounters, GatewayCounters


def test_everything_starts_at_zero():
    for counters in (GatewayCounters(), ChannelCounters()):
        assert set(vars_of(counters)) == {0}


def test_a_gateway_counts_its_line_like_every_end():
    assert isinstance(GatewayCounters(), LineCounters)


def vars_of(counters):
    return [getattr(counters, name) for name in dir(counters) if not name.startswith("_")]
