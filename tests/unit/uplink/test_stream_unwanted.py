"""What nobody at the hub wants for a moment: its interest goes and comes while the link stays.

Truth: docs/uplink.md, "Dead letters".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from tests.sim.silent_hub import NEWEST_FIRST
from tests.sim.uplink_world import OPTIONS, World, numbers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream

GOOD = b"edge.ev.good.>"


def world_of(options: UplinkStream = OPTIONS) -> World:
    world = World(options, hub_subjects=(b"edge.ev.a", GOOD), dead_letter="DEAD")
    world.start()
    world.store(b"0")
    world.clock.advance(5 * NS_PER_S)
    return world


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
@pytest.mark.parametrize("subjects", [3, 65])
def test_interest_that_is_away_for_less_than_a_minute_each_time_makes_no_dead_letters(
    subjects: int, options: UplinkStream
) -> None:
    """It is there between two tries, which are half a minute apart by then."""
    world = world_of(options)
    world.hub.ask_no_more(GOOD)
    for number in range(1, 66):
        world.store(b"%d" % number, subject=b"ev.good.%d" % (number % subjects))
    world.clock.advance(33 * NS_PER_S)
    world.hub.ask_for(GOOD)
    world.clock.advance(27 * NS_PER_S)
    world.hub.ask_no_more(GOOD)
    world.clock.advance(3 * NS_PER_S)
    world.hub.ask_for(GOOD)
    world.clock.advance(3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 0
    assert sorted(world.hub.payloads(), key=int) == numbers(0, 65)


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_hours_after_a_slip_at_the_hub_each_subject_has_a_minute_again(
    options: UplinkStream,
) -> None:
    world = world_of(options)
    world.hub.ask_no_more(GOOD)
    for number in range(200):
        world.store(b"slip", subject=b"ev.good.%d" % number)
    world.clock.advance(600 * NS_PER_S)
    assert world.status.counters.dead_letters == 200
    world.hub.ask_for(GOOD)
    for number in range(1, 31):
        world.store(b"%d" % number)
        world.clock.advance(limits.UPLINK_UNTAKEN_NS)

    world.hub.ask_no_more(GOOD)
    for number in range(31, 100):
        world.store(b"%d" % number, subject=b"ev.good.%d" % number)
    world.clock.advance(2 * NS_PER_S)
    world.hub.ask_for(GOOD)
    world.clock.advance(600 * NS_PER_S)

    assert world.status.counters.dead_letters == 200
    assert sorted(world.hub.payloads(), key=int) == numbers(0, 99)


def test_an_uplink_that_ends_listens_to_no_interest() -> None:
    world = world_of()
    world.store(b"x", subject=b"ev.b")
    world.clock.advance(NS_PER_S)
    assert len(world.account.leaf_interest.listeners) == 1

    world.uplink.stop()

    assert world.account.leaf_interest.listeners == set()


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_interest_that_is_there_for_seconds_at_a_time_is_made_use_of(
    options: UplinkStream,
) -> None:
    world = world_of(options)
    for number in range(1, 61):
        world.hub.ask_no_more(GOOD)
        world.store(b"%d" % number, subject=b"ev.good.%d" % number)
        world.clock.advance(50 * NS_PER_S)
        world.hub.ask_for(GOOD)
        world.clock.advance(10 * NS_PER_S)

    assert world.status.counters.dead_letters == 0
    assert sorted(world.hub.payloads(), key=int) == numbers(0, 60)


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_a_leaf_below_that_comes_and_goes_keeps_nothing_from_the_dead_letters(
    options: UplinkStream,
) -> None:
    world = world_of(options)
    below = Peer(901, Kind.LEAF, world.account.system.outbox)
    below.account = world.account
    world.store(b"x", subject=b"ev.slip")
    world.store(*numbers(1, 9))
    for _ in range(20):
        sub = Subscription(below, b"edge.>")
        world.account.insert(sub)
        world.clock.advance(20 * NS_PER_S)
        world.account.remove(sub)
        world.clock.advance(20 * NS_PER_S)

    assert world.status.counters.dead_letters == 1
    assert sorted(world.hub.payloads(), key=int) == numbers(0, 9)
