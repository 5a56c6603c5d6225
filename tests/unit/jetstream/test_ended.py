"""What is noted of schedules that another message ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.jetstream import ended
from tests.unit.jetstream.test_scheduler import at, put, world

if TYPE_CHECKING:
    import pytest

    from tests.unit.jetstream.world import World


def ends(world: World) -> list[str]:
    names = (one.name for one in world.store.consumers("$G", "S"))
    return [name for name in names if name.startswith(ended.PREFIX)]


def test_what_is_noted_of_schedules_that_are_over_goes_with_them() -> None:
    planned = world()
    put(planned, at(planned, 100))
    planned.publish("s.1", b"no schedule")
    assert ends(planned) == [".ended.1"]
    planned.api("STREAM.PURGE.S", {"filter": "s.1"})

    planned.js.shut_down()
    planned.restart()
    planned.clock.advance(NS_PER_S)

    assert ends(planned) == []


def test_of_schedules_that_are_over_so_many_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SCHEDULES_ENDED_MAX", 2)
    planned = world()
    known = planned.js.streams["S"].scheduler._ended
    for number in range(2):
        put(planned, at(planned, 100), subject=f"s.{number}")
        planned.publish(f"s.{number}", b"no schedule")
    assert (ends(planned), known.dropped) == ([".ended.1", ".ended.3"], 0)

    put(planned, at(planned, 100), subject="s.2")
    planned.publish("s.2", b"no schedule")

    assert (sorted(ends(planned)), known.dropped) == ([".ended.3", ".ended.5"], 1)
