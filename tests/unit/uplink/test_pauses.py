"""How long it is until the next try, and how often a hub is asked that has answered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.uplink.pauses import Pauses
from leafnode.uplink.status import State
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR_NS = 3600 * NS_PER_S


def seconds(pauses: Pauses, count: int, *, is_answered: bool) -> list[float]:
    return [pauses.next(is_answered=is_answered) / NS_PER_S for _ in range(count)]


def test_they_double_up_to_half_a_minute_and_up_to_an_hour_after_answers() -> None:
    pauses = Pauses()
    assert seconds(pauses, 9, is_answered=False) == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    minutes = [one / 60 for one in seconds(pauses, 8, is_answered=True)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60]
    assert seconds(pauses, 1, is_answered=False) == [30]

    pauses.forget()
    assert seconds(pauses, 1, is_answered=False) == [30]
    assert seconds(pauses, 1, is_answered=True) == [60]

    pauses.begin()
    assert seconds(pauses, 1, is_answered=False) == [0.25]
    assert seconds(pauses, 1, is_answered=True) == [60]


def after_a_copy() -> World:
    """What the hub has as its newest was stored here after the copy was made that came back."""
    world = World(replace(OPTIONS, newest_first=True))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(10 * NS_PER_S)
    archive = world.local.archive()
    world.store(*numbers(11, 20))
    world.clock.advance(OUTAGE_NS)
    world.local.restore(archive, format_time(world.clock.wall_ns()))
    world.store(b"new")
    return world


def behind_others() -> World:
    """Nothing that is at the hub is this stream's, and what a former run did is not kept."""
    world = World(replace(OPTIONS, newest_first=True))
    for _ in range(1000):
        world.hub.publish(b"edge.ev.a", b"other")
    world.store(b"new")
    world.start()
    return world


def rounds(world: World) -> int:
    """How often the hub was asked for the last of the stream's subjects."""
    return sum(one.get("last_by_subj") == "edge.ev.>" for one in world.hub.questions)


@pytest.mark.parametrize("standing", [after_a_copy, behind_others])
def test_where_the_hub_has_answered_and_nothing_is_sent_it_is_asked_once_an_hour(
    monkeypatch: pytest.MonkeyPatch, standing: Callable[[], World]
) -> None:
    """Each time it may be some hundred questions, and each answer is a whole message."""
    monkeypatch.setattr(limits, "UPLINK_PROBES_MAX", 16)
    world = standing()
    world.clock.advance(10 * NS_PER_S)
    assert world.status.state is State.RECOVERING
    before, asked = world.status, rounds(world)

    world.clock.advance(HOUR_NS - 10 * NS_PER_S)
    assert rounds(world) - asked == 5  # after 1, 3, 7, 15 and 31 minutes
    world.clock.advance(3 * HOUR_NS)
    assert rounds(world) - asked == 8
    world.clock.advance(HOUR_NS)
    assert rounds(world) - asked == 9
    assert (world.status.state, world.status.last_error) == (State.RECOVERING, before.last_error)
    assert world.status.lag_messages == before.lag_messages > 0


@pytest.mark.parametrize("changed", ["link", "subjects"])
def test_it_is_asked_at_once_where_something_is_another(changed: str) -> None:
    world = after_a_copy()
    world.clock.advance(5 * HOUR_NS)
    asked = rounds(world)

    if changed == "link":
        world.link_down()
        world.link_up()
    else:
        world.local.subjects = (*world.local.subjects, "more.>")
    world.clock.advance(5 * NS_PER_S)
    assert rounds(world) == asked + 1

    world.clock.advance(HOUR_NS - 5 * NS_PER_S)
    assert rounds(world) == asked + (6 if changed == "link" else 1)


def test_a_stream_made_anew_goes_up_at_once_where_nothing_was_sent_for_hours() -> None:
    world = after_a_copy()
    world.clock.advance(5 * HOUR_NS)
    world.local.make_anew(format_time(world.clock.wall_ns()))
    world.store(b"a", b"b")
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == [*numbers(1, 20), b"a", b"b"]
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)


def test_a_hub_without_a_leader_is_asked_as_before_though_nothing_was_sent_for_hours() -> None:
    world = after_a_copy()
    world.clock.advance(5 * HOUR_NS)
    world.link_down()
    world.hub.is_leaderless = True
    world.link_up()
    world.clock.advance(HOUR_NS)
    asked = rounds(world)
    world.clock.advance(HOUR_NS)

    assert rounds(world) - asked > 3600 / 60
    world.hub.is_leaderless = False
    world.clock.advance(60 * NS_PER_S)
    assert "is not the one that is here" in world.status.last_error
