"""Trusted time: what judges ages."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.jetstream.trusted_time import Doubt, Noted, TrustedTime
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
    assert TrustedTime(clock, Noted(last_ns + direction)).expiry_ns() is not None

    time = TrustedTime(clock, Noted(last_ns))

    assert (time.expiry_ns(), time.jumps) == (None, 1)
    clock.advance(limits.EXPIRY_PAUSE_NS)
    assert time.expiry_ns() == clock.wall_ns()


YEARS = 3650 * 24 * HOUR


def test_a_clock_that_was_ahead_for_a_minute_leaves_nothing_behind() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    clock.jump_wall(YEARS)
    assert time.now_ns() == clock.wall_ns()
    clock.advance(HOUR // 60)

    clock.jump_wall(-YEARS)

    assert time.now_ns() == clock.wall_ns()
    assert time.expiry_ns() is None
    clock.advance(limits.EXPIRY_PAUSE_NS)
    assert time.expiry_ns() == clock.wall_ns()
    assert time.jumps == 2


def test_a_clock_that_falls_far_back_is_believed_after_an_hour() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    before = time.now_ns()
    clock.jump_wall(-YEARS)

    assert time.now_ns() == before
    clock.advance(limits.EXPIRY_PAUSE_NS // 2)
    assert (time.now_ns(), time.expiry_ns()) == (before, None)
    clock.advance(limits.EXPIRY_PAUSE_NS)

    assert time.expiry_ns() == clock.wall_ns()
    assert time.now_ns() == clock.wall_ns()


def test_a_clock_that_falls_back_for_a_minute_moves_no_stamp() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    before = time.now_ns()
    clock.jump_wall(-YEARS)
    assert time.now_ns() == before
    clock.advance(HOUR // 60)

    clock.jump_wall(YEARS)

    assert time.now_ns() == clock.wall_ns()


def test_a_start_that_was_ahead_is_set_right_by_what_was_believed_before_it() -> None:
    clock = FakeClock()
    last_ns = clock.wall_ns()
    clock.jump_wall(YEARS)
    time = TrustedTime(clock, Noted(last_ns))
    assert time.now_ns() == clock.wall_ns()

    clock.jump_wall(30 * 24 * HOUR - YEARS)  # it was off for a month

    assert time.now_ns() == clock.wall_ns()


def test_what_is_believed_follows_days_that_pass() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    for _ in range(10):
        clock.advance(24 * HOUR)
        clock.jump_wall(-HOUR)
        time.expiry_ns()
    clock.jump_wall(YEARS)
    time.now_ns()
    clock.jump_wall(-YEARS - HOUR)

    assert time.now_ns() == clock.wall_ns()


DAY = limits.CLOCK_JUMP_NS
MINUTE = 60 * 1_000_000_000


def runs(clock: FakeClock, last: Noted, minutes: int, *, off_ns: int, times: int) -> Noted:
    """Return what is noted after so many runs of so many minutes, with times without power."""
    for _ in range(times):
        time = TrustedTime(clock, last)
        clock.advance(minutes * MINUTE)
        last = time.noted()
        clock.jump_wall(off_ns)
    return last


@pytest.mark.parametrize("off_days", [0, 1, 7, 30])
def test_the_hour_that_a_clock_is_in_doubt_is_counted_over_several_starts(off_days: int) -> None:
    clock = FakeClock()
    last = Noted(clock.wall_ns() - 30 * DAY)

    last = runs(clock, last, 25, off_ns=off_days * DAY, times=2)
    time = TrustedTime(clock, last)
    clock.advance(10 * MINUTE - 1)
    assert time.expiry_ns() is None
    clock.advance(1)

    assert time.expiry_ns() == clock.wall_ns()
    assert time.noted() == Noted(clock.wall_ns())


def test_a_start_after_the_hour_was_over_waits_no_more() -> None:
    clock = FakeClock()
    noted = Noted(clock.wall_ns() - 30 * DAY, Doubt(clock.wall_ns(), limits.EXPIRY_PAUSE_NS))

    assert TrustedTime(clock, noted).expiry_ns() == clock.wall_ns()
    assert TrustedTime(clock, noted).doubted_for_ns() == 0


@pytest.mark.parametrize("jump_ns", [-DAY - 1, 10 * YEARS], ids=["back", "past what was believed"])
def test_a_clock_that_did_not_go_on_from_what_was_doubted_waits_the_whole_hour(
    jump_ns: int,
) -> None:
    clock = FakeClock()
    last = Noted(clock.wall_ns() + (YEARS if jump_ns > 0 else -YEARS))

    last = runs(clock, last, 59, off_ns=jump_ns, times=1)
    time = TrustedTime(clock, last)

    assert time.doubted_for_ns() == limits.EXPIRY_PAUSE_NS


def test_a_board_that_starts_in_the_past_keeps_what_it_waited_by_the_time_it_learnt() -> None:
    clock = FakeClock()
    last = Noted(clock.wall_ns() - 30 * DAY)
    last = runs(clock, last, 40, off_ns=-YEARS, times=1)

    time = TrustedTime(clock, last)
    assert time.doubted_for_ns() == limits.EXPIRY_PAUSE_NS
    clock.advance(MINUTE)
    assert time.noted().doubt == last.doubt
    clock.jump_wall(YEARS + 2 * DAY)
    assert time.expiry_ns() is None
    clock.advance(20 * MINUTE)

    assert time.expiry_ns() == clock.wall_ns()


def test_the_time_believed_is_noted_as_going_on_while_another_is_in_doubt() -> None:
    clock = FakeClock()
    time = TrustedTime(clock)
    before_ns = clock.wall_ns()
    clock.jump_wall(YEARS)
    time.expiry_ns()
    clock.advance(5 * MINUTE)

    assert time.noted() == Noted(before_ns + 5 * MINUTE, Doubt(clock.wall_ns(), 5 * MINUTE))
