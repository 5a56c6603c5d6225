"""What is told when what waits for the hub has no room, or goes before the hub had it.

Truth: docs/uplink.md, "Lag".
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.uplink.status import State
from tests.sim.uplink_world import OPTIONS, World, numbers

if TYPE_CHECKING:
    from leafnode.config.options import UplinkStream


def look(world: World) -> None:
    world.clock.advance(limits.UPLINK_LAG_REFRESH_NS)


def test_a_full_stream_that_refuses_is_told_though_the_hub_has_some_or_all_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.local.bounds = {"max_msgs": 5, "discard": "new"}
    world.start()
    world.store(*numbers(1, 2))
    look(world)
    assert (world.status.backlog, world.status.lag_messages) == ("", 0)

    world.link_down()
    world.store(*numbers(3, 5))
    look(world)
    why = "the stream is full: max_msgs 5, what comes is refused"
    assert (world.status.backlog, world.status.lag_messages) == (why, 3)

    world.link_up()
    look(world)
    assert (world.status.backlog, world.status.lag_messages) == (why, 0)
    assert caplog.text.count(why) == 1

    world.local.delete(1)
    look(world)
    assert world.status.backlog == ""


def test_a_used_up_room_of_the_server_is_told_while_it_lasts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.start()
    world.link_down()
    world.store(*numbers(1, 3))
    look(world)
    assert world.status.backlog == ""

    world.no_room = "max_file_store 40960 of this server"
    look(world)
    look(world)
    why = "JetStream is full: max_file_store 40960 of this server, what comes is refused"
    assert world.status.backlog == why
    assert caplog.text.count(why) == 1

    world.no_room = ""
    look(world)
    assert world.status.backlog == ""


def test_without_room_the_oldest_of_a_full_stream_are_not_lost_but_what_comes_is_refused() -> None:
    world = World()
    world.local.bounds = {"max_msgs": 3}
    world.no_room = "max_file_store 40960 of this server"
    world.start()
    world.link_down()
    world.store(*numbers(1, 3))
    look(world)

    assert world.status.backlog.startswith("JetStream is full: max_file_store 40960 ")


# -- what goes before the hub had it


NEWEST_FIRST = replace(OPTIONS, newest_first=True)
BLIND = replace(OPTIONS, hub_stream="", domain="")
FEW = replace(OPTIONS, window_msgs=4)


def offline(options: UplinkStream = FEW, **bounds: object) -> World:
    """Give a world that has sent 2 messages, and in which more than a window of others wait."""
    world = World(options)
    world.local.bounds = dict(bounds)
    world.start()
    world.store(*numbers(1, 2))
    look(world)
    world.link_down()
    world.store(*numbers(3, 12))
    look(world)
    look(world)
    assert (world.status.counters.uplinked, world.status.lag_messages) == (2, 10)
    return world


@pytest.mark.parametrize(
    ("bounds", "cause"),
    [
        ({"max_age": 5 * NS_PER_S}, "max_age 5s"),
        ({"max_age": 3600 * NS_PER_S}, "a delete or a purge"),
        ({}, "a delete or a purge"),
        ({"allow_msg_ttl": True}, "a TTL or a delete"),
    ],
)
@pytest.mark.parametrize("options", [FEW, NEWEST_FIRST])
def test_what_goes_before_the_hub_had_it_is_counted_and_told_until_nothing_waits(
    options: UplinkStream,
    bounds: dict[str, object],
    cause: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = offline(options, **bounds)
    held = world.status.window_messages

    world.local.delete(*range(1, 10))
    look(world)

    lost = 7 - held
    assert lost > 0
    words = f"{cause} removed {lost} messages that the hub does not have"
    status = world.status
    assert (status.counters.removed, status.lag_messages) == (lost, 10 - lost)
    assert status.backlog == words
    assert status.acked_seq in {2, 9}  # nothing before the window, or nothing that is there
    look(world)
    assert caplog.text.count(words) == 1

    world.link_up()
    look(world)
    look(world)
    status = world.status
    assert len(world.hub.payloads()) == 12 - lost
    assert (status.counters.removed, status.lag_messages, status.backlog) == (lost, 0, "")
    assert f"Uplink goes on behind a loss: stream=EV loss={words}" in caplog.text


def test_a_loss_is_told_for_as_long_as_the_hub_is_away_though_nothing_is_left() -> None:
    world = offline()
    world.local.delete(*world.local.messages)
    world.restart()
    world.store(b"13")
    world.clock.advance(limits.UPLINK_ACK_WAIT_NS + NS_PER_S)
    look(world)
    world.local.delete(*world.local.messages)
    look(world)
    look(world)

    words = "a delete or a purge removed 1 messages that the hub does not have"
    assert (world.status.lag_messages, world.status.backlog) == (0, words)


@pytest.mark.parametrize("options", [FEW, NEWEST_FIRST])
def test_what_the_hub_has_may_go(options: UplinkStream) -> None:
    world = World(options)
    world.start()
    world.store(*numbers(1, 20))
    look(world)

    world.local.delete(*world.local.messages)
    look(world)
    world.store(*numbers(21, 22))
    look(world)

    assert (world.status.counters.removed, world.status.backlog) == (0, "")


def test_a_full_stream_says_how_many_of_the_oldest_were_lost() -> None:
    world = offline(max_msgs=12)

    world.store(*numbers(13, 22))
    world.local.delete(*range(1, 11))
    look(world)

    lost = world.status.counters.removed
    assert lost == 8 - world.status.window_messages > 0
    assert world.status.backlog == (
        "the backlog is full: max_msgs 12 of messages that the hub does not have, "
        f"the oldest are lost; max_msgs 12 removed {lost} messages that the hub does not have"
    )


def test_what_is_replaced_by_the_newest_of_its_subject_is_counted_and_no_alarm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = offline(max_msgs_per_subject=3)
    world.local.max_per_subject = 3

    world.store(b"13")
    look(world)

    lost = world.status.counters.removed
    assert lost == 8 - world.status.window_messages > 0
    assert world.status.backlog == ""
    assert "removed" not in caplog.text


def test_what_went_while_the_process_was_away_is_known_when_the_hub_has_said_what_it_has() -> None:
    world = offline(max_age=5 * NS_PER_S)
    held = world.status.window_messages
    world.uplink.stop()
    world.local.delete(*range(1, 10))
    world.restart()
    look(world)
    assert world.status.counters.removed == 0

    world.link_up()
    world.clock.advance(limits.UPLINK_ACK_WAIT_NS)
    look(world)

    assert len(world.hub.payloads()) == 2 + 3
    assert world.status.counters.removed == 7 - held


def any_life(seed: int, options: UplinkStream, *, is_work_queue: bool) -> World:
    """Give a world in which messages come, go and are sent by chance; nothing waits in the end."""
    rng = random.Random(seed)
    world = World(replace(options, window_msgs=rng.choice([2, 4, 16])))
    world.local.is_work_queue = is_work_queue
    world.local.max_per_subject = rng.choice([0, 0, 3])
    world.start()
    if options.newest_first or rng.random() < 0.5:
        world.store(b"first")
        look(world)
    for _ in range(50):
        match rng.randrange(6):
            case 0:
                world.link_down()
            case 1:
                world.link_up()
            case 2:
                world.store(*numbers(1, rng.choice([1, 5, 30])))
            case 3:
                there = list(world.local.messages)
                first = rng.choice([0, rng.randrange(len(there) + 1)])
                world.local.delete(*there[first : first + rng.choice([1, 3, 20])])
            case 4:  # a leader dies
                world.hub.loses += numbers(1, rng.choice([1, 5, 30]))
            case _:
                world.clock.advance(rng.choice([1, 50, 300, 9000]) * NS_PER_MS)
    world.hub.loses = []
    world.link_up()
    world.clock.advance(60 * NS_PER_S)
    assert world.status.lag_messages == 0
    return world


@pytest.mark.parametrize("is_work_queue", [False, True])
@pytest.mark.parametrize("options", [OPTIONS, BLIND], ids=["asked", "blind"])
@pytest.mark.parametrize("seed", range(12))
def test_in_one_run_all_that_was_lost_is_counted_and_nothing_else(
    seed: int, options: UplinkStream, *, is_work_queue: bool
) -> None:
    world = any_life(seed, options, is_work_queue=is_work_queue)

    lost = world.local.last_seq - len(world.hub.stored)

    assert world.status.counters.removed == lost


@pytest.mark.parametrize("seed", range(12))
def test_newest_first_no_more_is_counted_than_was_lost(seed: int) -> None:
    world = any_life(seed, NEWEST_FIRST, is_work_queue=False)

    lost = world.local.last_seq - len(world.hub.stored)

    assert lost // 2 <= world.status.counters.removed <= lost


def test_a_stream_that_is_gone_is_not_full() -> None:
    world = offline(max_msgs=12, discard="new")
    assert world.status.backlog == "the stream is full: max_msgs 12, what comes is refused"

    world.local.denies_consumers = True
    world.local.make_anew("2026-02-02T00:00:00Z")
    look(world)

    assert (world.status.state, world.status.backlog) == (State.OPENING, "")
