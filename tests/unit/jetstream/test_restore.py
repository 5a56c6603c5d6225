"""A stream on its way back: all of it or nothing, and what is refused."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreFailed
from leafnode.jetstream.archive import ArchiveWriter, Begin, KeptSources
from tests.unit.jetstream.archives import (
    archive,
    begin,
    error_of,
    give,
    kept,
    message,
    refusal,
    send,
    stored,
    take,
)
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.jetstream.world import Msg

S = 1_000_000_000
FAR = 16 * 65536


def told(world: World, word: str) -> list[dict[str, Any]]:
    """Listen for advisories; the list grows."""
    heard: list[dict[str, Any]] = []
    subject = f"$JS.EVENT.ADVISORY.STREAM.{word}.S"
    world.account.subscribe(
        subject.encode(), lambda run: heard.extend(json.loads(m[2]) for m in run.messages)
    )
    return heard


def served(world: RealWorld) -> dict[str, Any]:
    """What a client sees of the stream and its consumer."""
    state, consumer = world.state(), world.info()
    for key in ("ts", "created"):
        consumer.pop(key)
    for key in ("delivered", "ack_floor"):
        consumer[key].pop("last_active", None)
    got = [world.api("STREAM.MSG.GET.S", {"seq": seq}) for seq in range(1, state["last_seq"] + 1)]
    return {"state": state, "consumer": consumer, "messages": got}


@pytest.fixture
def whole(tmp_path: Path) -> RealWorld:
    """A stream with gaps, headers, ids, and a consumer with messages out and redelivered."""
    world = RealWorld(tmp_path / "store")
    world.create_stream(duplicate_window=600 * S)
    for number in range(12):
        headers = {"Nats-Msg-Id": f"id{number}"} if number % 2 else None
        world.put(f"s.{number % 3}", b"x" * number, headers=headers)
    world.create_consumer(ack_wait=5 * S)
    out = world.fetch(6)
    for one in (out[0], out[1], out[3]):
        world.publish(one.reply.decode(), b"+ACK")
    world.settle()
    world.clock.advance(6 * S)
    world.settle()
    world.fetch(2)
    for seq in (5, 11, 12):
        world.api("STREAM.MSG.DELETE.S", {"seq": seq})
    return world


def test_a_stream_comes_back_as_it_was(whole: RealWorld) -> None:
    before = served(whole)
    data = take(whole, chunk_size=1024)
    whole.api("STREAM.DELETE.S")

    answer = give(whole, data, duplicate_window=600 * S)

    assert answer["type"] == "io.nats.jetstream.api.v1.stream_create_response"
    assert answer["state"] == before["state"]
    assert "did_create" not in answer
    after = served(whole)
    assert after == before
    assert after["state"]["last_seq"] == 12
    whole.restart()
    assert served(whole) == before


def test_it_goes_on_where_it_was(whole: RealWorld) -> None:
    data = take(whole)
    whole.api("STREAM.DELETE.S")
    give(whole, data, duplicate_window=600 * S)

    repeated = whole.put("s.1", b"again", headers={"Nats-Msg-Id": "id9"})
    fresh = whole.put("s.1", b"more")

    assert repeated == {"stream": "S", "seq": 10, "duplicate": True}
    assert fresh == {"stream": "S", "seq": 13}
    whole.clock.advance(6 * S)
    whole.settle()
    seqs = sorted(int(one.reply.split(b".")[5]) for one in whole.fetch(20) if one.payload)
    assert seqs == [3, 6, 7, 8, 9, 10, 13]


def test_an_empty_stream_comes_back_with_its_end() -> None:
    world = World()
    world.create_stream()
    for _ in range(3):
        world.publish("s.a")
    world.api("STREAM.PURGE.S")
    before = world.state()
    data = take(world)
    world.api("STREAM.DELETE.S")

    assert give(world, data)["state"]["first_seq"] == before["first_seq"] == 4
    assert json.loads(world.request("s.a")[0].payload)["seq"] == 4


def test_it_may_come_back_under_another_name_and_into_memory() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"hello")

    answer = give(world, take(world), "T", storage="memory")

    assert (answer["config"]["name"], answer["config"]["storage"]) == ("T", "memory")
    assert world.api("STREAM.MSG.GET.T", {"seq": 1})["message"]["subject"] == "s.a"


def test_messages_that_wait_for_consumers_come_back_without_any() -> None:
    world = World()
    world.create_stream(retention="interest")
    world.create_consumer(mem_storage=True)
    for _ in range(3):
        world.publish("s.a")
    data = take(world)
    world.api("STREAM.DELETE.S")

    answer = give(world, data, retention="interest")

    assert answer["state"]["messages"] == 3
    world.settle()
    assert world.state()["messages"] == 3


@pytest.mark.parametrize("limit", [{"max_msgs": 3}, {"max_bytes": 90}])
def test_all_comes_back_to_a_stream_that_refuses_new_messages(limit: dict[str, int]) -> None:
    world = World()

    give(world, archive(*(message(seq) for seq in range(1, 11))), discard="new", **limit)

    assert world.state()["messages"] == 10


def test_limits_that_it_did_not_have_hold_at_once() -> None:
    data = archive(*(message(seq) for seq in range(1, 11)))
    world = World()

    give(world, data, max_msgs_per_subject=2)

    assert world.state()["messages"] == 2


def test_times_to_live_and_schedules_go_on(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    config: dict[str, Any] = {"allow_msg_ttl": True, "allow_msg_schedules": True}
    world.create_stream(**config)
    world.put("s.short", b"x", headers={"Nats-TTL": "60s"})
    world.put("s.long", b"x")
    schedule = {"Nats-Schedule": "@every 1m", "Nats-Schedule-Target": "s.target"}
    world.put("s.schedule", b"x", headers=schedule)
    data = take(world)
    world.api("STREAM.DELETE.S")
    give(world, data, **config)

    world.clock.advance(65 * S)
    world.settle()

    answer = world.api("STREAM.INFO.S", {"subjects_filter": ">"})
    subjects: dict[str, int] = answer["state"]["subjects"]
    assert "s.short" not in subjects
    assert subjects["s.target"] >= 1


def test_counters_go_on() -> None:
    world = World()
    world.create_stream(allow_msg_counter=True)
    for _ in range(2):
        world.request("s.n", headers={"Nats-Incr": "5"})
    data = take(world)
    world.api("STREAM.DELETE.S")
    give(world, data, allow_msg_counter=True)

    (answer,) = world.request("s.n", headers={"Nats-Incr": "1"})

    assert json.loads(answer.payload)["val"] == "11"


def test_positions_of_sources_come_back() -> None:
    writer = ArchiveWriter()
    state = b'{"o":[7,"i"]}'
    beginning = Begin("S", 5, b"{}", 1, 0, 0, 0, 0)
    data = writer.begin(beginning) + writer.sources(KeptSources(state)) + writer.end()
    world = World()

    assert "error" not in give(world, data)

    assert world.store.kept["$G", "S"][".sources"].state == state


def test_each_chunk_is_answered_when_it_is_taken_in_and_the_last_when_it_is_on_disk() -> None:
    world = World()
    subject = begin(world)
    world.store.hold()

    (chunk,) = send(world, subject, archive(message(1)))
    assert (chunk.payload, chunk.status) == (b"", b"")
    last = send(world, subject, b"")
    assert last == []
    assert world.error("STREAM.INFO.S")[1] == 10059
    for _ in range(3):
        world.store.commit()
        world.settle()

    assert "error" not in json.loads(last[0].payload)
    assert world.state()["messages"] == 1


def test_a_consumer_that_is_made_while_the_name_is_not_on_disk_is_one() -> None:
    world = World()
    subject = begin(world)
    send(world, subject, archive(message(1), consumers=(kept(name="OLD"),)))
    world.store.hold()
    last = send(world, subject, b"")
    world.store.commit()
    world.settle()
    assert list(world.js.streams) == ["S"]

    body = b'{"stream_name":"S","config":{"durable_name":"NEW","ack_policy":"explicit"}}'
    made = world.request("$JS.API.CONSUMER.CREATE.S.NEW", body)
    before = world.js.streams["S"].consumers["NEW"]
    for _ in range(3):
        world.store.commit()
        world.settle()

    assert "error" not in json.loads(made[0].payload)
    assert json.loads(last[0].payload)["state"]["consumer_count"] == 2
    assert world.js.streams["S"].consumers["NEW"] is before
    assert len(world.account.sublist.match(b"$JS.API.CONSUMER.MSG.NEXT.S.NEW").plain) == 2


def test_the_client_waits_while_too_much_is_not_on_disk() -> None:
    world = World()
    subject = begin(world)
    world.store.hold()
    data = archive(*(message(seq, b"x" * 600_000) for seq in (1, 2, 3)))

    first = send(world, subject, data[:700_000])
    second = send(world, subject, data[700_000:1_400_000])
    assert (len(first), len(second)) == (1, 0)
    world.store.commit()

    assert len(second) == 1


def test_nobody_sees_the_stream_before_it_is_whole(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    heard = world.listen("$JS.EVENT.ADVISORY.STREAM.CREATED.>")
    subject = begin(world)
    send(world, subject, archive(message(1))[:-1])

    assert world.api("STREAM.NAMES")["streams"] is None
    assert world.api("INFO")["streams"] == 0
    assert [name.partition(".")[0] for name in stored(world)] == ["S"]
    assert heard == []
    assert world.error("STREAM.INFO.S")[1] == 10059


@pytest.mark.parametrize("chunks", [0, 1, 2, 3])
def test_a_crash_leaves_nothing_that_is_served(tmp_path: Path, chunks: int) -> None:
    world = RealWorld(tmp_path)
    data = archive(*(message(seq, b"x" * 400) for seq in range(1, 5)), consumers=(kept(),))
    subject = begin(world)
    for start in range(0, chunks * 700, 700):
        send(world, subject, data[start : start + 700])

    world.js.transfers.clear()  # what a dead process does not tidy
    world.restart()
    assert [name.partition(".")[0] for name in stored(world)] == ["S"] * min(1, chunks)
    assert world.api("STREAM.NAMES")["streams"] is None
    world.js.shared.drop_unfinished()
    world.restart()

    assert stored(world) == []
    assert "error" not in give(world, data)
    assert world.state()["messages"] == 4


def test_both_moments_are_told_with_who_asked() -> None:
    world = World()
    create, complete = told(world, "RESTORE_CREATE"), told(world, "RESTORE_COMPLETE")
    made = told(world, "CREATED")
    data = archive(message(1))

    give(world, data)

    assert set(create[0]) == {"type", "id", "timestamp", "stream", "client"}
    assert complete[0]["bytes"] == len(data)
    assert complete[0]["client"] == {"acc": "$G"}
    assert set(complete[0]) >= {"start", "end", "stream"}
    assert made[0]["action"] == "create"


# --- what ends it


@pytest.mark.parametrize("storage", ["file", "memory"])
def test_an_archive_that_is_cut_leaves_nothing(storage: str) -> None:
    data = archive(message(1), message(2), consumers=(kept(),))
    world = World()
    for size in range(0, len(data), 9):
        complete = told(world, "RESTORE_COMPLETE")

        assert refusal(give(world, data[:size], storage=storage)) == "is not complete"

        assert len(complete) == 1
        assert (stored(world), world.js.transfers, world.js.unfinished) == ([], set(), set())
    assert "error" not in give(world, data, storage=storage)


def test_no_changed_byte_makes_a_stream() -> None:
    data = archive(message(1), message(2), consumers=(kept(),))
    world = World()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x10

        assert "error" in give(world, bytes(changed), size=10_000)
        assert stored(world) == []


def test_a_failure_is_answered_at_once_and_the_subject_is_gone() -> None:
    world = World()
    subject = begin(world)

    (answer,) = send(world, subject, b"\xff\x06\x00\x00S2sTwO\x00\x4f\x00\x02")

    assert refusal(json.loads(answer.payload)).startswith("is one of nats-server")
    assert not world.account.has_interest(subject.encode())


def test_a_chunk_without_a_reply_ends_it() -> None:
    world = World()
    complete = told(world, "RESTORE_COMPLETE")
    subject = begin(world)
    send(world, subject, archive(message(1))[:80])

    world.publish(subject, b"x")
    world.settle()

    assert len(complete) == 1
    assert stored(world) == []


def test_a_client_that_does_not_wait_is_cut_off_at_the_bound() -> None:
    world = World()
    subject = begin(world)
    world.store.hold()
    data = archive(message(1, b"x" * 1_500_000), message(2))
    chunk = limits.RESTORE_WAITING_BYTES // 2
    first = world.request(subject, data[:chunk])
    for _ in range(2):
        assert world.request(subject, b"x" * chunk) == []

    (answer,) = world.request(subject, b"x")

    assert refusal(json.loads(answer.payload)) == "came without waiting for answers"
    assert (len(first), stored(world)) == (0, [])


def test_empty_chunks_that_do_not_wait_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESTORE_WAITING_BYTES", 1000)
    world = World()
    subject = begin(world)
    world.store.error = StoreBusy("4096 messages wait")
    send(world, subject, archive(message(1)))

    answers = [world.request(subject, b"") for _ in range(10)]

    assert [len(one) for one in answers] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert refusal(json.loads(answers[4][0].payload)) == "came without waiting for answers"
    assert not world.account.has_interest(subject.encode())


def test_silence_ends_it_without_a_word() -> None:
    world = World()
    complete = told(world, "RESTORE_COMPLETE")
    subject = begin(world)
    world.clock.advance(4 * S)
    send(world, subject, archive(message(1))[:150])
    world.clock.advance(4 * S)
    assert len(stored(world)) == 1

    world.clock.advance(S)

    assert (stored(world), complete, world.js.transfers) == ([], [], set())
    assert world.clock.pending() == 0


def test_a_busy_store_is_waited_for() -> None:
    world = World()
    subject = begin(world)
    data = archive(message(1))
    world.store.error = StoreBusy("4096 messages wait")
    answers = send(world, subject, data)
    assert answers == []

    world.store.error = None
    world.clock.advance(limits.DELIVER_RETRY_NS)

    assert answers[0].payload == b""
    assert "error" not in json.loads(send(world, subject, b"")[0].payload)


def test_a_name_that_was_taken_meanwhile_stays_with_who_has_it() -> None:
    world = World()
    subject = begin(world)
    send(world, subject, archive(message(1)))
    world.create_stream()

    (answer,) = send(world, subject, b"")

    text = "stream name already in use, cannot restore"
    assert error_of(json.loads(answer.payload)) == (400, 10130, text)
    assert stored(world) == ["S"]
    assert world.state()["messages"] == 0


def test_subjects_that_were_taken_meanwhile_are_another_streams() -> None:
    world = World()
    subject = begin(world)
    send(world, subject, archive(message(1)))
    world.create_stream("T", subjects=["s.>"])

    (answer,) = send(world, subject, b"")

    assert error_of(json.loads(answer.payload))[1] == 10065
    assert stored(world) == ["T"]


def test_of_two_restores_of_a_name_the_first_that_ends_has_it() -> None:
    world = World()
    data = archive(message(1))
    one, other = begin(world), begin(world)
    for subject in (one, other):
        send(world, subject, data)

    (first,) = send(world, other, b"")
    (second,) = send(world, one, b"")

    assert "error" not in json.loads(first.payload)
    assert error_of(json.loads(second.payload))[1] == 10130
    assert stored(world) == ["S"]


def test_the_account_shuts_down_and_what_was_stored_goes() -> None:
    world = World()
    send(world, begin(world), archive(message(1))[:150])
    assert len(stored(world)) == 1

    world.js.shut_down()

    assert stored(world) == []


# --- the disk says no


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    subject = begin(world)
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL, "database or disk is full")
    send(world, subject, archive(message(1))[:150])

    (answer,) = send(world, subject, archive(message(1))[150:])

    assert error_of(json.loads(answer.payload))[1] == 10047
    world.heal()
    assert stored(world) == []
    assert "error" not in give(world, archive(message(1)))


@pytest.mark.parametrize("lies", [False, True])
def test_a_name_whose_commit_fails_is_not_there(tmp_path: Path, lies: bool) -> None:
    world = RealWorld(tmp_path)
    subject = begin(world)
    send(world, subject, archive(message(1)))
    world.disk.fail("UPDATE stream SET name", sqlite3.SQLITE_IOERR)
    world.disk.lies = lies

    (answer,) = send(world, subject, b"")

    assert error_of(json.loads(answer.payload))[1] == 10062
    assert world.js.streams == {}
    world.heal()
    world.clock.advance(0)
    world.settle()
    assert stored(world) == []
    assert "error" not in give(world, archive(message(1)))


def test_a_commit_that_was_done_though_it_failed_is_a_stream_all_the_same(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    subject = begin(world)
    send(world, subject, archive(message(1), consumers=(kept(),)))
    answers: list[Msg] = []
    world.disk.lies = True

    def fail_the_last(name: str) -> None:
        del name
        world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)

    rename = world.store.rename_stream

    def renamed(account: str, name: str, new_name: str) -> None:
        rename(account, name, new_name)
        fail_the_last(new_name)

    world.store.rename_stream = renamed
    answers = send(world, subject, b"")
    world.store.rename_stream = rename

    assert error_of(json.loads(answers[0].payload))[1] == 10062
    world.heal()
    world.clock.advance(0)
    world.settle()
    assert world.state()["messages"] == 1
    assert world.info()["name"] == "C"


def test_what_cannot_be_deleted_goes_when_the_disk_is_back(tmp_path: Path) -> None:
    world = RealWorld(tmp_path)
    subject = begin(world)
    send(world, subject, archive(message(1))[:150])
    world.disk.fail("BEGIN IMMEDIATE", sqlite3.SQLITE_IOERR)
    world.publish("nobody")
    send(world, subject, b"garbage")

    world.heal()
    world.clock.advance(0)
    world.settle()

    assert stored(world) == []


def test_a_disk_that_failed_between_two_chunks_is_told_with_the_next() -> None:
    world = World()
    subject = begin(world)
    world.store.hold()
    data = archive(message(1))
    assert len(send(world, subject, data[:150])) == 1
    world.store.fail(StoreFailed("fsync failed"))

    (answer,) = send(world, subject, data[150:])

    text = "restore failed: fsync failed"
    assert error_of(json.loads(answer.payload)) == (500, 10062, text)
