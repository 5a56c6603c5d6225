"""A start with a window full of what the hub never answers: what it has of before says what its
stream takes. Truth: docs/uplink.md, "What the hub never answers".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.clock import NS_PER_S
from tests.sim.silent_hub import NEWEST_FIRST, SILENT, world_of
from tests.sim.uplink_world import OPTIONS, World, numbers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_a_window_full_ends_after_a_start_too(options: UplinkStream) -> None:
    """What the hub has of before says what its stream takes."""
    world = world_of(replace(options, window_msgs=16))
    world.local.subjects = ("ev.a", "ev.b", "ev.b.>")
    world.hub.swallows.clear()
    world.store(b"b", subject=b"ev.b")  # is asked with first, in vain
    world.clock.advance(NS_PER_S)
    world.hub.swallows.add(SILENT)
    for number in range(40):
        world.hub.swallows.add(b"%b.%d" % (SILENT, number))
        world.store(b"x", subject=b"ev.b.%d" % number)
    world.store(*numbers(1, 20))
    world.clock.advance(20 * NS_PER_S)
    world.restart()
    world.clock.advance(2 * 3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 40
    assert {*world.hub.payloads()} == {b"b", *numbers(0, 20)}
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def wait(world: World, silent: bytes, at_hub: bytes) -> None:
    """20 of what is never answered wait over a start, and 20 good ones behind them."""
    world.hub.swallows.add(at_hub)
    world.link_down()
    for _ in range(20):
        world.store(b"silent", subject=silent)
    for payload in numbers(1, 20):
        world.store(payload, subject=b"ev.b")
    world.restart()
    world.link_up()
    world.clock.advance(2 * 3600 * NS_PER_S)


def test_it_ends_though_the_last_kinds_that_were_stored_are_taken_no_more() -> None:
    kinds = [b"ev.a%d" % number for number in range(3)]
    options = replace(OPTIONS, window_msgs=8)
    subjects = ("ev.b", "ev.z", *(one.decode() for one in kinds))
    world = World(options, subjects=subjects, dead_letter="DEAD")
    world.start()
    for subject in (b"ev.b", *kinds):
        world.store(b"0", subject=subject)
        world.clock.advance(2 * NS_PER_S)
    world.hub.swallows |= {b"edge." + one for one in kinds}
    wait(world, b"ev.z", b"edge.ev.z")

    assert world.status.counters.dead_letters == 20
    assert world.hub.payloads()[4:] == numbers(1, 20)


@pytest.mark.parametrize(
    ("now", "silent"),
    [
        ({"subject_prefix": "edge.site."}, b"edge.site.ev.a"),
        ({"subject_transforms": (("ev.*", "t.{{wildcard(1)}}"),)}, b"edge.t.a"),
    ],
)
def test_it_ends_though_the_way_was_another_once(now: dict[str, Any], silent: bytes) -> None:
    options = replace(OPTIONS, window_msgs=8)
    world = World(options, subjects=("ev.a", "ev.b"), dead_letter="DEAD", hub_subjects=(b"edge.>",))
    world.start()
    world.store(b"0", subject=b"ev.b")
    world.clock.advance(2 * NS_PER_S)
    world.options = replace(options, **now)
    world.restart()
    world.clock.advance(5 * NS_PER_S)
    world.store(b"0", subject=b"ev.b")
    world.clock.advance(3600 * NS_PER_S)
    wait(world, b"ev.a", silent)

    assert world.status.counters.dead_letters == 20
    assert world.hub.payloads()[2:] == numbers(1, 20)
