"""Random links, restarts and refusals: every message is at the hub once. Truth: docs/uplink.md."""

from __future__ import annotations

import random

import pytest

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from tests.sim.uplink_world import OUTAGE_NS, World, numbers


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_link_does_every_message_is_at_the_hub_once(seed: int) -> None:
    rng = random.Random(seed)
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_msgs=16))
    world.uplink.start()
    sent = 0
    for _ in range(60):
        for _ in range(rng.randrange(8)):
            sent += 1
            world.store(b"%d" % sent)
        world.clock.advance(rng.randrange(1, 60) * NS_PER_MS)
        match rng.randrange(8):
            case 0:
                world.link_down()
                world.clock.advance(rng.choice([NS_PER_MS, NS_PER_S, OUTAGE_NS]))
                world.link_up()
            case 1:
                world.restart()
            case 2:
                world.hub.refuses = {b"%d" % rng.randrange(sent + 5)}
            case 3:
                world.hub.refuses = set()
            case 4:
                world.hub.loses_acks = not world.hub.loses_acks
            case 5:
                world.hub.loses_answers = not world.hub.loses_answers
            case 6:
                world.hub.publish(b"edge.other", b"stranger")
    world.hub.refuses = set()
    world.hub.loses_acks = world.hub.loses_answers = False
    world.clock.advance(200 * NS_PER_S)

    arrived = [payload for payload in world.hub.payloads() if payload != b"stranger"]
    assert sorted(arrived, key=int) == numbers(1, sent)
    assert world.pending == []
