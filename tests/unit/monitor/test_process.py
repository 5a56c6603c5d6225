"""Memory and CPU of this very process."""

from __future__ import annotations

from leafnode.monitor import process


def test_memory_is_of_the_size_of_a_python() -> None:
    assert 5_000_000 < process.memory_bytes() < 5_000_000_000


def test_cpu_is_a_share_of_the_time_given() -> None:
    assert process.cpu_percent(1) > process.cpu_percent(10**18) >= 0
    assert process.cores() >= 1
