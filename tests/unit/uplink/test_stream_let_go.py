"""What is in flight when the local stream lets go of it: the hub gets it, or it is told.

Truth: docs/uplink.md, "Lag".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream

NEWEST = replace(OPTIONS, newest_first=True)
BLIND = replace(OPTIONS, hub_stream="", domain="")
IN_FLIGHT = 20


def started(options: UplinkStream, before: int) -> World:
    """A world in which the hub has so many."""
    world = World(options)
    world.start()
    world.store(*numbers(1, before))
    world.clock.advance(5 * NS_PER_S)
    assert world.hub.payloads() == numbers(1, before)
    return world


def fly(world: World, payloads: list[bytes]) -> None:
    """Send these, and do not wait for what becomes of them."""
    world.store(*payloads)
    before = world.status.in_flight
    while world.status.in_flight < before + len(payloads):
        world.clock.advance(5 * NS_PER_MS)


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("options", [OPTIONS, NEWEST, BLIND], ids=["oldest", "newest", "blind"])
def test_what_was_in_flight_goes_again_though_the_stream_let_go_of_it(
    options: UplinkStream, before: int
) -> None:
    world = started(options, before)
    fly(world, numbers(before + 1, before + IN_FLIGHT))
    world.link_down()
    world.local.delete(*list(world.local.messages))
    world.clock.advance(OUTAGE_NS)

    world.store(b"later")
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    sent = [*numbers(1, before + IN_FLIGHT), b"later"]
    assert sorted(world.hub.payloads()) == sorted(sent)
    counters = world.status.counters
    assert (counters.uplinked, counters.skipped, counters.removed) == (len(sent), 0, 0)
    assert (world.status.lag_messages, world.status.backlog) == (0, "")


@pytest.mark.parametrize("before", [0, 5])
@pytest.mark.parametrize("options", [OPTIONS, NEWEST, BLIND], ids=["oldest", "newest", "blind"])
def test_what_the_hub_lost_goes_again_though_the_stream_let_go_of_it(
    options: UplinkStream, before: int
) -> None:
    world = started(options, before)
    world.hub.loses = numbers(before + 1, before + IN_FLIGHT)
    fly(world, numbers(before + 1, before + IN_FLIGHT))
    world.local.delete(*list(world.local.messages))
    world.clock.advance(10 * NS_PER_S)

    world.store(b"later")
    world.clock.advance(60 * NS_PER_S)

    sent = [*numbers(1, before + IN_FLIGHT), b"later"]
    assert sorted(world.hub.payloads()) == sorted(sent)
    assert world.status.counters.skipped == 0


@pytest.mark.parametrize("options", [OPTIONS, NEWEST], ids=["oldest", "newest"])
def test_what_the_hub_has_of_it_does_not_go_again(options: UplinkStream) -> None:
    world = started(options, 5)
    world.hub.loses_acks = True
    fly(world, numbers(6, 15))
    world.clock.advance(NS_PER_S)
    fly(world, numbers(16, 25))
    world.link_down()  # before those arrive
    world.hub.loses_acks = False
    world.local.delete(*list(world.local.messages))
    world.clock.advance(OUTAGE_NS)

    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert sorted(world.hub.payloads()) == sorted(numbers(1, 25))
    counters = world.status.counters
    assert (counters.uplinked, counters.skipped, counters.removed) == (15, 10, 0)


def test_what_another_history_of_the_stream_had_sent_is_not_taken_for_it() -> None:
    """The hub has other messages under the sequences of what is here in the window alone."""
    world = started(OPTIONS, 5)
    copy = world.local.archive()
    world.store(*numbers(6, 15))
    world.clock.advance(NS_PER_S)
    world.uplink.stop()
    world.local.restore(copy)
    world.clock.advance(OUTAGE_NS)
    world.restart()
    world.clock.advance(10 * NS_PER_S)
    new = [b"new %d" % number for number in range(10)]
    fly(world, new)
    world.link_down()
    world.local.delete(*list(world.local.messages))
    world.clock.advance(OUTAGE_NS)

    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == [*numbers(1, 15), *new]


def test_newest_first_what_is_replaced_in_flight_goes_again_and_is_not_said_to_be_there() -> None:
    """Each message says all that the hub has, and so does the hub's last one after a start."""
    world = started(NEWEST, 1)
    world.store(b"other", subject=b"ev.b")  # the stream begins with it, whatever is replaced
    world.clock.advance(NS_PER_S)
    fly(world, [b"replaced"])
    world.link_down()
    world.local.max_per_subject = 1
    world.store(b"3", b"4")
    assert set(world.local.messages) == {2, 5}

    world.hub.loses += [b"replaced", b"4"]
    world.link_up()
    world.clock.advance(NS_PER_S)
    said = [one.header for one in world.hub.stored.values()]
    assert not any(b"3-3" in one or b"1-3" in one or b"1-4" in one for one in said)
    world.clock.advance(60 * NS_PER_S)

    assert sorted(world.hub.payloads()) == [b"1", b"4", b"other", b"replaced"]
    assert world.status.counters.skipped == 0
    assert world.status.counters.removed == 1  # the third was replaced before it was read


@pytest.mark.parametrize("options", [OPTIONS, NEWEST], ids=["oldest", "newest"])
def test_the_lag_has_what_the_stream_let_go_of_once(options: UplinkStream) -> None:
    world = started(options, 5)
    fly(world, numbers(6, 25))
    world.link_down()
    world.local.delete(*list(world.local.messages))
    world.store(*numbers(26, 35))
    world.clock.advance(3 * limits.UPLINK_LAG_REFRESH_NS)

    status = world.status
    assert (status.lag_messages, status.acked_seq) == (30, 5)
