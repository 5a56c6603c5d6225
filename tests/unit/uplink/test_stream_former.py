"""What a former run was given is here again, all of it, before anything new is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink.status import State
from tests.sim.uplink_world import OPTIONS, OUTAGE_NS, World, numbers


def pulled_and_killed(count: int, *, window_msgs: int = 16) -> World:
    """Give a world whose process died with so many messages out, and the hub away."""
    world = World(replace(OPTIONS, window_msgs=window_msgs))
    world.start()
    world.link_down()
    world.store(*numbers(1, count))
    world.clock.advance(NS_PER_S)
    assert len(world.pending) == min(count, window_msgs)
    world.restart()
    world.link_up()
    return world


def replace_all(world: World, payload: bytes) -> None:
    """As a stream of last values does: each message comes in the place of the one before."""
    for _ in range(20):
        seq = world.local.store(payload)
        world.clock.advance(NS_PER_MS)
        world.local.delete(seq)


@pytest.mark.parametrize("is_work_queue", [False, True])
def test_new_messages_that_go_out_of_the_stream_stand_for_none_of_a_former_run(
    *, is_work_queue: bool
) -> None:
    world = pulled_and_killed(4)
    world.local.is_work_queue = is_work_queue

    replace_all(world, b"reading")
    world.store(b"5")
    world.clock.advance(limits.UPLINK_RETRY_NS)
    assert world.hub.payloads() == []
    assert world.status.state is State.RECOVERING

    world.clock.advance(10 * NS_PER_S)
    assert world.hub.payloads() == numbers(1, 5)
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)


def test_what_went_out_of_the_stream_while_it_was_waited_for_is_not_sent() -> None:
    world = pulled_and_killed(8)
    world.clock.advance(NS_PER_S // 2)
    world.local.delete(3, 4)
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == [b"1", b"2", *numbers(5, 8)]
    assert world.status.lag_messages == 0


def test_what_came_back_and_went_before_the_others_came_is_not_counted_for_them() -> None:
    world = World(replace(OPTIONS, window_msgs=16))
    world.start()
    world.link_down()
    world.store(b"1")
    world.clock.advance(NS_PER_S + 500 * NS_PER_MS)
    world.store(*numbers(2, 5))
    world.clock.advance(100 * NS_PER_MS)
    world.restart()
    world.link_up()
    world.clock.advance(500 * NS_PER_MS)  # the first is back, and two new ones
    world.local.delete(world.local.store(b"new"))
    world.local.delete(1)
    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == numbers(2, 5)
    assert world.status.lag_messages == 0


def test_a_stream_of_last_values_that_never_rests_is_recovered_all_the_same() -> None:
    world = pulled_and_killed(16)
    newest = 0
    for number in range(2000):
        seq = world.local.store(b"reading %d" % number)
        if newest in world.local.messages:
            world.local.delete(newest)
        newest = seq
        world.clock.advance(5 * NS_PER_MS)
    world.clock.advance(NS_PER_S)

    assert world.hub.payloads()[:16] == numbers(1, 16)
    assert world.status.lag_messages == 0


def test_the_window_does_not_grow_while_it_is_waited() -> None:
    world = pulled_and_killed(12)
    most = 0
    for _ in range(200):
        seq = world.local.store(b"reading")
        world.clock.advance(NS_PER_MS)
        world.local.delete(seq)
        most = max(most, world.status.window_messages)

    assert most <= 2 * 16
    assert world.status.state is State.RECOVERING


def test_a_stream_that_does_not_say_what_it_has_is_asked_again() -> None:
    world = pulled_and_killed(6)
    world.local.silent = True
    world.clock.advance(20 * NS_PER_S)
    assert world.hub.payloads() == []
    assert world.status.last_error

    world.local.silent = False
    world.clock.advance(OUTAGE_NS)
    assert world.hub.payloads() == numbers(1, 6)


def test_what_a_former_run_was_given_comes_back_in_pulls_of_a_few() -> None:
    world = pulled_and_killed(16)
    world.local.max_batch = 3

    world.clock.advance(20 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 16)
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)


def test_a_consumer_that_is_edited_to_take_no_pull_is_set_back() -> None:
    world = World(OPTIONS)
    world.start()
    world.store(b"1")
    world.clock.advance(NS_PER_S)
    (consumer,) = world.local.consumers.values()
    consumer.config["max_batch"] = 1
    world.store(*numbers(2, 300))

    world.clock.advance(10 * NS_PER_S)

    assert world.hub.payloads() == numbers(1, 300)
    assert (world.status.state, world.status.lag_messages) == (State.RUNNING, 0)
