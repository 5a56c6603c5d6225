"""Two gateways of one name, as from a cloned card: one link ends the other's, and both go on.

Truth: docs/uplink.md, "A copy that was restored".
"""

from __future__ import annotations

import copy
import random
from collections import Counter

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from tests.sim.uplink_world import OUTAGE_NS, World, numbers


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
