"""Coalescing: closed until it is worth it, open until nothing waits."""

from __future__ import annotations

from leafnode.clock import NS_PER_S
from leafnode.uplink.batching import Batching


def test_what_is_little_waits_for_its_time_from_the_first_on() -> None:
    batching = Batching(30 * NS_PER_S, 1000)

    assert batching.wait_ns(0, 10) == 30 * NS_PER_S
    assert batching.wait_ns(20 * NS_PER_S, 20) == 10 * NS_PER_S
    assert batching.wait_ns(30 * NS_PER_S, 20) == 0


def test_when_much_waits_all_of_it_goes_at_once_and_then_it_is_closed_again() -> None:
    batching = Batching(30 * NS_PER_S, 1000)
    assert batching.wait_ns(0, 1000) == 0
    assert batching.wait_ns(0, 10) == 0

    batching.drained()

    assert batching.wait_ns(5 * NS_PER_S, 10) == 30 * NS_PER_S


def test_without_a_time_only_the_size_opens() -> None:
    batching = Batching(0, 1000)

    assert batching.wait_ns(0, 999) is None
    assert batching.wait_ns(3600 * NS_PER_S, 999) is None
    assert batching.wait_ns(3600 * NS_PER_S, 1000) == 0
