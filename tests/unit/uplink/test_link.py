"""Whose PubAcks count: the asked hub's, for what was sent to it. Truth: docs/uplink.md."""

from __future__ import annotations

import json

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.routing.peer import Kind, Peer
from tests.sim.uplink_world import World, numbers


def test_late_answers_for_a_former_stream_are_none_for_the_present_one() -> None:
    world = World()
    world.local.is_work_queue = True
    world.start()
    world.store(*(b"old%d " % number + b"o" * 100 for number in range(1, 11)))
    world.clock.advance(NS_PER_S)
    world.hub.queue_ns = 1500 * NS_PER_MS  # the hub's stream is slow, its answers to questions not
    world.store(*(b"old%d " % number + b"o" * 100 for number in range(11, 41)))
    world.clock.advance(200 * NS_PER_MS)
    assert world.status.in_flight > 0

    world.local.make_anew("2026-02-02T00:00:00Z")
    world.clock.advance(10 * NS_PER_MS)
    new = [b"new%d " % number + b"n" * 3000 for number in range(1, 31)]
    world.store(*new)
    world.clock.advance(20 * NS_PER_S)
    world.hub.queue_ns = 0
    world.clock.advance(300 * NS_PER_S)

    assert [one for one in world.hub.payloads() if one.startswith(b"new")] == new
    assert world.local.messages == {}


def test_a_leaf_below_cannot_acknowledge_for_the_hub() -> None:
    world = World()
    world.local.is_work_queue = True
    world.start()
    world.hub.loses = [b"2", b"3"]
    world.store(*numbers(1, 3))
    world.clock.advance(100 * NS_PER_MS)
    below = Peer(901, Kind.LEAF, world.account.system.outbox)
    below.account = world.account

    for seq in (2, 3):
        ack = json.dumps({"stream": "AGG", "domain": "hub", "seq": seq}).encode()
        world.account.publish(world.uplink._mailbox.address(b"p", b"%d" % seq), ack, origin=below)
    assert sorted(world.local.messages) == [2, 3]
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 3)
