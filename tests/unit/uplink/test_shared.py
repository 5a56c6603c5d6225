"""Somebody else pulls from the durable consumer of an uplink, to look at what waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.uplink.status import State
from tests.sim.uplink_world import OPTIONS, World, numbers


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("is_work_queue", [False, True])
@pytest.mark.parametrize("taken", [1, 5, 40])
def test_what_somebody_else_was_given_and_never_acknowledged_goes_up_in_order(
    taken: int, is_work_queue: bool, restarts: bool
) -> None:
    world = World(replace(OPTIONS, window_msgs=16))
    world.local.is_work_queue = is_work_queue
    world.start()
    for number in range(1, 201):
        if number % 50 == 25:
            world.local.others_take += taken
        world.store(b"%d" % number)
        world.clock.advance(NS_PER_S // 100)
        if restarts and number == 126:
            world.restart()
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 200)
    assert world.pending == []
    assert (world.status.state, world.status.problem) == (State.RUNNING, "")


def test_what_somebody_else_has_while_the_hub_is_asked_is_waited_for() -> None:
    world = World(replace(OPTIONS, window_msgs=16))
    world.start()
    world.store(*numbers(1, 10))
    world.clock.advance(NS_PER_S)
    world.hub.loses_answers = True
    world.restart()
    world.clock.advance(10 * NS_PER_S)
    assert world.status.state is State.ASKING
    world.local.others_take = 5
    world.store(*numbers(11, 40))
    world.clock.advance(NS_PER_S // 10)
    world.hub.loses_answers = False
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 40)
    assert world.pending == []


def test_a_look_at_one_message_holds_the_rest_no_longer_than_its_ack_wait() -> None:
    world = World(OPTIONS)
    world.start()
    world.local.others_take = 1
    world.store(*numbers(1, 10))
    world.clock.advance(limits.UPLINK_ACK_WAIT_NS + NS_PER_S)

    assert world.hub.payloads() == numbers(1, 10)


def test_it_is_said_who_keeps_it_waiting() -> None:
    world = World(OPTIONS)
    world.start()
    world.local.others_take = 1
    world.store(b"1", b"2")
    world.clock.advance(NS_PER_S // 10)

    assert "somebody else pulls from the uplink's consumer" in world.status.problem


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_messages_that_went_out_of_the_stream_do_not_stand_in_for_what_others_have(
    removed: int,
) -> None:
    world = World()
    world.start()
    world.store(b"0")
    world.clock.advance(5 * NS_PER_S)
    world.link_down()
    world.store(*numbers(1, 4))
    world.clock.advance(NS_PER_S // 10)
    world.local.delete(*range(2, 2 + removed))
    world.local.others_take = 2
    world.store(*numbers(5, 7))
    world.clock.advance(NS_PER_S // 10)
    world.link_up()
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(0, 7)
    assert world.pending == []


def test_what_others_acknowledge_is_theirs_and_keeps_nothing_back() -> None:
    world = World(replace(OPTIONS, window_msgs=16))
    world.start()
    world.local.others_take = 3
    world.store(*numbers(1, 40))
    (consumer,) = world.local.consumers.values()
    for seq in list(consumer.pending)[:3]:
        consumer.pending.pop(seq)
    world.clock.advance(60 * NS_PER_S)

    assert world.hub.payloads() == numbers(4, 40)
    assert world.status.lag_messages == 0
    assert world.uplink._flight.window.floor == 40


def test_who_pulls_all_the_time_is_named_all_the_time() -> None:
    world = World(OPTIONS)
    world.start()
    for number in range(100):
        world.local.others_take = 1
        world.store(b"%d" % number, b"x")
        world.clock.advance(NS_PER_S // 5)
        if number > 1:
            assert "somebody else pulls" in world.status.problem
