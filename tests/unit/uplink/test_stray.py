"""Another stream, or another domain, than the one that was named stores what is sent."""

from __future__ import annotations

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.status import State
from tests.sim.hub import DUPLICATE_WINDOW_NS
from tests.sim.uplink_world import World, numbers

LATER_NS = 5 * DUPLICATE_WINDOW_NS
OTHER = b'{"stream":"LOG","domain":"lab","seq":7}'


def world_of(stream: str, domain: str) -> World:
    world = World(UplinkStream("EV", stream, domain, subject_prefix="edge."))
    world.store(*numbers(1, 20))
    world.start()
    return world


def healthy_samples(world: World, lasts_ns: int) -> int:
    """Return how often health had nothing to say, after what it may take to be noticed."""
    world.clock.advance(30 * NS_PER_S)
    found = 0
    for _ in range(lasts_ns // NS_PER_S):
        world.clock.advance(NS_PER_S)
        found += not world.status.problem
    return found


@pytest.mark.parametrize(
    ("stream", "domain"), [("AGG", "hubb"), ("AG", "hub"), ("AG", ""), ("", "hubb")]
)
def test_what_another_stream_stores_is_stored_once_and_health_says_so_all_the_time(
    stream: str, domain: str
) -> None:
    world = world_of(stream, domain)

    assert healthy_samples(world, LATER_NS // 4) == 0
    world.clock.advance(LATER_NS)

    assert world.hub.payloads() == numbers(1, 20)
    assert world.local.acks == []
    named = stream or "any stream"
    assert f"stored by stream AGG of domain 'hub', not {named}" in world.status.problem


@pytest.mark.parametrize(("stream", "domain"), [("AG", "hub"), ("AG", "")])
def test_once_the_named_stream_stores_it_all_of_it_goes_there(stream: str, domain: str) -> None:
    world = world_of(stream, domain)
    world.clock.advance(LATER_NS)
    assert world.local.acks == []

    world.hub.stream = stream
    world.clock.advance(180 * NS_PER_S)

    # Without a domain the stream cannot be asked whether it is what the other one was.
    assert world.hub.payloads() == numbers(1, 20) * (1 if domain else 2)
    assert world.pending == []
    assert (world.status.state, world.status.problem) == (State.RUNNING, "")


def test_a_stream_that_listens_in_keeps_nothing_from_the_right_one() -> None:
    world = World()
    world.hub.beside.append(OTHER)
    world.start()
    world.store(*numbers(1, 20))
    world.clock.advance(LATER_NS)

    assert world.hub.payloads() == numbers(1, 20)
    assert world.pending == []
    assert world.status.problem == ""


def test_the_right_one_that_is_silent_for_a_while_is_not_taken_for_another() -> None:
    world = World()
    world.hub.beside.append(OTHER)
    world.hub.loses_acks = True
    world.start()
    world.store(*numbers(1, 20))
    world.clock.advance(60 * NS_PER_S)
    world.hub.loses_acks = False
    world.clock.advance(180 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 20)
    assert world.pending == []
    assert world.status.problem == ""
