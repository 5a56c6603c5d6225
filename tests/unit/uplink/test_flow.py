"""The window in bytes follows the time that acknowledgements take."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink.flow import Flow

LEAST = limits.UPLINK_FLOW_BYTES_MIN


def slow_link(flow: Flow, *, bytes_per_s: int, rtt_ns: int, size: int, messages: int) -> int:
    """Send as much as the flow allows over such a link; return the longest queue in ns."""
    now_ns, free_ns, longest_ns, sent = 0, 0, 0, 0
    # When its ack comes, when it was sent, what was on the way with it.
    on_the_way: list[tuple[int, int, int]] = []
    while sent < messages:
        while sent < messages and (not on_the_way or (len(on_the_way) + 1) * size <= flow.limit):
            free_ns = max(free_ns, now_ns) + size * NS_PER_S // bytes_per_s
            longest_ns = max(longest_ns, free_ns - now_ns)
            on_the_way.append((free_ns + rtt_ns, now_ns, (len(on_the_way) + 1) * size))
            sent += 1
        now_ns, sent_ns, ahead_bytes = on_the_way.pop(0)
        flow.acked(sent_ns, now_ns, size, ahead_bytes)
    return longest_ns


def test_a_quick_link_opens_the_window_to_its_bound_within_some_round_trips() -> None:
    flow = Flow(256 * 1024)
    assert flow.limit == LEAST

    slow_link(flow, bytes_per_s=10**7, rtt_ns=20 * NS_PER_MS, size=1000, messages=600)

    assert flow.limit == 256 * 1024


def test_on_40_kbit_a_second_no_more_than_three_seconds_are_queued() -> None:
    # The leaf link's PING waits two minutes for its PONG: it never starves behind this.
    longest_ns = slow_link(
        Flow(256 * 1024), bytes_per_s=5000, rtt_ns=300 * NS_PER_MS, size=200, messages=10_000
    )

    assert longest_ns < 3 * NS_PER_S


def test_the_way_to_a_satellite_is_no_queue() -> None:
    flow = Flow(256 * 1024)

    slow_link(flow, bytes_per_s=10**6, rtt_ns=1500 * NS_PER_MS, size=1000, messages=2000)

    assert flow.limit == 256 * 1024


def test_the_window_never_closes_and_a_new_link_begins_small() -> None:
    flow = Flow(64 * 1024)
    flow.acked(0, 1, 60_000, 60_000)
    flow.acked(0, 1, 100, 100)
    for number in range(1, 50):
        flow.acked(number * 100 * NS_PER_S, number * 100 * NS_PER_S + 50 * NS_PER_S, 100, 100)

    assert flow.limit == LEAST
    flow.acked(10**15, 10**15 + 1, 60_000, 60_000)
    flow.begin()
    assert flow.limit == LEAST


def test_a_bound_below_the_least_is_kept() -> None:
    flow = Flow(100)
    flow.acked(0, 1, 1000, 1000)

    assert flow.limit == 100


@pytest.mark.parametrize("size", [20_000, 60_000, 200_000])
def test_what_long_messages_take_on_a_slow_link_is_no_round_trip(size: int) -> None:
    # Taken for one, nothing seemed queued, and the window grew until its bound.
    flow = Flow(256 * 1024)

    slow_link(flow, bytes_per_s=5000, rtt_ns=300 * NS_PER_MS, size=size, messages=40)
    assert flow.limit == LEAST

    slow_link(flow, bytes_per_s=10**6, rtt_ns=20 * NS_PER_MS, size=size, messages=40)
    assert flow.limit == 256 * 1024


def test_before_anything_took_long_the_window_says_what_a_byte_takes() -> None:
    flow = Flow(256 * 1024)
    flow.acked(0, NS_PER_S, LEAST, LEAST)

    assert flow.takes_ns(flow.limit) == 2 * limits.UPLINK_FLOW_TARGET_NS


def test_what_took_long_says_what_a_byte_takes_until_a_quicker_one_does() -> None:
    flow, second = Flow(256 * 1024), NS_PER_S
    flow.acked(0, 25 * second, 0, 25_000)
    assert flow.takes_ns(5000) == 2 * 5 * second
    flow.acked(0, 2 * second, 0, 100)  # may be nothing but the round trip
    assert flow.takes_ns(5000) == 2 * 5 * second

    flow.acked(0, 2 * second, 0, 4000)
    assert flow.takes_ns(5000) == 2 * 5 * second // 2
    flow.acked(0, 3600 * second, 0, 1)  # the hub stood still: that is no link
    assert flow.takes_ns(600) < 4 * second + second

    flow.begin()
    assert flow.takes_ns(LEAST) == 2 * limits.UPLINK_FLOW_TARGET_NS


def test_one_late_answer_to_what_was_short_is_a_hub_that_stood_still() -> None:
    flow = Flow(1_000_000)
    flow.acked(0, 3 * NS_PER_S, 100, 100)
    assert flow.takes_ns(8000) < 2 * NS_PER_S

    flow.acked(3 * NS_PER_S, 6 * NS_PER_S, 100, 1000)
    assert flow.takes_ns(8000) > 40 * NS_PER_S

    flow.acked(6 * NS_PER_S, 6 * NS_PER_S + NS_PER_S // 100, 100, 1000)
    assert flow.takes_ns(8000) < 2 * NS_PER_S
