"""Links that take long for one message: what is under way is no silence. Truth: docs/uplink.md."""

from __future__ import annotations

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.status import State
from tests.sim.uplink_world import World


@pytest.mark.parametrize("size", [20_000, 100_000, 600_000])
def test_a_large_message_on_a_very_slow_link_is_sent_once_and_asked_for_once(size: int) -> None:
    """40 kbit/s: its PubAck and, in base64, it itself take longer than anybody waits for silence.
    Asked for again and again it was still on its way when the question was given up, for ever.
    """
    world = World()
    world.hub.bytes_per_s = world.hub.answers_per_s = 5000
    world.start()
    world.store(b"1".rjust(size))
    world.clock.advance(600 * NS_PER_S)
    world.restart()
    world.store(b"2")
    world.clock.advance(600 * NS_PER_S)

    assert [payload[-1:] for payload in world.hub.payloads()] == [b"1", b"2"]
    assert len(world.hub.received) == 2
    assert len(world.hub.questions) <= 4
    assert (world.status.state, world.status.protection.value) == (State.RUNNING, "asked")
    assert world.status.last_error == world.status.former_error == ""


def test_the_first_answer_of_a_run_may_come_while_the_hub_is_asked() -> None:
    """What it is asked for then, under which subject that was stored, took the place of the
    questions where to go on: they were never answered.
    """
    world = World()
    world.start()
    world.hub.queue_ns, world.hub.loses_answers = 9 * NS_PER_S, True
    world.store(b"1")
    world.clock.advance(10 * NS_PER_S)
    assert (world.status.state, world.status.counters.uplinked) == (State.ASKING, 1)
    world.hub.queue_ns, world.hub.loses_answers = 0, False
    world.store(b"2")

    world.clock.advance(30 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2"]
    assert (world.status.state, world.status.last_error) == (State.RUNNING, "")


def test_a_hub_that_brings_something_else_all_the_time_is_not_waited_for_without_end() -> None:
    world = World()
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    world.hub.loses_acks = True
    world.hub.answers_per_s, world.hub._answered_ns = 1, 10**18
    world.store(b"2")

    world.clock.advance(limits.UPLINK_AMID_NS - NS_PER_S)
    assert world.status.counters.cuts == 0
    world.clock.advance(10 * NS_PER_S)

    assert world.status.counters.cuts == 1
