"""Removals that take several commits: all of it, or nothing, whatever fails and whenever."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.errors import StoreBusy
from leafnode.go_time import format_time
from leafnode.jetstream import notes
from tests.sim.committer import SMALL
from tests.unit.jetstream.real_world import RealWorld

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 12
SLICE = 2
CODES = pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL])
PURGE = "$JS.API.STREAM.PURGE.S"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RealWorld:
    monkeypatch.setattr(limits, "PURGE_TURN_MSGS", SLICE)
    made = RealWorld(tmp_path / "store")
    made.create_stream(allow_rollup_hdrs=True)
    fill(made)
    return made


def fill(world: RealWorld) -> None:
    for number in range(COUNT):
        world.put(f"s.{'abc'[number % 3]}", b"%d" % number)
    world.settle()


def messages(world: RealWorld) -> int:
    count: int = world.state()["messages"]
    return count


def noted(world: RealWorld) -> list[str]:
    return [name for name, _ in notes.kept(world.js.streams["S"])]


def wait(world: RealWorld) -> None:
    world.turns()


@CODES
def test_a_purge_whose_first_commit_fails_did_nothing(world: RealWorld, code: int) -> None:
    world.disk.fail("COMMIT", code)

    answers = world.request(PURGE, b'{"filter":"s.*"}')
    wait(world)
    world.heal()
    wait(world)

    assert json.loads(answers[0].payload)["error"]["err_code"] in {10047, 10077}
    assert len(answers) == 1
    assert (messages(world), noted(world)) == (COUNT, [])


@CODES
@pytest.mark.parametrize("spared", [1, 2])
def test_a_purge_whose_later_commit_fails_goes_on_and_is_answered_then(
    world: RealWorld, code: int, spared: int
) -> None:
    world.disk.fail("COMMIT", code, spared=spared)

    answers = world.request(PURGE, b'{"filter":"s.*"}')
    wait(world)
    assert answers == []
    world.heal()
    wait(world)

    assert json.loads(answers[0].payload)["purged"] == COUNT
    assert (messages(world), noted(world)) == (0, [])


def test_a_start_goes_on_with_a_purge_that_a_crash_cut_off(world: RealWorld) -> None:
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR, spared=2)
    world.request(PURGE, b'{"filter":"s.*","keep":1}')
    wait(world)

    world.die()
    wait(world)

    assert (messages(world), noted(world)) == (1, [])
    assert world.state()["first_seq"] == COUNT


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RealWorld:
    """A purge of its front takes several turns."""
    monkeypatch.setattr(limits, "PURGE_TURN_ROWS", SLICE)
    made = RealWorld(tmp_path / "store", replace(SMALL, segment_rows_max=SLICE))
    made.create_stream()
    fill(made)
    return made


@pytest.mark.parametrize("turns", range(1, 10))
@pytest.mark.parametrize("dies", [False, True])
def test_a_purge_beyond_the_end_takes_nothing_that_was_stored_meanwhile(
    front: RealWorld, turns: int, *, dies: bool
) -> None:
    purged = front.request(PURGE, b'{"seq":1000}')
    acks = []
    for _ in range(turns):
        acks.append(front.request("s.a", b"new"))
        front.turns(1)
    if dies:
        front.die()
    wait(front)

    stored = [json.loads(ack[0].payload)["seq"] for ack in acks if ack]
    state = front.state()
    assert stored == list(range(1000, 1000 + turns))
    assert (state["messages"], state["first_seq"]) == (turns, 1000)
    assert noted(front) == []
    if not dies:
        assert json.loads(purged[0].payload)["purged"] == COUNT


@pytest.mark.parametrize(
    ("subject", "how", "left"), [("s.*", "sub", 1), ("s.a", "all", 1), ("s.a", "sub", 9)]
)
def test_a_roll_up_is_done_when_its_message_is_stored_and_not_else(
    world: RealWorld, subject: str, how: str, left: int
) -> None:
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    answers = world.request(subject, headers={"Nats-Rollup": how})
    wait(world)
    world.heal()
    wait(world)
    assert b"error" in answers[0].payload
    assert messages(world) == COUNT

    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR, spared=1)
    answers = world.request(subject, headers={"Nats-Rollup": how})
    wait(world)
    assert b"error" not in answers[0].payload
    world.die()
    wait(world)

    assert (messages(world), noted(world)) == (left, [])


def test_a_roll_up_that_finds_the_store_busy_goes_on_later(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.js.streams["S"].store
    remove = store.remove

    def busy(seqs: list[int]) -> int:
        monkeypatch.setattr(store, "remove", remove)
        raise StoreBusy("not now")

    monkeypatch.setattr(store, "remove", busy)
    assert "error" not in world.put("s.a", headers={"Nats-Rollup": "sub"})

    world.clock.advance(limits.DELIVER_RETRY_NS)
    wait(world)

    assert (messages(world), noted(world)) == (9, [])


def interested(world: RealWorld, *names: str) -> None:
    """Make S an interest stream that both consumers have not had yet."""
    world.api("STREAM.DELETE.S")
    world.create_stream(retention="interest")
    for name in names:
        world.create_consumer(name=name)
    fill(world)


@CODES
@pytest.mark.parametrize("names", [["C"], ["C", "D"]])
def test_a_consumer_that_could_not_be_deleted_misses_nothing(
    world: RealWorld, code: int, names: list[str]
) -> None:
    interested(world, *names)
    world.disk.fail("COMMIT", code)
    answers = world.request("$JS.API.CONSUMER.DELETE.S.C")
    wait(world)
    world.heal()
    wait(world)

    assert b"error" in answers[0].payload
    heard = world.fetch({"batch": COUNT, "expires": NS_PER_S})
    assert [one.payload for one in heard] == [b"%d" % number for number in range(COUNT)]


@CODES
@pytest.mark.parametrize("crashes", [False, True])
def test_what_nobody_needs_any_more_goes_though_a_commit_of_it_fails(
    world: RealWorld, code: int, crashes: bool
) -> None:
    interested(world, "C", "D")
    for one in world.fetch({"batch": COUNT, "expires": NS_PER_S}, name="D"):
        world.publish(one.reply.decode(), b"+ACK")
    world.clock.advance(NS_PER_S)
    assert messages(world) == COUNT
    world.disk.fail("COMMIT", code, spared=1)
    answers = world.request("$JS.API.CONSUMER.DELETE.S.C")
    wait(world)
    assert b"success" in answers[0].payload

    if crashes:
        world.die()
    else:
        world.heal()
    wait(world)

    assert (messages(world), noted(world)) == (0, [])


def test_two_deletions_are_one_sweep_that_goes_round_twice(world: RealWorld) -> None:
    interested(world, "B", "C", "D")
    for one in world.fetch({"batch": COUNT, "expires": NS_PER_S}, name="D"):
        world.publish(one.reply.decode(), b"+ACK")
    world.clock.advance(NS_PER_S)
    world.settle()

    answers: list[Any] = []
    for name in "BC":
        answers += [world.request(f"$JS.API.CONSUMER.DELETE.S.{name}")]
        world.settle()
    wait(world)

    assert [b"success" in one[0].payload for one in answers] == [True, True]
    assert (messages(world), noted(world)) == (0, [])


@CODES
@pytest.mark.parametrize("spared", [0, 1, 2])
@pytest.mark.parametrize("crashes", [False, True])
def test_a_limit_that_was_lowered_holds_or_is_the_old_one(
    world: RealWorld, code: int, spared: int, crashes: bool
) -> None:
    world.disk.fail("COMMIT", code, spared=spared)
    body = {"name": "S", "subjects": ["s.>"], "allow_rollup_hdrs": True, "max_msgs_per_subject": 1}
    answers = world.request("$JS.API.STREAM.UPDATE.S", json.dumps(body).encode())
    wait(world)
    if crashes:
        world.die()
    else:
        world.heal()
    wait(world)

    limit = world.api("STREAM.INFO.S")["config"]["max_msgs_per_subject"]
    assert limit == (1 if spared else -1)
    assert (messages(world), noted(world)) == (3 if spared else COUNT, [])
    if not crashes:
        assert [b"error" in one.payload for one in answers] == [not spared]


def test_a_stream_that_is_deleted_meanwhile_ends_a_purge(world: RealWorld) -> None:
    answers = world.request(PURGE, b'{"filter":"s.*"}')
    world.js.delete_stream("S")
    wait(world)

    assert json.loads(answers[0].payload)["error"]["err_code"] == 10077


def busy_once(world: RealWorld, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the store have no answer for now, once."""
    store = world.js.streams["S"].store
    method = getattr(store, name)

    def busy(*_: Any) -> None:
        monkeypatch.setattr(store, name, method)
        raise StoreBusy("not now")

    monkeypatch.setattr(store, name, busy)


def test_a_message_that_nobody_wants_is_stored_and_goes_though_the_store_is_busy(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    interested(world)
    world.create_consumer(filter_subject="s.a")
    busy_once(world, monkeypatch, "remove")

    answer = world.put("s.b")
    wait(world)

    assert answer == {"stream": "S", "seq": COUNT + 1}
    assert messages(world) == 0


def test_a_schedule_that_is_over_goes_though_the_store_is_busy(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.api("STREAM.DELETE.S")
    world.create_stream(allow_msg_schedules=True, allow_rollup_hdrs=True)
    due = format_time(world.clock.wall_ns() + 5 * NS_PER_S)
    headers = {"Nats-Schedule": f"@at {due}", "Nats-Schedule-Target": "s.target"}
    assert "error" not in world.put("s.plan", b"now", headers=headers)
    busy_once(world, monkeypatch, "remove")

    world.clock.advance(6 * NS_PER_S)
    wait(world)

    assert world.api("STREAM.INFO.S", {"subjects_filter": ">"})["state"]["subjects"] == {
        "s.target": 1
    }


def test_a_batch_that_finds_the_store_busy_is_not_stored_in_part(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.api("STREAM.DELETE.S")
    world.create_stream(allow_atomic=True, republish={"src": "s.>", "dest": "copy.>"})
    store = world.js.streams["S"].store
    asked = store.subject_state

    def busy_for_b(subject: bytes) -> Any:
        if subject == b"s.b":
            monkeypatch.setattr(store, "subject_state", asked)
            raise StoreBusy("not now")
        return asked(subject)

    monkeypatch.setattr(store, "subject_state", busy_for_b)
    for number, letter in enumerate("ab", start=1):
        headers = {"Nats-Batch-Id": "one", "Nats-Batch-Sequence": str(number)}
        headers |= {"Nats-Batch-Commit": "1"} if letter == "b" else {}
        world.request(f"s.{letter}", headers=headers)
    wait(world)

    assert messages(world) == 0


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("STREAM.PURGE.S", {"filter": "s.a"}),
        ("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "description": "new"}),
    ],
)
def test_what_is_on_disk_is_said_whatever_becomes_of_what_follows(
    world: RealWorld, endpoint: str, body: dict[str, Any]
) -> None:
    stream = world.js.streams["S"]

    def stage_more(_: object) -> None:
        notes.put(stream, notes.PREFIX + "test", b"")

    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "max_msgs": 3})
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR, spared=1)
    world.publish("s.a")
    world.store.after_commit(stage_more)
    answers = world.request(f"$JS.API.{endpoint}", json.dumps(body).encode())
    wait(world)

    assert [b"error" in one.payload for one in answers] == [False]


def test_no_more_than_so_many_removals_go_on_and_each_has_its_turn(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ERRANDS_MAX", 2)
    answers = [world.request(PURGE, b'{"filter":"s.%c"}' % letter) for letter in b"abc"]
    rollup = world.request("s.*", headers={"Nats-Rollup": "sub"})
    world.turns(1)
    assert json.loads(answers[2][0].payload)["error"]["err_code"] == 10167
    assert b"429" in rollup[0].block

    wait(world)

    assert [json.loads(one[0].payload).get("purged") for one in answers[:2]] == [4, 4]
    assert (messages(world), noted(world)) == (4, [])
    assert "error" not in world.put("s.*", headers={"Nats-Rollup": "sub"})


def test_many_short_purges_wait_for_one_commit(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ERRANDS_MAX", 2)
    answers = [world.request(PURGE, b'{"filter":"none"}') for _ in range(5)]
    wait(world)

    assert [b'"purged":0' in one[0].payload for one in answers] == [True] * 5
