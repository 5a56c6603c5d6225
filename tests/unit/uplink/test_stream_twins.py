"""Two gateways of one name, as from a cloned card: one link ends the other's, and both go on.

Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from dataclasses import replace

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink import onward
from leafnode.uplink.onward import InFlight, Place
from leafnode.uplink.status import State
from tests.sim.hub import Stored
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers

HOURS_NS = 3 * 3600 * NS_PER_S


class Twins:
    """Two worlds with one history up to 10, and one hub, which one of them has a link to."""

    def __init__(self, *, is_work_queue: bool = False) -> None:
        self.worlds = [World(), World()]
        first, second = self.worlds
        first.local.is_work_queue = second.local.is_work_queue = is_work_queue
        first.start()
        first.store(*numbers(1, 10))
        self.pass_(5 * NS_PER_S)
        first.uplink.stop()
        first.local.forget_pulls()
        names = ("messages", "times", "last_seq", "consumers", "_size")
        saved = copy.deepcopy({name: getattr(first.local, name) for name in names})
        vars(second.local).update(saved)
        second.clock.advance(12_345)  # no two clocks tell the same nanosecond
        second.hub.down()
        second.uplink.start()
        self.on = first
        first.restart()
        self.pass_(5 * NS_PER_S)

    def pass_(self, time_ns: int) -> None:
        for world in self.worlds:
            world.clock.advance(time_ns)

    def link(self, number: int) -> World:
        """Let that one have the link, and the hub be as the other left it."""
        before, self.on = self.on, self.worlds[number]
        if before is not self.on:
            before.link_down()
            for name in ("stored", "_by_subject", "_ids", "last_seq"):
                setattr(self.on.hub, name, getattr(before.hub, name))
            self.on.link_up()
        return self.on

    def payloads(self) -> list[bytes]:
        return self.on.hub.payloads()


@pytest.mark.parametrize("is_work_queue", [False, True])
def test_what_was_in_flight_is_found_beside_the_other_ones_under_the_same_sequences(
    is_work_queue: bool,
) -> None:
    twins = Twins(is_work_queue=is_work_queue)
    first = twins.on
    first.store(b"11")
    twins.pass_(NS_PER_S)
    first.hub.loses_acks = True
    first.store(b"A12", b"A13")
    twins.pass_(NS_PER_S)

    second = twins.link(1)
    second.store(b"B11", b"B12", b"B13")
    twins.pass_(OUTAGE_NS)
    first.hub.loses_acks = False
    twins.link(0)
    twins.pass_(5 * NS_PER_S)

    assert twins.payloads() == [*numbers(1, 11), b"A12", b"A13", b"B11", b"B12", b"B13"]
    assert first.pending == second.pending == []
    assert first.status.counters.skipped == 2


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_neither_loses_a_message(seed: int) -> None:
    rng = random.Random(seed)
    twins = Twins(is_work_queue=seed % 2 == 1)
    stored: list[bytes] = []
    for _ in range(40):
        number = rng.randrange(2)
        world = twins.worlds[number]
        match rng.randrange(6):
            case 0 | 1:
                payload = b"%d.%d" % (number, len(stored))
                stored.append(payload)
                world.store(payload)
            case 2:
                twins.link(number)
            case 3:
                world.hub.loses_acks = not world.hub.loses_acks
            case 4:
                world.restart()
            case _:
                twins.pass_(OUTAGE_NS)
        twins.pass_(rng.choice([15, 40, 1000, 4000]) * NS_PER_MS)

    for number in (0, 1, 0, 1):
        twins.link(number).hub.loses_acks = False
        twins.pass_(100 * NS_PER_S)

    there = Counter(twins.payloads())
    assert [one for one in (*numbers(1, 10), *stored) if one not in there] == []
    assert [world.status.lag_messages for world in twins.worlds] == [0, 0]


def test_a_message_that_is_open_is_not_taken_for_stored_because_of_the_other_ones_newest() -> None:
    twins = Twins(is_work_queue=True)
    first = twins.on
    first.hub.refuses.add(b"A11")
    first.store(b"A11", b"A12")
    twins.pass_(NS_PER_S)
    assert first.pending == [11]

    second = twins.link(1)
    for payload in (b"B11", b"B12"):
        second.store(payload)
        twins.pass_(NS_PER_S)
    first.hub.refuses.clear()
    first.restart()
    twins.link(0)
    twins.pass_(10 * NS_PER_S)

    assert sorted(twins.payloads()[10:]) == [b"A11", b"A12", b"B11", b"B12"]
    assert first.pending == []


def newest_first_amid_a_backlog() -> World:
    """The hub has 1 to 10 and 27 to 90; 11 to 26 wait, and the link is gone."""
    world = World(replace(OPTIONS, newest_first=True, window_msgs=16))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(10 * NS_PER_S)
    world.link_down()
    world.store(*numbers(11, 90))
    world.clock.advance(OUTAGE_NS)
    world.hub.bytes_per_s = 2000
    world.link_up()
    while len(world.hub.stored) < 74:
        world.clock.advance(NS_PER_S // 50)
    world.link_down()
    world.hub.bytes_per_s = 0
    assert world.hub.payloads() == [*numbers(1, 10), *numbers(27, 90)]
    return world


def send_as_another(world: World, first: int, last: int) -> None:
    """One of its name, which had the same history up to 10, sends its own ones newest first."""
    origin, hub = world.uplink._flight.origin, world.hub
    assert origin is not None
    before = Place.of(10, world.local.times[10])
    for seq in range(first, last + 1):
        said = InFlight(seq - 1, hub.last_seq, b"1-%d" % (seq - 1), before.mark)
        before = Place.of(seq, world.clock.wall_ns() + seq)
        msg_id = origin.msg_id(before)
        _, block = onward.onward(msg_id, 0, b"", [said.line()])
        hub._store(Stored(b"edge.ev.a", block, b"B%d" % seq))


def test_newest_first_what_another_one_sent_is_not_ours_after_the_hub_said_no() -> None:
    world = newest_first_amid_a_backlog()
    send_as_another(world, 11, 40)

    world.hub.stream = "ANOTHER"
    world.link_up()
    world.clock.advance(HOURS_NS)
    assert world.status.last_error.endswith("stream not found (10059)")
    world.hub.stream = "AGG"
    world.clock.advance(600 * NS_PER_S)

    there = Counter(world.hub.payloads())
    assert [one for one in numbers(1, 90) if there[one] != 1] == []
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)


def test_newest_first_what_another_one_sent_is_not_ours_where_the_hub_lost_messages() -> None:
    """It cannot be gone on behind that: what waits is not sent, and is not taken for sent."""
    world = newest_first_amid_a_backlog()
    world.hub.make_anew()
    world.hub.run, world.hub.last_seq = "ANOTHER", 50
    send_as_another(world, 11, 40)

    world.link_up()
    world.clock.advance(600 * NS_PER_S)

    assert (world.status.state, world.status.lag_messages) == (State.RECOVERING, 16)
    assert "the hub's sequence 40 of this stream is not the one" in world.status.last_error
    asked = len(world.hub.questions)
    world.clock.advance(3600 * NS_PER_S)
    assert len(world.hub.questions) < asked + 300  # what went before that is no hope for it
