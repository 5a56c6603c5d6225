"""leafnode.jetstream.deleted: who waits at a stream whose deletion failed hears how it ended."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.jetstream.world import Msg


@pytest.fixture
def world(tmp_path: Path) -> RealWorld:
    made = RealWorld(tmp_path)
    made.create_stream()
    made.create_consumer()
    return made


def waiting(world: RealWorld) -> list[Msg]:
    return world.fetch({"batch": 1, "expires": 60 * NS_PER_S})


def deletion_fails(world: RealWorld, *, lies: bool) -> None:
    world.disk.lies = lies
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR_FSYNC)
    assert "error" in world.api("STREAM.DELETE.S")


def test_who_waits_is_told_when_it_was_deleted_all_the_same(world: RealWorld) -> None:
    heard = waiting(world)
    told = world.listen("$JS.EVENT.ADVISORY.STREAM.DELETED.S")
    deletion_fails(world, lies=True)
    world.clock.advance(20 * NS_PER_S)  # the disk does not work yet
    assert heard == []

    world.heal()
    world.clock.advance(20 * NS_PER_S)
    world.settle()

    assert [msg.status for msg in heard] == [b"NATS/1.0 409 Consumer Deleted"]
    assert (len(told), world.js.streams) == (1, {})


def test_who_waits_gets_what_comes_when_it_is_there_again(world: RealWorld) -> None:
    heard = waiting(world)
    deletion_fails(world, lies=False)
    world.heal()
    world.clock.advance(20 * NS_PER_S)
    world.settle()

    world.put("s.a", b"x")

    assert [msg.payload for msg in heard] == [b"x"]


def test_a_new_stream_of_the_name_is_another_one(world: RealWorld) -> None:
    heard = waiting(world)
    deletion_fails(world, lies=True)
    world.heal()
    world.create_stream()
    world.settle()
    world.clock.advance(20 * NS_PER_S)
    world.settle()

    assert [msg.status for msg in heard] == [b"NATS/1.0 409 Consumer Deleted"]
    assert set(world.js.streams) == {"S"}


def test_nobody_is_told_after_the_end(world: RealWorld) -> None:
    heard = waiting(world)
    deletion_fails(world, lies=True)
    world.js.shut_down()
    world.heal()
    world.clock.advance(20 * NS_PER_S)

    assert heard == []
