"""Sources whose origin was deleted and made anew: its sequences begin again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from tests.unit.jetstream.test_sources import RETRY_NS, create, stored, two_origins

if TYPE_CHECKING:
    from tests.unit.jetstream.world import World

NOTICED_NS = limits.ORIGIN_SILENCE_NS + limits.ORIGIN_BACKOFF_NS + 2 * RETRY_NS


def made_anew(world: World) -> None:
    """It was read before and after: its sequences are smaller now."""
    for _ in range(4):
        world.publish("a.1", b"old")
    create(world, {"name": "A"})
    world.api("STREAM.DELETE.A")
    world.clock.advance(1)
    world.create_stream("A", subjects=["a.*"])
    world.publish("a.1", b"new")
    world.publish("a.2", b"newer")
    world.clock.advance(NOTICED_NS)
    assert [payload for _, payload in stored(world)] == [b"old"] * 4 + [b"new", b"newer"]


def test_an_origin_that_was_made_anew_is_not_read_again_after_a_restart() -> None:
    world = two_origins()
    made_anew(world)

    for _ in range(2):
        world.restart()
        world.clock.advance(NOTICED_NS)

    assert [payload for _, payload in stored(world)] == [b"old"] * 4 + [b"new", b"newer"]


def test_nor_where_only_messages_of_the_former_one_are_left() -> None:
    world = two_origins()
    made_anew(world)
    for seq in (5, 6):
        assert world.api("STREAM.MSG.DELETE.S", {"seq": seq})["success"]

    world.restart()
    world.clock.advance(NOTICED_NS)

    assert [payload for _, payload in stored(world)] == [b"old"] * 4


@pytest.mark.parametrize("version", ["present", "older"])
def test_what_a_crash_left_of_one_that_was_made_anew_counts(version: str) -> None:
    """Its first messages are on disk, and how far it was is not."""
    world = two_origins()
    for _ in range(4):
        world.publish("a.1", b"old")
    create(world, {"name": "A"})
    record = world.store.kept["$G", "S"][".sources"]
    if version == "older":  # it does not say where in this stream it was written
        places = {k: v for k, v in json.loads(record.state).items() if k}
        record = replace(record, made=json.dumps(places).encode())
    world.api("STREAM.DELETE.A")
    world.clock.advance(1)
    world.create_stream("A", subjects=["a.*"])
    world.publish("a.1", b"new")
    world.clock.advance(NOTICED_NS)

    world.store.kept["$G", "S"][".sources"] = record
    world.restart()
    world.publish("a.1", b"newer")
    world.clock.advance(NOTICED_NS)

    assert [payload for _, payload in stored(world)] == [b"old"] * 4 + [b"new", b"newer"]
