"""What streams and consumers forget when a commit fails: on the real store, with a failing disk."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.clock import NS_PER_S
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path

LOST = pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL])


@pytest.fixture
def world(tmp_path: Path) -> RealWorld:
    return RealWorld(tmp_path / "store")


@LOST
def test_a_message_that_was_never_stored_is_no_duplicate(world: RealWorld, code: int) -> None:
    world.create_stream()
    world.settle()
    world.disk.fail("COMMIT", code)
    assert "error" in world.put("s.a", headers={"Nats-Msg-Id": "one"})
    assert "error" in world.put("s.a", headers={"Nats-Msg-Id": "one"})  # nor while it is failed

    world.heal()

    assert world.put("s.a", headers={"Nats-Msg-Id": "one"}) == {"stream": "S", "seq": 1}
    assert world.state()["messages"] == 1


@LOST
def test_a_message_that_was_stored_before_a_failure_is_a_duplicate(
    world: RealWorld, code: int
) -> None:
    world.create_stream()
    world.put("s.a", headers={"Nats-Msg-Id": "one"})
    world.disk.fail("COMMIT", code)
    world.put("s.a", headers={"Nats-Msg-Id": "two"})
    world.heal()

    assert world.put("s.a", headers={"Nats-Msg-Id": "one"})["duplicate"] is True


def test_a_message_that_was_stored_all_the_same_is_a_duplicate(world: RealWorld) -> None:
    world.create_stream()
    world.settle()
    world.disk.lies = True
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    assert "error" in world.put("s.a", headers={"Nats-Msg-Id": "one"})
    world.heal()

    assert world.put("s.a", headers={"Nats-Msg-Id": "one"})["duplicate"] is True
    assert world.put("s.a", headers={"Nats-Expected-Last-Msg-Id": "one"})["seq"] == 2


@LOST
def test_the_last_message_id_is_that_of_the_last_stored_message(
    world: RealWorld, code: int
) -> None:
    world.create_stream()
    world.put("s.a", headers={"Nats-Msg-Id": "one"})
    world.disk.fail("COMMIT", code)
    world.put("s.a", headers={"Nats-Msg-Id": "two"})
    world.put("s.a")
    world.heal()

    assert world.put("s.a", headers={"Nats-Expected-Last-Msg-Id": "one"})["seq"] == 2


@LOST
def test_what_should_have_expired_during_a_failure_expires_after_it(
    world: RealWorld, code: int
) -> None:
    world.create_stream(max_age=10 * NS_PER_S, duplicate_window=NS_PER_S, allow_msg_ttl=True)
    world.put("s.keep", headers={"Nats-TTL": "never"})
    world.put("s.a", headers={"Nats-TTL": "5s"})
    world.put("s.a")
    world.disk.fail("COMMIT", code)
    world.clock.advance(12 * NS_PER_S)
    world.settle()

    world.heal()
    world.clock.advance(60 * NS_PER_S)
    world.settle()

    assert world.state()["messages"] == 1


@LOST
@pytest.mark.parametrize("config", [{}, {"mem_storage": True}])
def test_a_work_queues_ack_that_was_lost_is_not_confirmed_and_the_message_comes_again(
    world: RealWorld, code: int, config: dict[str, Any]
) -> None:
    world.create_stream(retention="workqueue")
    for _ in range(2):
        world.put("s.a")
    world.create_consumer(**config)
    world.settle()
    first = world.fetch({"batch": 2, "expires": NS_PER_S})
    assert len(first) == 2
    world.disk.fail("COMMIT", code)

    confirmed = world.request(first[1].reply.decode(), b"+ACK")
    world.request(first[0].reply.decode(), b"+ACK")
    world.settle()
    confirmed += world.request(first[1].reply.decode(), b"+ACK")  # while it is failed
    world.settle()
    assert confirmed == []
    world.heal()

    again = world.fetch({"batch": 2, "expires": NS_PER_S})
    assert world.state()["messages"] == 2
    assert [message.reply.split(b".")[4] for message in again] == [b"2", b"2"]
    for message in again:
        assert world.request(message.reply.decode(), b"+ACK") is not None
    world.settle()
    assert world.state()["messages"] == 0
    assert world.info()["num_ack_pending"] == 0


@LOST
def test_a_stream_whose_deletion_failed_goes_on(world: RealWorld, code: int) -> None:
    world.create_stream()
    world.put("s.a", headers={"Nats-Msg-Id": "one"})
    world.create_consumer()
    world.settle()
    world.disk.fail("COMMIT", code)
    assert "error" in world.api("STREAM.DELETE.S")

    world.heal()

    assert world.put("s.a", headers={"Nats-Msg-Id": "one"})["duplicate"] is True
    assert len(world.fetch({"batch": 1, "expires": NS_PER_S})) == 1


@LOST
def test_a_consumer_whose_deletion_failed_goes_on(world: RealWorld, code: int) -> None:
    world.create_stream()
    world.put("s.a")
    world.create_consumer()
    world.settle()
    world.disk.fail("COMMIT", code)
    assert "error" in world.api("CONSUMER.DELETE.S.C")

    world.heal()

    assert len(world.fetch({"batch": 1, "expires": NS_PER_S})) == 1


def test_a_disk_that_is_full_and_then_fails_recovers_without_a_restart(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    world.put("s.a")
    world.settle()

    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.put("s.a")
    world.disk.heal()
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    assert world.api("STREAM.MSG.DELETE.S", {"seq": 1})["error"]["err_code"] == 10077
    world.disk.heal()
    for _ in range(10):
        world.clock.advance(NS_PER_S)
        world.settle()

    assert world.store.failed() is None
    assert world.put("s.a")["seq"] == 2


@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL])
@pytest.mark.parametrize(
    ("request_of", "body"), [("STREAM.PURGE.S", None), ("STREAM.MSG.DELETE.S", {"seq": 1})]
)
def test_messages_of_a_removal_that_was_undone_are_still_delivered(
    tmp_path: Path, code: int, request_of: str, body: dict[str, int] | None
) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    for _ in range(3):
        world.put("s.a")
    world.create_consumer()
    world.settle()

    world.disk.fail("COMMIT", code)
    assert "error" in world.api(request_of, body)
    world.heal()

    assert world.info()["num_pending"] == 3
    replies = [m.reply for m in world.fetch({"batch": 3, "expires": NS_PER_S}) if b"ACK" in m.reply]
    assert [reply.split(b".")[5] for reply in replies] == [b"1", b"2", b"3"]


def test_what_a_limit_had_removed_goes_again_after_a_failure(world: RealWorld) -> None:
    """Such removals are written lazily, so a store that reads its file anew has them back."""
    world.create_stream(max_msgs=2)
    for number in range(4):
        world.put(f"s.{number}")
    assert world.state()["first_seq"] == 3

    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    world.put("s.x")
    world.heal()

    assert (world.state()["messages"], world.state()["first_seq"]) == (2, 3)


@LOST
def test_an_empty_stream_says_when_it_stored_last_not_what_failed(
    world: RealWorld, code: int
) -> None:
    world.create_stream()
    world.put("s.a")
    stored = world.state()["last_ts"]
    world.api("STREAM.PURGE.S")
    world.clock.advance(NS_PER_S)
    world.disk.fail("COMMIT", code)
    assert "error" in world.put("s.a")
    world.heal()

    assert world.state()["messages"] == 0
    assert world.state()["last_ts"] == stored
