"""What is told when what waits for the hub has no room, or goes before the hub had it.

Truth: docs/uplink.md, "Lag".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode import limits
from tests.sim.uplink_world import World, numbers

if TYPE_CHECKING:
    import pytest


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
