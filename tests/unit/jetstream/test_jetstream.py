"""Creating, changing, deleting and recovering streams and consumers of an account."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreFailed
from leafnode.jetstream import jetstream as jetstream_module
from leafnode.limits import OTHER_STREAM_WORK
from leafnode.routing.account import Account
from leafnode.routing.peer import Outbox
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import Msg, World

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000


def create_error(world: World, name: str = "S", **config: Any) -> tuple[int, int, str]:
    return world.error(f"STREAM.CREATE.{name}", {"name": name, **config})


def test_the_same_stream_may_be_created_again_and_another_of_its_name_not() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")

    again = world.create_stream()

    assert again["did_create"] is True
    assert again["state"]["messages"] == 1
    assert create_error(world, subjects=["s.>"], max_msgs=10)[1] == 10058


def test_streams_may_not_share_subjects() -> None:
    world = World()
    world.create_stream()

    assert create_error(world, "T", subjects=["s.a"])[:2] == (400, 10065)
    world.create_stream("T")
    update = {"name": "T", "subjects": ["s.a"]}
    assert world.error("STREAM.UPDATE.T", update)[1] == 10065


def test_a_stream_that_could_not_be_stored_is_not_there() -> None:
    world = World()
    world.store.hold()
    answers = world.request("$JS.API.STREAM.CREATE.S", b'{"name":"S"}')

    world.store.fail(StoreFailed("fsync failed"))

    assert json.loads(answers[0].payload)["error"]["description"] == "fsync failed"
    assert world.error("STREAM.INFO.S")[1] == 10059
    assert world.publish("S", b"x") == 0


def test_a_stream_is_announced_only_when_it_is_on_disk() -> None:
    world = World()
    world.store.hold()

    answers = world.request("$JS.API.STREAM.CREATE.S", b'{"name":"S"}')
    assert answers == []
    world.store.commit()

    assert b'"did_create":true' in answers[0].payload


def test_a_deleted_stream_leaves_nothing_behind() -> None:
    world = World()
    timers, interest = world.clock.pending(), dict(world.account.local_interest)
    world.create_stream(max_age=60 * S, allow_direct=True)
    world.create_consumer()
    world.publish("s.a", b"x")
    waiting = world.fetch({"batch": 5, "expires": 60 * S})

    assert world.api("STREAM.DELETE.S") == {
        "type": "io.nats.jetstream.api.v1.stream_delete_response",
        "success": True,
    }

    assert waiting[-1].status == b"NATS/1.0 409 Consumer Deleted"
    world.clock.advance(limits.TAKEN_APART_NS)
    assert world.clock.pending() == timers
    left = {key for key in world.account.local_interest if not key[0].startswith(b"_INBOX")}
    assert left == set(interest)
    assert world.store.streams() == []


def test_streams_consumers_and_ids_survive_a_restart() -> None:
    world = World()
    world.create_stream(max_msgs=100, metadata={"a": "b"})
    before = world.api("STREAM.INFO.S")
    for number in range(600):  # more than one page of the window
        world.publish("s.a", b"x", headers={"Nats-Msg-Id": f"id{number}"})
    world.create_consumer()

    world.restart()
    world.clock.advance(0)

    assert world.ready
    after = world.api("STREAM.INFO.S")
    assert (after["config"], after["created"]) == (before["config"], before["created"])
    assert after["state"]["messages"] == 100
    assert world.info()["num_pending"] == 100
    again = world.request("s.a", b"x", headers={"Nats-Msg-Id": "id599"})
    assert again[0].payload == b'{"stream":"S","seq":600,"duplicate": true}'


def test_the_account_answers_only_when_its_windows_are_read() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x", headers={"Nats-Msg-Id": "A"})
    world.store.slow_reads = True

    world.restart()
    assert not world.ready
    assert world.publish("s.a", b"x") == 0
    while not world.ready:
        world.store.answer_reads()
        world.clock.advance(0)

    again = world.request("s.a", b"x", headers={"Nats-Msg-Id": "A"})
    assert again[0].payload == b'{"stream":"S","seq":1,"duplicate": true}'


def test_a_new_stream_is_the_more_work_of_its_turn_the_more_there_are() -> None:
    world = World()
    outbox = world.account.system.outbox

    def work(name: str) -> int:
        before = outbox.work_left
        world.create_stream(name, subjects=[name])
        return before - outbox.work_left

    first = work("s00")  # names of one length: that of the answer counts, too
    for number in range(1, 10):
        world.create_stream(f"s0{number}", subjects=[f"s0{number}"])

    assert work("s10") - first == 10 * OTHER_STREAM_WORK


def test_streams_of_another_account_stay_untouched() -> None:
    world = World()
    world.create_stream()
    other = Account("OTHER", Outbox(lambda: None))

    js = world.enable(other)
    js.recover(lambda: None)

    assert (js.streams, set(world.js.streams)) == ({}, {"S"})


def test_an_update_of_limits_names_the_consumers_beyond_them() -> None:
    world = World()
    world.create_stream()
    world.create_consumer(name="c1", max_ack_pending=500)

    refused = world.error(
        "STREAM.UPDATE.S",
        {"name": "S", "subjects": ["s.>"], "consumer_limits": {"max_ack_pending": 100}},
    )

    assert refused == (500, 10069, "change to limits violates consumers: c1")


def test_create_update_and_delete_are_told_as_advisories() -> None:
    world = World()
    heard = world.listen("$JS.EVENT.ADVISORY.>")

    world.create_stream()
    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 5})
    world.create_consumer()
    world.api("CONSUMER.DELETE.S.C")
    world.api("STREAM.DELETE.S")

    told = [message.subject.decode() for message in heard]
    assert [subject for subject in told if subject != "$JS.EVENT.ADVISORY.API"] == [
        "$JS.EVENT.ADVISORY.STREAM.CREATED.S",
        "$JS.EVENT.ADVISORY.STREAM.UPDATED.S",
        "$JS.EVENT.ADVISORY.CONSUMER.CREATED.S.C",
        "$JS.EVENT.ADVISORY.CONSUMER.DELETED.S.C",
        "$JS.EVENT.ADVISORY.STREAM.DELETED.S",
    ]


def test_the_servers_storage_is_not_promised_twice() -> None:
    account = Account("$G", Outbox(lambda: None))
    js = World().enable(account, max_file_bytes=1000, max_memory_bytes=0)
    js.recover(lambda: None)
    answers: list[bytes] = []
    account.subscribe(b"r", lambda run: answers.extend(body for _, _, body in run.messages))

    def create(name: str, **config: Any) -> bytes:
        body = json.dumps({"name": name, **config}).encode()
        account.publish(f"$JS.API.STREAM.CREATE.{name}".encode(), body, reply=b"r")
        return answers.pop()

    assert b"did_create" in create("A", max_bytes=1000)
    assert b'"err_code":10047' in create("B", max_bytes=1)
    assert b'"err_code":10028' in create("M", max_bytes=1, storage="memory")
    assert js.usage().reserved_file_bytes == 1000


def test_a_configuration_whose_commit_fails_is_taken_back() -> None:
    world = World()
    world.create_stream()
    world.store.hold()
    answers = world.request(
        "$JS.API.STREAM.UPDATE.S", b'{"name":"S","subjects":["s.>"],"max_msgs":5}'
    )

    world.store.fail(StoreFailed("fsync failed"))

    assert b"10077" in answers[0].payload
    assert world.js.streams["S"].config.max_msgs == -1


def test_a_stream_whose_deletion_is_undone_goes_on() -> None:
    world = World()
    world.create_stream()
    world.create_consumer()
    world.publish("s.a", b"x")
    tables = (world.store.configs, world.store.kept, world.store.stores)
    before = [dict(table) for table in tables]
    world.store.hold()
    answers = world.request("$JS.API.STREAM.DELETE.S")

    for table, rows in zip(tables, before, strict=True):  # what the store does with a failed commit
        table.update(rows)  # type: ignore[arg-type]
    world.store.fail(StoreFailed("fsync failed"))
    world.store.holding = False
    world.clock.advance(0)

    assert b"10077" in answers[0].payload
    assert world.publish("s.a", b"y") == 1
    assert (world.state()["messages"], world.info()["num_pending"]) == (2, 2)


def test_a_stream_that_came_back_behind_our_back_is_not_made_twice() -> None:
    world = World()
    world.create_stream()
    world.js.streams.pop("S").close()

    error = world.error("STREAM.CREATE.S", {"name": "S", "subjects": ["s.>"]})

    assert error[:2] == (503, 10077)


def test_what_many_streams_hold_is_counted_in_several_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jetstream_module, "STREAMS_COUNTED_PER_TURN", 2)
    world = World()
    for number in range(5):
        world.create_stream(f"S{number}", subjects=[f"s.{number}"], max_bytes=10)

    assert len(list(world.js.counted())) == 2
    assert world.js.usage().reserved_file_bytes == 50


def test_the_consumers_of_a_stream_that_goes_are_told() -> None:
    world = World()
    world.create_stream()
    world.create_consumer(name="C")
    world.create_consumer(name="D")
    heard = world.listen("$JS.EVENT.ADVISORY.*.DELETED.>")

    world.api("STREAM.DELETE.S")

    kinds = [(one["type"].rpartition(".")[2], one.get("consumer")) for one in map(read, heard)]
    assert kinds == [("consumer_action", "C"), ("consumer_action", "D"), ("stream_action", None)]


def read(message: Msg) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(message.payload)
    return fields


@pytest.mark.parametrize(
    "config", [b'{"name":"T","subjects":["b"]', b'{"name":"T","subjects":["a"]}']
)
def test_a_stream_whose_description_is_damaged_keeps_no_other_from_starting(
    tmp_path: Path, config: bytes
) -> None:
    world = RealWorld(tmp_path)
    for name, subject in (("S", "s.a"), ("T", "t.a")):
        world.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": [subject], "storage": "file"})
    world.settle()
    world.disk_world.close()
    with sqlite3.connect(tmp_path / "leafnode.db") as conn:
        conn.execute("UPDATE stream SET config=? WHERE name='T'", (config,))
    conn.close()

    world = RealWorld(tmp_path)

    assert [name for _, name, _ in world.disk_world.damage] == ["T"]
    assert world.put("s.a") == {"stream": "S", "seq": 1}
    assert world.api("STREAM.NAMES")["streams"] == ["S", "T"]
    assert len(world.api("STREAM.LIST")["streams"]) == 2
    assert world.api("STREAM.INFO.T")["config"]["name"] == "T"
    assert world.request("a") == []
    assert world.api("CONSUMER.NAMES.T")["consumers"] == []
    assert "error" in world.api("STREAM.UPDATE.T", {"name": "T", "subjects": ["t.b"]})
    assert world.api("STREAM.DELETE.T")["success"]
    assert world.api("STREAM.NAMES")["streams"] == ["S"]
    world.restart()
    assert world.disk_world.damage == []
    assert world.put("s.a") == {"stream": "S", "seq": 2}
