"""What streams and consumers forget when a commit fails: on the real store, with a failing disk."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.clock import NS_PER_S
from leafnode.errors import StoreFull
from tests.contract.worlds import TINY
from tests.sim.committer import HeldExecutor
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

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


@pytest.mark.parametrize(
    ("retention", "policy"),
    [("workqueue", "explicit"), ("interest", "explicit"), ("interest", "all")],
)
def test_who_waits_behind_a_commit_that_undoes_acks_is_not_told_that_they_are_done(
    world: RealWorld, retention: str, policy: str
) -> None:
    world.create_stream(retention=retention)
    world.create_consumer(ack_policy=policy)
    for _ in range(3):
        world.put("s.a")
    messages = world.fetch({"batch": 3, "expires": NS_PER_S})
    writer = world.store._write_worker._executor = HeldExecutor()
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    confirmed = [world.request(one.reply.decode(), b"+ACK") for one in messages]
    world.disk_world.turns.run()

    writer.jobs.popleft()()
    world.disk.heal()
    writer.inline = True
    world.clock.advance(2 * NS_PER_S)
    world.settle()

    assert confirmed == [[], [], []]
    assert world.info()["num_ack_pending"] == world.state()["messages"] == 3


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


@LOST
@pytest.mark.parametrize("endpoint", ["STREAM.DELETE.S", "CONSUMER.DELETE.S.C"])
def test_who_waits_at_what_could_not_be_deleted_goes_on_waiting(
    world: RealWorld, code: int, endpoint: str
) -> None:
    world.create_stream()
    world.create_consumer(ack_policy="none")
    waits = world.fetch({"batch": 1, "expires": 60 * NS_PER_S})
    expires = world.fetch({"batch": 1, "expires": 90 * NS_PER_S})
    world.disk.fail("COMMIT", code)
    assert "error" in world.api(endpoint)

    world.heal()
    world.put("s.a", b"x")
    world.clock.advance(120 * NS_PER_S)

    assert [one.payload for one in waits] == [b"x"]
    assert [one.status for one in expires] == [b"NATS/1.0 408 Request Timeout"]


@pytest.mark.parametrize("endpoint", ["STREAM.DELETE.S", "CONSUMER.DELETE.S.C"])
def test_who_waits_hears_of_a_deletion_when_it_is_on_disk_and_before_who_asked_for_it(
    world: RealWorld, endpoint: str
) -> None:
    world.create_stream()
    world.create_consumer()
    inbox = "_INBOX.one"
    heard = world.listen(inbox)
    request = b'{"expires": 60000000000}'
    world.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", request, reply=inbox)
    world.settle()

    world.publish(f"$JS.API.{endpoint}", reply=inbox)
    assert heard == []
    world.settle()

    assert [one.status for one in heard] == [b"NATS/1.0 409 Consumer Deleted", b""]


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


def config_of(world: RealWorld) -> dict[str, Any]:
    config: dict[str, Any] = world.api("STREAM.INFO.S")["config"]
    return config


@LOST
def test_of_two_updates_in_one_failed_commit_nothing_is_left(world: RealWorld, code: int) -> None:
    world.create_stream(description="as it was", max_msgs=100)
    world.settle()
    before = config_of(world)
    world.disk.fail("COMMIT", code)
    answers = [
        world.request("$JS.API.STREAM.UPDATE.S", json.dumps({**before, **change}).encode())
        for change in ({"description": "one"}, {"description": "two", "max_msgs": 5})
    ]
    world.turns()

    world.heal()

    assert [len(one) for one in answers] == [1, 1]
    assert all(b"error" in one[0].payload for one in answers)
    assert config_of(world) == before
    world.restart()
    assert config_of(world) == before


def test_an_update_that_was_stored_all_the_same_holds(world: RealWorld) -> None:
    world.create_stream()
    before = config_of(world)
    world.disk.lies = True
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    assert "error" in world.api("STREAM.UPDATE.S", {**before, "description": "new"})
    world.heal()

    assert config_of(world)["description"] == "new"


@LOST
@pytest.mark.parametrize("storage", [False, True])
def test_an_update_of_a_consumer_that_was_refused_is_not_stored_later(
    world: RealWorld, code: int, storage: bool
) -> None:
    world.create_stream()
    for letter in "abab":
        world.put(f"s.{letter}", letter.encode())
    world.create_consumer(filter_subject="s.a", mem_storage=storage)
    world.fetch({"batch": 1, "expires": NS_PER_S})
    world.clock.advance(NS_PER_S)
    world.settle()
    before = world.info()["config"]
    world.disk.fail("COMMIT", code)
    changed = before | {"filter_subject": "s.b", "description": "new"}
    world.publish("s.a", b"lost")  # what a consumer in memory has to wait for
    answer = world.api("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": changed})
    assert "error" in answer

    world.heal()
    heard = world.fetch({"batch": 1, "expires": NS_PER_S})
    world.clock.advance(NS_PER_S)
    world.settle()

    assert world.info()["config"] == before
    assert [one.payload for one in heard] == [b"a"]
    if not storage:
        world.restart()
        assert world.info()["config"] == before


@LOST
@pytest.mark.parametrize("pause_until", ["", "2999-01-01T00:00:00Z"])
def test_a_pause_that_was_refused_is_none(world: RealWorld, code: int, pause_until: str) -> None:
    world.create_stream()
    world.put("s.a")
    world.create_consumer(**({} if pause_until else {"pause_until": "2999-01-01T00:00:00Z"}))
    world.settle()
    before = world.info()["config"]
    world.disk.fail("COMMIT", code)
    body = {"pause_until": pause_until} if pause_until else None
    assert "error" in world.api("CONSUMER.PAUSE.S.C", body)

    world.heal()
    world.clock.advance(NS_PER_S)
    world.settle()

    assert world.info()["config"] == before
    heard = world.fetch({"batch": 1, "expires": NS_PER_S})
    assert [one.subject for one in heard if one.reply] == ([b"s.a"] if pause_until else [])


@LOST
def test_a_reset_that_was_refused_leaves_the_acks_of_before_and_after_it_alone(
    world: RealWorld, code: int
) -> None:
    world.create_stream(retention="workqueue")
    for number in range(4):
        world.put("s.a", b"%d" % number)
    world.create_consumer()
    world.settle()
    first = world.fetch({"batch": 2, "expires": NS_PER_S})
    world.clock.advance(NS_PER_S)
    world.settle()
    world.disk.fail("COMMIT", code)

    confirmed = world.request(first[0].reply.decode(), b"+ACK")
    answers = world.request("$JS.API.CONSUMER.RESET.S.C", b'{"seq":1}')
    again = World.fetch(world, {"batch": 4, "no_wait": True})
    world.clock.turn()
    for one in again:
        if one.reply:
            world.publish(one.reply.decode(), b"+ACK")
    world.turns()
    world.heal()

    assert confirmed == []
    assert b"error" in answers[0].payload
    assert world.state()["messages"] == 4
    info = world.info()
    assert (info["num_ack_pending"], info["num_pending"]) == (2, 2)
    assert info["delivered"]["consumer_seq"] == 2
    heard = world.fetch({"batch": 4, "expires": NS_PER_S})
    assert sorted(one.payload for one in heard) == [b"0", b"2", b"3"]  # the first comes again
    for one in [first[1], *heard]:
        world.publish(one.reply.decode(), b"+ACK")
    world.settle()
    assert world.state()["messages"] == 0


@LOST
def test_what_was_given_up_can_be_acknowledged_after_a_failure(world: RealWorld, code: int) -> None:
    world.create_stream(retention="workqueue")
    world.put("s.a")
    world.create_consumer(max_deliver=1, ack_wait=NS_PER_S)
    (out,) = world.fetch({"batch": 1, "expires": NS_PER_S})
    world.clock.advance(2 * NS_PER_S)
    world.settle()
    assert world.info()["num_ack_pending"] == 0
    world.disk.fail("COMMIT", code)
    assert world.request(out.reply.decode(), b"+ACK") == []
    world.settle()
    world.heal()
    assert world.state()["messages"] == 1

    confirmed = world.request(out.reply.decode(), b"+ACK")
    world.settle()

    assert len(confirmed) == 1
    assert world.state()["messages"] == 0


@LOST
def test_what_was_delivered_without_acks_goes_though_the_commit_of_that_failed(
    world: RealWorld, code: int
) -> None:
    world.create_stream(retention="interest")
    world.create_consumer(ack_policy="none", deliver_subject="taken")
    world.put("s.a")
    world.settle()
    world.disk.fail("COMMIT", code)
    taken = world.listen("taken")
    world.settle()
    assert len(taken) == 1

    world.heal()

    assert world.state()["messages"] == 0
    world.restart()
    assert world.state()["messages"] == 0


@LOST
def test_consumers_in_memory_outlive_the_deletion_of_their_stream_that_failed(
    world: RealWorld, code: int
) -> None:
    world.create_stream()
    world.put("s.a")
    world.create_consumer()
    world.create_consumer(name="M", mem_storage=True)
    world.settle()
    world.disk.fail("COMMIT", code)
    assert "error" in world.api("STREAM.DELETE.S")

    world.heal()

    for name in "CM":
        (heard,) = world.fetch({"batch": 1, "expires": NS_PER_S}, name=name)
        assert heard.subject == b"s.a"


def test_a_consumer_that_came_and_went_in_a_failed_commit_is_not_there(world: RealWorld) -> None:
    world.create_stream()
    world.settle()
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    body = json.dumps({"stream_name": "S", "config": {"name": "C", "durable_name": "C"}}).encode()
    world.request("$JS.API.CONSUMER.CREATE.S.C", body)
    world.request("$JS.API.CONSUMER.DELETE.S.C")
    world.turns()
    world.heal()

    assert world.api("CONSUMER.NAMES.S")["total"] == 0


def test_a_stream_in_memory_has_nothing_to_do_with_the_disk(world: RealWorld) -> None:
    world.create_stream()
    world.settle()
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    lost = world.request("s.a")

    answer = world.request(
        "$JS.API.STREAM.CREATE.M", json.dumps({"name": "M", "storage": "memory"}).encode()
    )
    world.settle()

    assert b"error" in lost[0].payload
    assert b"error" not in answer[0].payload


@LOST
def test_a_purge_marker_that_was_never_stored_makes_no_other_message_quiet(
    world: RealWorld, code: int
) -> None:
    ttl = {"Nats-TTL": "2s"}
    config = {"allow_msg_ttl": True, "subject_delete_marker_ttl": 2 * NS_PER_S}
    world.create_stream(allow_rollup_hdrs=True, **config)
    world.settle()
    world.disk.fail("COMMIT", code)
    assert "error" in world.put("s.a", headers={"KV-Operation": "PURGE", **ttl})
    world.heal()
    assert world.put("s.b", headers=ttl)["seq"] == 1

    world.clock.advance(5 * NS_PER_S)
    world.settle()

    assert world.state()["last_seq"] == 2


@LOST
def test_a_message_that_ages_while_its_own_commit_fails_leaves_no_other_to_age(
    world: RealWorld, code: int
) -> None:
    world.create_stream(allow_msg_ttl=True)
    world.put("s.x", headers={"Nats-TTL": "2s"})
    world.disk.fail("COMMIT", code)
    answers = world.request("s.a", headers={"Nats-TTL": "1s"})
    world.clock.advance(3 * NS_PER_S)  # it is due before the disk has answered
    world.turns()
    world.heal()
    assert b"error" in answers[0].payload
    assert world.put("s.b")["seq"] == 2

    world.clock.advance(60 * NS_PER_S)
    world.settle()

    assert world.state()["messages"] == 1


@pytest.mark.parametrize("config", [{"allow_msg_ttl": True}, {"max_age": 60 * NS_PER_S}])
@pytest.mark.parametrize("dies", [False, True])
def test_a_message_stays_until_there_is_room_for_its_marker(
    world: RealWorld, config: dict[str, Any], dies: bool
) -> None:
    markers = {"allow_rollup_hdrs": True, "subject_delete_marker_ttl": 60 * NS_PER_S}
    world.create_stream(duplicate_window=NS_PER_S, **markers, **config)
    ttl = {"Nats-TTL": "60s"} if "allow_msg_ttl" in config else {}
    purged = {"KV-Operation": "PURGE", "Nats-Rollup": "sub"}
    world.put("s.a", b"x", headers=ttl)
    world.put("s.b", headers=ttl | purged)  # leaves no marker
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.put("s.c")
    world.disk.heal()
    world.store.committer.no_room = StoreFull("no room yet")
    world.store._retry._timer.cancel()
    world.clock.advance(65 * NS_PER_S)
    world.settle()
    assert subjects(world) == {"s.a": 1}
    world.settle()
    if dies:
        world.die()
    world.store.committer.no_room = None

    world.clock.advance(10 * NS_PER_S)
    world.settle()

    assert subjects(world) == {"s.a": 1}
    assert world.api("STREAM.MSG.GET.S", {"last_by_subj": "s.a"})["message"]["seq"] == 3
    assert world.state()["messages"] == 1


def subjects(world: RealWorld) -> dict[str, int]:
    counts = world.api("STREAM.INFO.S", {"subjects_filter": ">"})["state"]["subjects"]
    assert isinstance(counts, dict)
    return counts


@LOST
def test_what_was_refused_is_not_told_as_an_event(world: RealWorld, code: int) -> None:
    world.create_stream()
    world.create_consumer()
    world.settle()
    told = world.listen("$JS.EVENT.ADVISORY.*.*.>")
    told_of_streams = world.listen("$JS.EVENT.ADVISORY.STREAM.*.>")
    world.disk.fail("COMMIT", code)

    for endpoint, body in (
        ("STREAM.CREATE.T", {"name": "T", "subjects": ["t"]}),
        ("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "description": "new"}),
        ("CONSUMER.CREATE.S.D", {"stream_name": "S", "config": {"name": "D"}}),
        ("CONSUMER.PAUSE.S.C", {"pause_until": "2999-01-01T00:00:00Z"}),
        ("CONSUMER.DELETE.S.C", None),
        ("STREAM.DELETE.S", None),
    ):
        world.request(f"$JS.API.{endpoint}", b"" if body is None else json.dumps(body).encode())
    world.turns()
    world.heal()

    assert told == told_of_streams == []


@pytest.mark.parametrize("change", [{"max_msgs": -1}, {"max_msgs": 2, "discard": "new"}])
def test_what_a_limit_had_removed_stays_away_when_the_limit_is_gone(
    world: RealWorld, change: dict[str, Any]
) -> None:
    world.create_stream(max_msgs=2)
    for _ in range(3):
        world.put("s.a")
    config = {"name": "S", "subjects": ["s.>"], **change}
    assert "error" not in world.api("STREAM.UPDATE.S", config)

    world.restart()

    assert (world.state()["messages"], world.state()["first_seq"]) == (2, 2)


def send_member(world: RealWorld, seq: int, **more: str) -> Any:
    """Publish one message of an atomic batch and return its answer, if there is one."""
    headers = {"Nats-Batch-Id": "b", "Nats-Batch-Sequence": str(seq), **more}
    answers = world.request("s.a", b"x", headers=headers)
    world.settle()
    return json.loads(answers[0].payload or b"null")


def switch_batches(world: RealWorld, *, on: bool) -> dict[str, Any]:
    flags = {"allow_atomic": on, "allow_batched": on}
    return world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], **flags})


@LOST
def test_an_update_that_was_refused_leaves_open_batches_alone(world: RealWorld, code: int) -> None:
    world.create_stream(allow_atomic=True, allow_batched=True)
    said = world.listen("_F.>")
    world.publish("s.b", b"y", reply="_F.f.10.fail.1.0.$FI")
    assert send_member(world, 1) is None
    world.disk.fail("COMMIT", code)
    assert "error" in switch_batches(world, on=False)

    world.heal()
    world.publish("s.b", b"y", reply="_F.f.10.fail.2.2.$FI")
    world.settle()

    assert send_member(world, 2, **{"Nats-Batch-Commit": "1"})["count"] == 2
    assert json.loads(said[-1].payload)["count"] == 2


def test_batches_that_an_update_switches_off_are_gone(world: RealWorld) -> None:
    world.create_stream(allow_atomic=True, allow_batched=True)
    said = world.listen("_F.>")
    world.publish("s.b", b"y", reply="_F.f.10.fail.1.0.$FI")
    assert send_member(world, 1) is None

    for on in (False, True):
        assert "error" not in switch_batches(world, on=on)
    world.publish("s.b", b"y", reply="_F.f.10.fail.2.2.$FI")
    world.settle()

    assert send_member(world, 2)["error"]["err_code"] == 10176
    assert json.loads(said[-1].payload)["error"]["err_code"] == 10208


def test_a_limit_holds_again_when_old_messages_can_be_looked_at(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store", TINY)
    world.create_stream(max_msgs=50)
    for _ in range(70):
        world.put("s.a")
    world.store._cache.clear()
    world.disk.fail("SELECT", sqlite3.SQLITE_IOERR)
    assert world.put("s.a")["seq"] == 71
    assert world.state()["messages"] == 51
    world.clock.advance(NS_PER_S)

    world.disk.heal()
    world.clock.advance(2 * NS_PER_S)
    world.settle()

    assert (world.state()["messages"], world.state()["first_seq"]) == (50, 22)


@LOST
def test_what_a_limit_took_stays_gone_though_less_is_there_since(tmp_path: Path, code: int) -> None:
    """Its segment was not written since, and the limit holds with it, too."""
    world = RealWorld(tmp_path / "tiny", TINY)
    world.create_stream(max_msgs=6, allow_rollup_hdrs=True)
    for letter in "aaaaabb":
        world.put(f"s.{letter}")
    world.put("s.b", headers={"Nats-Rollup": "sub"})
    before = world.state()
    world.disk.fail("COMMIT", code)
    assert "error" in world.put("s.lost")

    world.heal()

    assert world.state() == before
    assert (before["first_seq"], before["messages"]) == (3, 4)
