"""Consumers follow a purge that is on disk, and only that, when a later commit fails."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path

    from leafnode.routing.subscription import Delivery

LOST = pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL])


def purge_before_a_failure(
    world: RealWorld, wanted: str, code: int, later: list[str]
) -> list[dict[str, object]]:
    """Have a, b and c out, and purge. Each of `later` is published when the one before is on disk,
    and the commit of the last one fails. Return what publishers heard.
    """
    for subject in ("s.a", "s.b", "s.c"):
        world.put(subject)
    got = world.fetch({"batch": 3, "expires": NS_PER_S})
    assert len(got) == 3
    world.clock.advance(NS_PER_S)
    world.settle()
    heard: list[dict[str, object]] = []
    todo = list(later)

    def on_answer(delivery: Delivery) -> None:
        for _, size, body in delivery.messages:
            heard.append(json.loads(body[size:]))
            if todo:
                world.publish(todo.pop(0), b"new", reply="answers")

    world.account.subscribe(b"answers", on_answer)
    world.disk.fail("COMMIT", code, spared=len(later))
    world.publish("s.x", b"new", reply="answers")
    answers = world.request("$JS.API.STREAM.PURGE.S", json.dumps({"filter": wanted}).encode())
    world.settle()
    assert [json.loads(one.payload)["success"] for one in answers] == [True]
    return heard


def again(world: RealWorld) -> list[bytes]:
    """Return the subjects of what is delivered again in the next minute."""
    subjects = set()
    for _ in range(4):
        world.clock.advance(20 * NS_PER_S)
        world.settle()
        got = world.fetch({"batch": 10, "expires": NS_PER_S})
        subjects |= {msg.subject for msg in got if b"ACK" in msg.reply}
        world.clock.advance(2 * NS_PER_S)
        world.settle()
    return sorted(subjects)


@LOST
@pytest.mark.parametrize("retention", ["limits", "interest"])
def test_what_is_out_comes_again_when_its_removal_was_undone_beside_a_purge(
    tmp_path: Path, code: int, retention: str
) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream(max_msgs_per_subject=1, retention=retention)
    world.create_consumer(ack_wait=10 * NS_PER_S)
    heard = purge_before_a_failure(world, "s.b", code, ["s.y", "s.c"])
    assert ["error" in one for one in heard] == [False, False, True]

    world.heal()

    assert world.info()["num_ack_pending"] == 2  # without b, which is purged for good
    assert again(world) == [b"s.a", b"s.c", b"s.x", b"s.y"]
    assert world.state()["messages"] == 4


@LOST
@pytest.mark.parametrize(("wanted", "pending"), [("s.b", 2), (">", 0)])
def test_consumers_follow_a_purge_though_the_next_commit_fails(
    tmp_path: Path, code: int, wanted: str, pending: int
) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    world.create_consumer(ack_wait=10 * NS_PER_S)
    heard = purge_before_a_failure(world, wanted, code, ["s.y"])
    assert ["error" in one for one in heard] == [False, True]

    world.heal()

    assert world.info()["num_ack_pending"] == pending


def test_consumers_do_not_follow_a_roll_up_that_was_undone(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream(allow_rollup_hdrs=True)
    world.create_consumer(ack_wait=10 * NS_PER_S)
    for subject in ("s.a", "s.b"):
        world.put(subject)
    assert len(world.fetch({"batch": 2, "expires": NS_PER_S})) == 2
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    assert "error" in world.put("s.a", headers={"Nats-Rollup": "all"})

    world.heal()

    assert world.info()["num_ack_pending"] == 2
    assert world.js.streams["S"].trouble.count == 0  # who published was told
    assert world.put("s.a", headers={"Nats-Rollup": "all"})["seq"] == 3
    assert world.info()["num_ack_pending"] == 0
