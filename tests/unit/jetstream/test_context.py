"""Trusted time: what judges ages."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.jetstream.context import TrustedTime
from tests.sim.clock import FakeClock
from tests.unit.jetstream.world import World

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
    time = TrustedTime(clock, last_ns)
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


@pytest.mark.parametrize(
    ("reply", "goes"),
    [
        (b"_INBOX.a.1", True),
        (b"reply", True),
        (b"$JS.FC.S.C.x", True),
        (b"$JS.ACK.API", True),
        (b"$JS.API.STREAM.DELETE.S", False),
        (b"$JS.API", False),
        (b"$JS.edge.API.STREAM.DELETE.S", False),
        (b"$JS.hub.API.STREAM.PURGE.S", False),
    ],
)
def test_a_status_is_no_request_to_the_api(reply: bytes, goes: bool) -> None:
    """Who may ask for one message would have any stream deleted with the server's rights."""
    world = World()
    heard = world.listen(reply.decode())

    world.js.context.send_status(reply, b"NATS/1.0 404\r\n\r\n")

    assert bool(heard) is goes
