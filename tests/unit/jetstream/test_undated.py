"""Messages that a clock which was ahead has stamped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.jetstream.undated import Undated, is_undated
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3600 * 1_000_000_000
DAY = 24 * HOUR
YEARS = 3650 * DAY


def test_a_stamp_a_day_ahead_is_a_date() -> None:
    assert not is_undated(limits.CLOCK_JUMP_NS, 0)
    assert is_undated(limits.CLOCK_JUMP_NS + 1, 0)


def test_what_had_come_by_a_note_is_too_old_when_the_note_is() -> None:
    undated = Undated()
    assert undated.note(0, 5, 16 * HOUR) == 0
    assert undated.note(HOUR - 1, 6, 16 * HOUR) == 0
    assert undated.note(HOUR, 7, 16 * HOUR) == 0
    assert len(undated) == 2
    assert undated.note(16 * HOUR, 9, 16 * HOUR) == 5
    assert undated.note(16 * HOUR, 9, 16 * HOUR) == 5  # until it is gone
    assert undated.note(17 * HOUR, 9, 16 * HOUR) == 7
    undated.clear()
    assert undated.note(18 * HOUR, 9, 16 * HOUR) == 0


def test_notes_are_bounded_and_those_of_a_wrong_clock_go() -> None:
    undated = Undated()
    for hour in range(1000):
        undated.note(hour * HOUR, hour, 16 * HOUR)
    assert len(undated) <= 17
    undated.note(HOUR, 1, 16 * HOUR)
    assert len(undated) == 1


def kept(world: World | RealWorld) -> tuple[int, int]:
    state = world.state()
    return state["messages"], state["first_seq"]


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_clock_that_was_ahead_for_a_minute_takes_nothing_and_keeps_nothing(
    tmp_path: Path, kind: str
) -> None:
    world = RealWorld(tmp_path) if kind == "file" else World()

    def put(hours: int, subject: str = "s.a") -> None:
        for _ in range(hours):
            world.request(subject, b"x")
            world.clock.advance(HOUR)
            if isinstance(world, RealWorld):
                world.settle()

    world.create_stream(max_age=2 * DAY)
    put(48)
    world.clock.jump_wall(YEARS)
    world.request("s.a", b"stamped ten years ahead")
    world.clock.advance(HOUR // 60)
    world.clock.jump_wall(-YEARS)

    put(24)
    messages, first_seq = kept(world)
    assert 46 <= messages <= 50
    assert first_seq > 20

    put(96)  # all of it has the stamp of that minute, and ages all the same
    messages, first_seq = kept(world)
    assert 48 <= messages <= 54
