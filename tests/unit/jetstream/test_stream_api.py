"""Endpoints about streams and messages. Field order and texts measured on nats-server 2.15.1."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreFull
from leafnode.jetstream import rounds
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from leafnode.errors import StoreError

S = 1_000_000_000


def filled() -> World:
    """A stream with s.a, (deleted s.b), s.c, s.a and one with headers."""
    world = World()
    world.create_stream()
    for subject in ("s.a", "s.b", "s.c", "s.a"):
        world.publish(subject, b"x")
    world.publish("s.h", b"payload", headers={"X-A": "1", "Nats-Msg-Id": "mid"})
    world.api("STREAM.MSG.DELETE.S", {"seq": 2})
    return world


def test_a_minimal_create_is_answered_like_the_server_does() -> None:
    world = World()

    (answer,) = world.request("$JS.API.STREAM.CREATE.S1", b'{"name":"S1"}')

    assert answer.payload == (
        b'{"type":"io.nats.jetstream.api.v1.stream_create_response","config":{"name":"S1",'
        b'"subjects":["S1"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,'
        b'"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old",'
        b'"storage":"file","num_replicas":1,"duplicate_window":120000000000,"compression":"none",'
        b'"allow_direct":false,"mirror_direct":false,"sealed":false,"deny_delete":false,'
        b'"deny_purge":false,"allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false,'
        b'"metadata":{"_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.1"}},'
        b'"created":"2027-01-15T08:00:00Z","state":{"messages":0,"bytes":0,"first_seq":0,'
        b'"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"last_ts":"0001-01-01T00:00:00Z",'
        b'"consumer_count":0},"ts":"2027-01-15T08:00:00Z","did_create":true}'
    )


def test_what_info_tells_of_is_on_disk() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    world.store.hold()
    world.request("s.a", b"x")

    answers = world.request("$JS.API.STREAM.INFO.S")
    assert answers == []
    world.request("s.a", b"behind the question")
    world.store.commit()

    (answer,) = answers
    assert json.loads(answer.payload)["state"]["last_seq"] == 2


def test_info_tells_of_nothing_that_did_not_get_onto_the_disk() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    world.store.hold()
    world.request("s.a", b"x")

    answers = world.request("$JS.API.STREAM.INFO.S")
    world.store.fail(StoreFull("the disk is full"))

    (answer,) = answers
    assert json.loads(answer.payload)["state"]["last_seq"] == 1


@pytest.mark.parametrize("body", [b"", b'{"subjects_filter": ">"}'])
def test_details_of_what_did_not_get_onto_the_disk_are_not_told(
    tmp_path: Path, body: bytes
) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    world.put("s.old")
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.request("s.new", b"")
    answers = world.request("$JS.API.STREAM.INFO.S", body)
    world.settle()

    state = json.loads(answers[0].payload)["state"]
    assert (len(answers), state["last_seq"]) == (1, 1)
    assert state.get("subjects", {"s.old": 1}) == {"s.old": 1}


def test_a_stream_that_did_not_get_onto_the_disk_is_not_told_of(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.disk.fail("COMMIT", sqlite3.SQLITE_FULL)
    world.request("$JS.API.STREAM.CREATE.T", b'{"name": "T"}')
    (answers, long) = (
        world.request("$JS.API.STREAM.INFO.T", body) for body in (b"", b'{"subjects_filter": ">"}')
    )
    world.settle()

    for (answer,) in (answers, long):
        assert json.loads(answer.payload)["error"]["err_code"] == 10059


def test_where_the_disk_does_not_say_what_it_has_info_says_so(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    world.put("s.old")
    world.disk.fail("COMMIT", sqlite3.SQLITE_IOERR)
    world.request("s.new", b"")
    answers = world.request("$JS.API.STREAM.INFO.S")
    world.settle()

    assert json.loads(answers[0].payload)["error"]["code"] == 503
    assert world.api("STREAM.INFO.S")["error"]["code"] == 503
    world.heal()
    assert world.state()["last_seq"] == 1


def test_info_whose_second_commit_fails_too_is_an_error() -> None:
    world = World()
    world.create_stream()
    world.store.hold()
    world.request("s.a", b"x")
    answers = world.request("$JS.API.STREAM.INFO.S")
    stream = world.js.streams["S"]
    waiting: list[Callable[[StoreError | None], None]] = []
    world.store.after_commit = waiting.append  # type: ignore[method-assign]
    world.store.fail(StoreFull("the disk is full"))
    assert (answers, len(waiting), stream.closed) == ([], 1, False)

    waiting[0](StoreFull("the disk is full"))

    assert "error" in json.loads(answers[0].payload)


@pytest.mark.parametrize(
    ("body", "err_code"),
    [(b"", 10056), (b"{}", 10056), (b'{"name":"T"}', 10056), (b"[]", 10025)],
)
def test_a_create_must_name_its_stream(body: bytes, err_code: int) -> None:
    assert World().error("STREAM.CREATE.S", body)[1] == err_code


def test_a_new_stream_says_where_it_was_told_to_begin() -> None:
    world = World()
    world.create_stream(first_seq=1)
    world.create_stream("T")

    assert (world.state()["first_seq"], world.state()["last_seq"]) == (1, 0)
    assert (world.state("T")["first_seq"], world.state("T")["last_seq"]) == (0, 0)

    for seq in (500, 1):
        world.api("STREAM.UPDATE.T", {"name": "T", "subjects": ["t.>"], "first_seq": seq})
        assert (world.state("T")["first_seq"], world.state("T")["last_seq"]) == (0, 0)
    world.restart()
    assert (world.state("T")["first_seq"], world.state("T")["last_seq"]) == (1, 0)  # measured


def test_first_seq_starts_the_stream_there() -> None:
    world = World()

    state = world.create_stream(first_seq=1000)["state"]
    world.publish("s.a", b"x")

    assert (state["first_seq"], state["last_seq"]) == (1000, 999)
    assert world.state()["last_seq"] == 1000


def test_missing_streams_are_404_everywhere() -> None:
    world = World()
    for endpoint in ("STREAM.INFO.X", "STREAM.DELETE.X", "STREAM.PURGE.X", "CONSUMER.LIST.X"):
        assert world.error(endpoint) == (404, 10059, "stream not found")
    assert world.error("STREAM.UPDATE.X", {"name": "X"})[1] == 10059


def test_info_names_leader_and_domain_and_the_list_does_not() -> None:
    world = World(domain="D")
    created = world.create_stream()

    info = world.api("STREAM.INFO.S")
    (listed,) = world.api("STREAM.LIST")["streams"]

    assert list(info)[-3:] == ["domain", "cluster", "ts"]
    assert info["cluster"] == {"leader": "edge"}
    assert "domain" not in created
    assert "cluster" not in listed
    assert listed["config"]["metadata"] == {"_nats.req.level": "0"}


def test_subject_details_are_paged() -> None:
    world = filled()

    info = world.api("STREAM.INFO.S", {"subjects_filter": "s.*", "offset": 1})

    assert (info["total"], info["offset"], info["limit"]) == (3, 1, 100_000)
    assert info["state"]["subjects"] == {"s.c": 1, "s.h": 1}
    keys = list(info["state"])
    assert keys.index("num_subjects") < keys.index("subjects") < keys.index("num_deleted")
    none = world.api("STREAM.INFO.S", {"subjects_filter": "zz"})
    assert (none["total"], none["limit"]) == (0, 0)
    assert "subjects" not in none["state"]


def test_deleted_details_list_the_gaps() -> None:
    state = filled().api("STREAM.INFO.S", {"deleted_details": True})["state"]

    assert (state["num_deleted"], state["deleted"]) == (1, [2])


def test_names_are_paged_filtered_and_sorted() -> None:
    world = World()
    assert world.api("STREAM.NAMES")["streams"] is None
    assert world.api("STREAM.LIST")["streams"] == []
    for name in ("B", "A", "C"):
        world.create_stream(name)

    assert world.api("STREAM.NAMES")["streams"] == ["A", "B", "C"]
    page = world.api("STREAM.NAMES", {"offset": 2})
    assert (page["total"], page["offset"], page["limit"]) == (3, 2, 1024)
    assert page["streams"] == ["C"]
    beyond = world.api("STREAM.NAMES", {"offset": 99})
    assert (beyond["offset"], beyond["streams"]) == (3, None)
    assert world.api("STREAM.NAMES", {"offset": -5})["offset"] == 0
    assert world.api("STREAM.NAMES", {"subject": "b.x"})["streams"] == ["B"]
    assert world.api("STREAM.NAMES", b"hello")["total"] == 3


def test_more_streams_than_a_page_come_in_two() -> None:
    world = World()
    for number in range(300):
        world.create_stream(f"S{number:03}")

    first = world.api("STREAM.LIST")
    second = world.api("STREAM.LIST", {"offset": 256})

    assert (len(first["streams"]), first["limit"], first["total"]) == (256, 256, 300)
    assert len(second["streams"]) == 44


@pytest.mark.parametrize(
    ("body", "seq"),
    [
        ({"seq": 1}, 1),
        ({"last_by_subj": "s.a"}, 4),
        ({"last_by_subj": "s.*"}, 5),
        ({"next_by_subj": "s.*", "seq": 2}, 3),
        ({"next_by_subj": "s.c"}, 3),
        ({"start_time": "2020-01-01T00:00:00Z"}, 1),
    ],
)
def test_each_selector_finds_its_message(body: dict[str, object], seq: int) -> None:
    message = filled().api("STREAM.MSG.GET.S", body)["message"]

    assert message["seq"] == seq


def test_a_message_shows_headers_and_data_in_base64() -> None:
    world = filled()

    message = world.api("STREAM.MSG.GET.S", {"seq": 5})["message"]
    bare = world.api("STREAM.MSG.GET.S", {"seq": 5, "no_hdr": True})["message"]

    assert message == {
        "subject": "s.h",
        "seq": 5,
        "hdrs": "TkFUUy8xLjANClgtQTogMQ0KTmF0cy1Nc2ctSWQ6IG1pZA0KDQo=",
        "data": "cGF5bG9hZA==",
        "time": "2027-01-15T08:00:00Z",
    }
    assert "hdrs" not in bare


@pytest.mark.parametrize(
    ("body", "err_code"),
    [
        (b"", 10003),
        ({}, 10003),
        ({"seq": 1, "last_by_subj": "x"}, 10003),
        ({"seq": 1, "batch": 2}, 10003),
        ({"multi_last": ["s.*"]}, 10003),
        ({"seq": 2}, 10037),
        ({"seq": 99}, 10037),
        ({"last_by_subj": "zz"}, 10037),
    ],
)
def test_a_message_that_cannot_be_found_or_meant(body: object, err_code: int) -> None:
    assert filled().error("STREAM.MSG.GET.S", body)[1] == err_code


@pytest.mark.parametrize("body", [b'{"a":1}', b"junk"])
def test_a_delete_with_a_body_is_refused(body: bytes) -> None:
    world = filled()

    assert world.error("STREAM.DELETE.S", body) == (
        400,
        10038,
        "expected an empty request payload",
    )
    assert world.api("STREAM.DELETE.S", b" {} ")["success"] is True


def test_account_info_adds_up() -> None:
    world = World(domain="D")
    world.create_stream(max_bytes=1000)
    world.create_stream("M", storage="memory")
    world.publish("s.a", b"x")
    world.create_consumer()

    info = world.api("INFO")

    assert (info["storage"], info["reserved_storage"], info["memory"]) == (34, 1000, 0)
    assert (info["streams"], info["consumers"], info["domain"]) == (2, 1, "D")


def test_a_read_that_the_store_refuses_is_an_error_answer() -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    world.store.read_error = StoreBusy("4096 reads wait for the disk")

    assert world.error("STREAM.MSG.GET.S", {"seq": 1}) == (429, 10167, "too many requests")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("STREAM.MSG.GET.S", {"start_time": "2020-01-01T00:00:00Z"}),
        ("STREAM.MSG.DELETE.S", {"seq": 1}),
        ("STREAM.PURGE.S", None),
        ("STREAM.PURGE.S", {"filter": "s.a"}),
        ("STREAM.UPDATE.S", {"name": "S", "subjects": ["t.>"]}),
        ("CONSUMER.CREATE.S.D", {"stream_name": "S", "config": {"durable_name": "D"}}),
    ],
)
def test_a_damaged_stream_answers_with_what_is_wrong(endpoint: str, body: object) -> None:
    world = World()
    world.create_stream()
    world.publish("s.a", b"x")
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")

    assert world.error(endpoint, body) == (503, 10077, "bad")
    assert world.state()["messages"] == 1


def test_a_damaged_stream_refuses_messages_and_can_be_deleted() -> None:
    world = World()
    world.create_stream()
    world.create_consumer()
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")

    (answer,) = world.request("s.a", b"x")

    assert b'"err_code":10077' in answer.payload
    assert world.api("CONSUMER.DELETE.S.C")["success"]
    assert world.api("STREAM.DELETE.S")["success"]


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> World:
    """A stream with more subjects than one step of an answer lists."""
    monkeypatch.setattr(limits, "SUBJECTS_PER_STEP", 2)
    world = World()
    world.create_stream()
    for number in range(20):
        world.publish(f"s.{number:02d}", b"x")
    return world


def test_long_details_take_turns_and_say_the_same(long: World) -> None:
    answers = long.request("$JS.API.STREAM.INFO.S", b'{"subjects_filter": "s.*"}')

    assert answers == []
    long.clock.turn()
    assert answers == []
    assert "error" not in long.api("STREAM.INFO.S")  # who asks for less does not wait
    long.settle()

    state = json.loads(answers[0].payload)["state"]
    assert list(state["subjects"]) == [f"s.{number:02d}" for number in range(20)]
    assert json.loads(answers[0].payload)["total"] == 20


def test_details_of_a_stream_that_is_deleted_meanwhile_are_an_error(long: World) -> None:
    answers = long.request("$JS.API.STREAM.INFO.S", b'{"subjects_filter": "s.*"}')
    long.clock.turn()
    long.api("STREAM.DELETE.S")
    long.settle()

    assert json.loads(answers[0].payload)["error"]["err_code"] == 10059


def test_details_that_the_store_cannot_tell_any_more_are_an_error(long: World) -> None:
    answers = long.request("$JS.API.STREAM.INFO.S", b'{"subjects_filter": "s.*"}')
    long.store.stores["$G", "S"].damaged = StoreCorrupt("bad")
    long.settle()

    assert "error" in json.loads(answers[0].payload)


def test_details_are_not_told_by_who_ends(long: World) -> None:
    answers = long.request("$JS.API.STREAM.INFO.S", b'{"subjects_filter": "s.*"}')
    long.js.shut_down()
    long.settle()

    assert answers == []


def test_more_long_details_than_may_wait_are_refused(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "DIRECT_BATCHES_MAX", 1)
    first, second = (
        long.request("$JS.API.STREAM.INFO.S", b'{"subjects_filter": "s.*"}') for _ in range(2)
    )
    long.settle()

    assert "error" not in json.loads(first[0].payload)
    assert json.loads(second[0].payload)["error"]["code"] in {429, 500, 503}
