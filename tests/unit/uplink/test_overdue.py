"""How long an answer may take, and what becomes of what has none."""

from __future__ import annotations

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink.status import State
from tests.sim.uplink_world import OPTIONS, World, numbers


def test_a_slow_link_that_goes_on_is_not_cut() -> None:
    # 64 KiB at 5 kB/s take 13 s, more than the ack timeout; PubAcks come all the time.
    world = World()
    world.start()
    world.link_down()
    world.store(*[b"x" * 1000] * 64)
    world.hub.bytes_per_s = 5000
    world.link_up()

    world.clock.advance(30 * NS_PER_S)

    assert len(world.hub.payloads()) == 64
    assert world.status.counters.cuts == 0
    assert world.status.counters.resent == 0
    assert world.hub.queued_ns_max < 3 * NS_PER_S


def test_one_message_that_is_never_acknowledged_is_asked_about_although_others_are() -> None:
    world = World()
    world.start()
    world.hub.loses_acks = True
    world.store(b"1")
    world.clock.advance(15 * NS_PER_MS)
    world.hub.loses_acks = False
    world.hub.questions.clear()

    for number in numbers(2, 30):
        world.store(number)
        world.clock.advance(NS_PER_S)

    assert world.hub.questions
    assert world.hub.payloads() == numbers(1, 30)
    assert world.pending == []


def test_silence_is_a_cut_after_the_ack_timeout() -> None:
    world = World()
    world.start()
    world.hub.loses_acks = True
    world.store(b"1")

    world.clock.advance(OPTIONS.ack_timeout_ns - NS_PER_S)
    assert world.status.state is State.RUNNING
    world.clock.advance(2 * NS_PER_S)

    assert world.status.counters.cuts == 1
    assert world.hub.doubts == 1  # it may be the link
