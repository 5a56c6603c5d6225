"""Trusted time: what judges ages."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.jetstream.context import TrustedTime
from tests.sim.clock import FakeClock

HOUR = 3600 * 1_000_000_000


def test_time_never_goes_backward() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    before = time.now_ns()

    clock.jump_wall(-HOUR)

    assert time.now_ns() == before


@pytest.mark.parametrize("direction", [1, -1])
def test_a_jump_of_a_day_is_believed_and_a_longer_one_is_not(direction: int) -> None:
    clock = FakeClock()
    time = TrustedTime(clock)

    clock.jump_wall(direction * limits.CLOCK_JUMP_NS)
    assert time.expiry_ns() is not None
    clock.jump_wall(direction * (limits.CLOCK_JUMP_NS + 1))

    assert time.expiry_ns() is None
    assert time.jumps == 1


def test_expiry_goes_on_after_an_hour() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    clock.jump_wall(2 * limits.CLOCK_JUMP_NS)
    assert time.expiry_ns() is None

    clock.advance(limits.EXPIRY_PAUSE_NS - 1)
    assert time.expiry_ns() is None
    clock.advance(1)

    assert time.expiry_ns() == clock.wall_ns()


def test_slow_days_are_no_jump() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)

    clock.advance(100 * 24 * HOUR)

    assert time.expiry_ns() == clock.wall_ns()


@pytest.mark.parametrize("direction", [1, -1])
def test_a_start_more_than_a_day_off_the_last_believed_time_waits_an_hour(direction: int) -> None:
    clock = FakeClock()
    last_ns = clock.wall_ns() - direction * (limits.CLOCK_JUMP_NS + 1)
    assert TrustedTime(clock, last_ns + direction).expiry_ns() is not None

    time = TrustedTime(clock, last_ns)

    assert (time.expiry_ns(), time.jumps) == (None, 1)
    clock.advance(limits.EXPIRY_PAUSE_NS)
    assert time.expiry_ns() == clock.wall_ns()
