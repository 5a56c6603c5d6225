"""What both ways out of a consumer have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leafnode.store.api import StoredMsg
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from leafnode.jetstream.consumer import Consumer

WAYS = [
    pytest.param({}, id="pull"),
    pytest.param({"deliver_subject": "d"}, id="push"),
]
MSG = StoredMsg(1, b"s.a", 1, 0, b"x")


def consumer(**config: Any) -> tuple[World, Consumer]:
    world = World()
    world.create_stream()
    world.create_consumer(**config)
    return world, world.js.streams["S"].consumers["C"]


def want(world: World, config: dict[str, Any]) -> list[Any]:
    """Somebody asks for messages."""
    return world.listen("d") if config else world.fetch({"batch": 2, "expires": 10**9})


@pytest.mark.parametrize("config", WAYS)
def test_an_outlet_is_used_while_somebody_wants_messages(config: dict[str, Any]) -> None:
    world, one = consumer(**config)
    assert not one.outlet.is_used()

    want(world, config)

    assert one.outlet.is_used()


@pytest.mark.parametrize("config", WAYS)
def test_what_is_taken_is_sent_at_the_end_of_the_turn(config: dict[str, Any]) -> None:
    world, one = consumer(**config)
    heard = want(world, config)

    one.outlet.begin()
    assert one.outlet.ready()
    assert one.outlet.take(MSG, b"ack", 7)
    assert heard == []
    one.outlet.end(over=False)

    assert [(message.subject, message.reply, message.payload) for message in heard] == [
        (b"s.a", b"ack", b"x")
    ]


@pytest.mark.parametrize("config", WAYS)
def test_interest_is_remembered_by_its_time(config: dict[str, Any]) -> None:
    world, one = consumer(**config)
    world.clock.advance(10**9)

    want(world, config)
    one.outlet.is_used()

    assert one.outlet.last_active_ns == world.clock.monotonic_ns()
