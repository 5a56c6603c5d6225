"""A hub that takes a subject no more while somebody there subscribes it: it never answers.

As nats-server 2.15.1, measured. Truth: docs/uplink.md, "What the hub never answers".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.clock import NS_PER_S
from tests.sim.uplink_world import OPTIONS, World

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream

SILENT: Final = b"edge.ev.b"
LONG_NS: Final = 4 * limits.UPLINK_SILENT_NS
NEWEST_FIRST: Final = replace(OPTIONS, newest_first=True)


def world_of(options: UplinkStream = OPTIONS, *, dead_letter: str = "DEAD") -> World:
    """One message is through before the hub's stream is edited."""
    world = World(options, dead_letter=dead_letter)
    world.start()
    world.store(b"0")
    world.clock.advance(5 * NS_PER_S)
    assert world.hub.payloads() == [b"0"]
    world.hub.swallows.add(SILENT)
    return world


def feed(world: World, first: int, last: int) -> None:
    """Store one a second."""
    for number in range(first, last + 1):
        world.store(b"%d" % number)
        world.clock.advance(NS_PER_S)
