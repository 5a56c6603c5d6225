"""What is sent and answered: in which steps, what is not taken, what is no answer."""

from __future__ import annotations

from typing import Any

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.config.options import UplinkStream
from leafnode.uplink.status import State
from tests.sim.uplink_world import World, numbers


def test_subjects_that_nobody_takes_are_remembered_up_to_a_bound() -> None:
    world = World(
        UplinkStream(stream="EV", hub_stream="AGG", domain="hub", window_msgs=1000),
        hub_subjects=(b"edge.ev.a",),
        dead_letter="DEAD",
    )
    world.start()
    count = limits.UPLINK_UNTAKEN_MAX + 5
    for number in range(count):
        world.local.store(b"x", b"ev.bad.%d" % number)

    world.clock.advance(1000 * NS_PER_S)

    flight = world.uplink._flight
    assert 0 < len(flight.untaken) <= limits.UPLINK_UNTAKEN_MAX


def test_a_refused_message_waits_for_the_send_window_too() -> None:
    world = World()
    world.hub.refuses.add(b"1")
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    assert world.status.state is State.REFUSED
    tried = len(world.hub.received)
    other = world.uplink._gate
    other._flow.limit, other._in_flight = 10, 10  # another stream has filled the link

    world.clock.advance(60 * NS_PER_S)
    assert len(world.hub.received) == tried

    world.hub.refuses.clear()
    other.landed(10)
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == [b"1"]


def test_what_comes_in_one_turn_is_sent_in_one_step() -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(*numbers(1, 200))
    steps = 0
    settle = world.uplink._gate.settle

    def counting(*words: Any, **more: Any) -> None:
        nonlocal steps
        steps += 1
        settle(*words, **more)

    world.uplink._gate.settle = counting  # type: ignore[method-assign]
    world.link_up()
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads() == numbers(1, 200)
    assert steps < 100  # each message and each PubAck had two of its own, 800


def test_of_one_stream_so_many_are_sent_in_a_turn_and_no_more() -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(*numbers(1, 200))
    world.hub.loses_acks = True
    soon, sent = world.uplink._flight._soon, []
    pump = soon._callback

    def counting() -> None:
        before = world.status.in_flight
        pump()
        sent.append(world.status.in_flight - before)

    soon._callback = counting
    world.link_up()
    world.clock.advance(NS_PER_S)

    assert sum(sent) > 0
    assert world.status.in_flight - sum(sent) == limits.UPLINK_SENDS_PER_TURN


def test_what_is_no_pub_ack_is_no_answer_and_is_named() -> None:
    """A subscriber at the hub answers whatever has a reply."""
    world = World()
    world.start()
    world.hub.beside = [b"+OK", b"{}"]

    world.store(*numbers(1, 3))
    world.clock.advance(15 * NS_PER_MS)  # those answer before the stream does

    problem = "somebody upstream answers beside the stream: a PubAck without a sequence"
    assert world.status.last_error == problem
    assert world.status.state is State.RUNNING
    world.clock.advance(NS_PER_S)
    assert world.hub.payloads() == numbers(1, 3)
    assert world.status.lag_messages == 0
    assert world.status.counters.refused == world.status.counters.resent == 0
    assert (world.status.last_error, world.status.former_error) == ("", problem)
