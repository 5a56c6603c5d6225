"""The bound of what an uplink has sent and the hub has not acknowledged. Truth: docs/uplink.md."""

from __future__ import annotations

from leafnode.clock import NS_PER_S
from leafnode.config.options import UplinkStream
from tests.sim.uplink_world import World, numbers


def test_the_window_holds_no_more_than_its_number_of_messages() -> None:
    world = World(UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_msgs=4))
    world.start()
    world.hub.loses_acks = True

    world.store(*numbers(1, 5))
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == numbers(1, 4)
    assert world.status.in_flight == 4
    assert world.pending == [1, 2, 3, 4]


def test_the_window_holds_no_more_than_its_bytes() -> None:
    options = UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_bytes=1000)
    world = World(options)
    world.hub.loses_acks = True

    world.store(*[b"x" * 240] * 5)
    world.start()

    assert world.status.window_bytes == 4 * (240 + len(b"ev.a"))
    assert len(world.hub.payloads()) == 3  # on the way their headers count, too


def test_one_message_larger_than_the_window_goes_alone() -> None:
    options = UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_bytes=100)
    world = World(options)

    world.store(b"1", b"x" * 500, b"3")
    world.start()

    assert world.hub.payloads() == [b"1", b"x" * 500, b"3"]
