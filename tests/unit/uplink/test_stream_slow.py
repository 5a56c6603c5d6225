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


SLOW = [(5000, 20_000), (5000, 30_000), (5000, 100_000), (7500, 60_000)]


@pytest.mark.parametrize(("bytes_per_s", "size"), SLOW)
def test_messages_that_take_longer_than_the_ack_timeout_go_at_the_rate_of_the_link(
    bytes_per_s: int, size: int
) -> None:
    """What the first ones took was held for the round trip, so the window grew over them, and then
    they were overdue: 4 of 12 were there in that time, each sent once more to ask for it.
    """
    world = World()
    world.hub.bytes_per_s = world.hub.answers_per_s = bytes_per_s
    world.start()
    world.store(*[bytes(size)] * 12)

    world.clock.advance((12 * size // bytes_per_s + 30) * NS_PER_S)

    assert (len(world.hub.payloads()), len(world.hub.received)) == (12, 12)
    assert (world.status.counters.cuts, world.hub.knocks) == (0, [])
    assert len(world.hub.questions) <= 3
    assert world.status.last_error == world.status.former_error == ""


@pytest.mark.parametrize(("bytes_per_s", "size"), [(1200, 30_000), (1200, 7000), (300, 2000)])
def test_on_the_slowest_link_the_first_ones_show_how_long_one_takes(
    bytes_per_s: int, size: int
) -> None:
    world = World()
    world.hub.bytes_per_s = world.hub.answers_per_s = bytes_per_s
    world.start()
    world.store(*[bytes(size)] * 12)

    world.clock.advance(600 * NS_PER_S)

    assert len(world.hub.payloads()) == 12
    assert world.status.counters.cuts <= 2
    assert world.status.last_error == ""


@pytest.mark.parametrize(("bytes_per_s", "size"), SLOW)
def test_after_an_outage_a_slow_link_brings_the_question_and_the_answer_once(
    bytes_per_s: int, size: int
) -> None:
    world = World()
    world.hub.bytes_per_s = world.hub.answers_per_s = bytes_per_s
    world.start()
    world.store(*[bytes(size)] * 4)
    world.clock.advance((size // bytes_per_s + 1) * NS_PER_S)
    world.link_down()
    world.hub.questions.clear()
    world.clock.advance(5 * NS_PER_S)
    world.link_up()

    world.clock.advance((8 * size // bytes_per_s + 30) * NS_PER_S)

    assert (len(world.hub.payloads()), len(world.hub.received)) == (4, 4)
    assert (len(world.hub.questions), len(world.hub.knocks)) == (1, 1)


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
