"""A hub that cannot write: it refuses what is sent to ask it, answers nothing else, stores nothing.

Truth: docs/uplink.md, "What the hub never answers"; the hub as nats-server 2.15.1 with a full disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from tests.sim.silent_hub import NEWEST_FIRST, world_of
from tests.sim.uplink_world import OPTIONS, numbers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_a_hub_that_cannot_write_makes_no_dead_letters(options: UplinkStream) -> None:
    """nats-server with a full disk refuses what is sent to ask it, and answers nothing else."""
    world = world_of(options)
    world.hub.swallows.clear()
    world.hub.cannot_write = True
    for number in range(1, 10):
        world.store(b"%d" % number, subject=b"ev.%d" % (number % 3))
    world.clock.advance(4 * 3600 * NS_PER_S)
    sent_bytes = world.hub.peer.traffic.out_bytes
    world.clock.advance(4 * 3600 * NS_PER_S)

    assert world.hub.peer.traffic.out_bytes - sent_bytes < 20_000  # less than each half minute
    assert world.status.counters.dead_letters == 0
    assert "can it store anything?" in world.status.problem
    world.hub.cannot_write = False
    world.clock.advance(7200 * NS_PER_S)

    assert sorted(world.hub.payloads()) == numbers(0, 9)
    assert world.status.counters.dead_letters == 0
    assert (world.status.lag_messages, world.status.problem) == (0, "")


def test_nor_where_the_link_breaks_while_it_is_asked() -> None:
    world = world_of()
    world.hub.cannot_write = True
    for number in range(1, 31):
        world.store(b"%d" % number, subject=b"ev.%d" % (number % 3))
    while not world.uplink._asking._knock.is_out:
        world.clock.advance(NS_PER_MS)
    world.link_down()
    world.clock.advance(10 * NS_PER_S)
    world.link_up()
    world.clock.advance(3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 0
    assert "can it store anything?" in world.status.problem


def test_so_many_subjects_of_a_hub_that_stores_nothing_make_no_dead_letters() -> None:
    world = world_of()
    world.hub.cannot_write = True
    count = limits.UPLINK_SILENT_MAX + 44
    for number in range(1, count + 1):
        world.store(b"%d" % number, subject=b"ev.%d" % number)
    world.clock.advance(8 * 3600 * NS_PER_S)
    assert "can it store anything?" in world.status.problem
    world.hub.cannot_write = False
    world.clock.advance(2 * 3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 0
    assert sorted(world.hub.payloads(), key=int) == numbers(0, count)


def test_what_a_hub_did_not_store_just_before_its_disk_was_free_is_no_dead_letter() -> None:
    """What it stores then went behind that."""
    for freed_ns in range(66 * NS_PER_S, 73 * NS_PER_S, NS_PER_S):
        world = world_of()
        world.hub.cannot_write = True
        world.clock.advance(freed_ns % NS_PER_S)
        for number in range(1, freed_ns // NS_PER_S):
            world.store(b"%d" % number, subject=b"ev.%d" % (number % 3))
            world.clock.advance(NS_PER_S)
        world.hub.cannot_write = False
        for number in range(freed_ns // NS_PER_S, 90):
            world.store(b"%d" % number, subject=b"ev.%d" % (number % 3))
            world.clock.advance(NS_PER_S)
        world.clock.advance(4000 * NS_PER_S)

        assert world.status.counters.dead_letters == 0
        assert sorted(world.hub.payloads(), key=int) == numbers(0, 89)


@pytest.mark.parametrize("options", [OPTIONS, NEWEST_FIRST])
def test_a_hub_with_a_full_disk_that_is_slow_for_a_while_makes_no_dead_letters(
    options: UplinkStream,
) -> None:
    """It does not answer what is sent to ask for minutes: under no subject."""
    world = world_of(options)
    world.hub.cannot_write = True
    for number in range(1, 300):
        world.store(b"%d" % number, subject=b"ev.%d" % (number % 3))
        world.hub.queue_ns = 400 * NS_PER_S if 100 < number < 160 else 0
        world.clock.advance(5 * NS_PER_S)
    assert world.status.counters.dead_letters == 0
    assert "can it store anything?" in world.status.problem
    world.hub.cannot_write = False
    world.clock.advance(2 * 3600 * NS_PER_S)

    assert world.status.counters.dead_letters == 0
    assert sorted(world.hub.payloads(), key=int) == numbers(0, 299)


def test_a_full_disk_is_over_with_the_messages_that_told_of_it() -> None:
    """They are deleted here while it lasts: what comes hours later is tried again in seconds."""
    world = world_of()
    world.hub.cannot_write = True
    world.store(*numbers(1, 3))
    world.clock.advance(5 * 3600 * NS_PER_S)
    world.local.delete(*list(world.local.messages))
    world.clock.advance(2 * 3600 * NS_PER_S)
    world.hub.cannot_write = False
    world.hub.subjects = ()
    world.hub.ask_no_more(b"edge.>")
    world.store(b"4")
    world.clock.advance(3 * NS_PER_S)
    world.hub.ask_for(b"edge.>")
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == [b"0", b"4"]
