"""Endpoints about consumers: names in subject and body, actions, lists. nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.protocol import header
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import Msg, World

if TYPE_CHECKING:
    from pathlib import Path


def with_stream() -> World:
    world = World()
    world.create_stream()
    return world


def create(subject: str, config: dict[str, Any], stream: str = "S", **more: Any) -> dict[str, Any]:
    world = with_stream()
    return world.api(f"CONSUMER.{subject}", {"stream_name": stream, "config": config, **more})


@pytest.mark.parametrize(
    ("subject", "config", "name"),
    [
        ("CREATE.S.D", {"durable_name": "D"}, "D"),
        ("CREATE.S.D", {"name": "D"}, "D"),
        ("CREATE.S.D", {}, "D"),
        ("CREATE.S", {"name": "E"}, "E"),
        ("DURABLE.CREATE.S.D", {"durable_name": "D"}, "D"),
        ("DURABLE.CREATE.S.D", {"durable_name": "D", "name": "X"}, "D"),
        ("CREATE.S.F.s.a.>", {"durable_name": "F", "filter_subject": "s.a.>"}, "F"),
        ("CREATE.S.N1", {"name": "N2"}, "N1"),
    ],
)
def test_the_name_comes_from_subject_or_body(
    subject: str, config: dict[str, Any], name: str
) -> None:
    assert create(subject, config)["name"] == name


@pytest.mark.parametrize(
    ("subject", "config", "err_code"),
    [
        ("CREATE.S", {"durable_name": "D"}, 10020),
        ("CREATE.S.N1", {"durable_name": "N2"}, 10017),
        ("DURABLE.CREATE.S.L", {}, 10018),
        ("DURABLE.CREATE.S.L", {"durable_name": "M"}, 10017),
        ("CREATE.S.a/b", {"durable_name": "a/b"}, 10127),
        ("CREATE.S.F.s.a", {"durable_name": "F", "filter_subject": "s.b"}, 10131),
        ("CREATE.S.F.s.a", {"durable_name": "F", "filter_subjects": ["s.a"]}, 10137),
        ("CREATE.S." + "x" * 256, {"durable_name": "x" * 256}, 10102),
    ],
)
def test_names_and_filters_that_disagree_are_refused(
    subject: str, config: dict[str, Any], err_code: int
) -> None:
    assert create(subject, config)["error"]["err_code"] == err_code


def test_the_stream_must_be_named_twice_and_exist() -> None:
    assert create("CREATE.S.C", {}, stream="T")["error"]["err_code"] == 10056
    assert create("CREATE.T.C", {}, stream="T")["error"]["err_code"] == 10059


@pytest.mark.parametrize("change", [{"headers_only": True}, {"filter_subject": "s.b"}])
@pytest.mark.parametrize(("name", "is_kept"), [("leafnode-uplink-S", True), ("D", False)])
def test_nobody_but_an_uplink_changes_its_consumer(
    name: str, change: dict[str, Any], *, is_kept: bool
) -> None:
    world = with_stream()
    before = world.create_consumer(name=name)["config"]
    body = {"stream_name": "S", "config": {"name": name, "ack_policy": "explicit", **change}}

    answer = world.api(f"CONSUMER.CREATE.S.{name}", body)

    assert answer.get("error", {}).get("err_code") == (10012 if is_kept else None)
    assert (world.api(f"CONSUMER.INFO.S.{name}")["config"] == before) is is_kept
    moved = world.api(f"CONSUMER.RESET.S.{name}", {"seq": 6})
    assert moved.get("error", {}).get("err_code") == (10012 if is_kept else None)
    assert "error" not in world.api(f"CONSUMER.RESET.S.{name}", b"")
    heard: list[bytes] = []
    world.account.subscribe(b"heard", lambda got: heard.extend(one[2] for one in got.messages))
    world.account.publish(
        f"$JS.API.CONSUMER.CREATE.S.{name}".encode(),
        json.dumps(body).encode(),
        reply=b"heard",
        origin=world.account.to_itself,
    )
    assert json.loads(heard[0])["config"]["name"] == name


def test_actions_allow_what_they_say() -> None:
    world = with_stream()
    world.create_consumer()
    same = {"durable_name": "C", "ack_policy": "explicit"}
    other = same | {"max_deliver": 5}

    def ask(config: dict[str, Any], action: str, name: str = "C") -> dict[str, Any]:
        body = {"stream_name": "S", "config": config | {"durable_name": name}, "action": action}
        return world.api(f"CONSUMER.CREATE.S.{name}", body)

    assert ask(same, "create")["config"]["max_deliver"] == -1
    assert ask(other, "create")["error"]["err_code"] == 10148
    assert ask(other, "update")["config"]["max_deliver"] == 5
    assert ask(same, "")["config"]["max_deliver"] == -1
    assert ask(same, "update", "NOPE")["error"]["err_code"] == 10149


def test_an_update_survives_a_restart() -> None:
    world = with_stream()
    world.create_consumer()
    world.create_consumer(description="new")

    world.restart()

    assert world.info()["config"]["description"] == "new"


OF_HUB = {"name": "SRC", "direct": True, "sourcing": True, "deliver_subject": "d"}


def test_a_reader_of_a_stream_with_limits_gets_a_consumer_under_a_name_of_its_own() -> None:
    world = with_stream()
    body = {"stream_name": "S", "config": OF_HUB}

    made = [world.api("CONSUMER.CREATE.S", body) for _ in range(2)]

    assert all(one["name"].startswith("SRC-") for one in made)
    assert made[0]["name"] != made[1]["name"]
    assert (made[0]["config"]["ack_policy"], made[0]["config"]["direct"]) == ("none", True)
    assert world.api("CONSUMER.NAMES.S")["consumers"] == []


@pytest.mark.parametrize("retention", ["workqueue", "interest"])
def test_what_is_kept_for_acknowledgements_is_held_for_a_reader(retention: str) -> None:
    world = World()
    world.create_stream(retention=retention)
    world.api("CONSUMER.CREATE.S", {"stream_name": "S", "config": OF_HUB})
    for _ in range(3):
        world.publish("s.a", b"x")
    heard = world.listen("d")
    world.clock.advance(0)
    assert len(heard) == 3
    flow = {"Nats-Last-Consumer": "2", "Nats-Last-Stream": "2"}

    world.clock.advance(limits.ORIGIN_HEARTBEAT_NS)
    world.publish(heard[-1].reply.decode(), b"", headers=flow)
    info = world.api("CONSUMER.INFO.S.SRC")

    assert (info["config"]["durable_name"], info["config"]["ack_policy"]) == ("SRC", "flow_control")
    assert (info["ack_floor"]["stream_seq"], info["num_ack_pending"]) == (2, 1)
    assert world.api("STREAM.INFO.S")["state"]["messages"] == 1


def test_a_reader_that_comes_again_gets_what_it_did_not_acknowledge() -> None:
    world = World()
    world.create_stream(retention="workqueue")
    world.publish("s.a", b"x")
    body: dict[str, Any] = {"stream_name": "S", "config": OF_HUB}
    world.api("CONSUMER.CREATE.S", body)
    first: list[bytes] = []
    first_sub = world.account.subscribe(
        b"d", lambda run: first.extend(reply for reply, _, _ in run.messages)
    )
    world.clock.advance(0)
    moved = body | {"config": OF_HUB | {"deliver_subject": "e"}}
    assert world.error("CONSUMER.CREATE.S", moved)[1] == 10013

    world.account.unsubscribe(first_sub)
    again = world.listen("e")
    world.api("CONSUMER.CREATE.S", moved)
    world.clock.advance(0)

    assert [reply.rsplit(b".", 2)[0] for reply in first] == [b"$JS.ACK.S.SRC.1.1.1"]
    assert [one.reply.rsplit(b".", 2)[0] for one in again] == [b"$JS.ACK.S.SRC.1.1.1"]


def test_a_direct_consumer_is_told_whose_stream_it_reads() -> None:
    world = with_stream()
    config = {"direct": True, "deliver_subject": "d", "name": "C"}
    body = {"stream_name": "S", "config": config}
    subject = "$JS.API.CONSUMER.CREATE.S.C"
    other = {"Nats-Stream-Identity": "other"}

    [first] = world.request(subject, json.dumps(body).encode())
    [refused] = world.request(subject, json.dumps(body).encode(), headers=other)

    identity = world.js.streams["S"].identity
    assert header.get(first.block, b"Nats-Stream-Identity") == identity
    assert refused.block == b""
    assert json.loads(refused.payload)["error"] == {
        "code": 400,
        "err_code": 10225,
        "description": f"consumer's stream identity does not match: {identity.decode()}",
    }


def test_lists_and_names_are_sorted_and_paged() -> None:
    world = with_stream()
    assert world.api("CONSUMER.NAMES.S")["consumers"] == []
    for name in ("B", "A", "C"):
        world.create_consumer(name=name)

    names = world.api("CONSUMER.NAMES.S", {"offset": 1})
    listed = world.api("CONSUMER.LIST.S")

    assert (names["consumers"], names["total"], names["limit"]) == (["B", "C"], 3, 1024)
    assert [one["name"] for one in listed["consumers"]] == ["A", "B", "C"]
    assert listed["limit"] == 256
    assert listed["consumers"][0]["config"]["metadata"] == {"_nats.req.level": "0"}


@pytest.mark.parametrize("endpoint", ["CONSUMER.INFO.S.C", "CONSUMER.DELETE.S.C"])
def test_info_and_delete_take_no_body(endpoint: str) -> None:
    world = with_stream()
    world.create_consumer()

    assert world.error(endpoint, b'{"a":1}')[1] == 10038
    assert "error" not in world.api(endpoint)


def test_a_missing_consumer_is_404() -> None:
    world = with_stream()

    assert world.error("CONSUMER.INFO.S.X") == (404, 10014, "consumer not found")
    assert world.error("CONSUMER.DELETE.S.X")[1] == 10014
    assert world.error("CONSUMER.INFO.T.X")[1] == 10059


@pytest.mark.parametrize("storage", ["file", "memory"])
@pytest.mark.parametrize("meanwhile", ["", "shut down"])
def test_filters_are_matched_against_very_many_subjects_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str, storage: str
) -> None:
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 4)
    world = RealWorld(tmp_path / "store")
    world.create_stream(storage=storage)
    for number in range(20):
        world.put(f"s.{number}.x")
    config = {"durable_name": "C", "ack_policy": "explicit", "filter_subject": "s.*.x"}
    body = json.dumps({"stream_name": "S", "config": config}).encode()

    answers = world.request("$JS.API.CONSUMER.CREATE.S.C", body)
    turns = 0
    while not answers and turns < 9:
        if turns == 2 and meanwhile:
            world.js.shut_down()
        world.turns(1)
        turns += 1

    told = [json.loads(one.payload) for one in answers]
    if meanwhile:
        assert told == []
    else:
        assert (told[0]["num_pending"], told[0]["config"]["filter_subject"]) == (20, "s.*.x")
        assert turns >= 4


def _waiting_create(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **config: Any
) -> tuple[RealWorld, list[Msg]]:
    """A consumer that is being created, in several turns."""
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 4)
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    for number in range(20):
        world.put(f"s.{number}.x")
    config = {"durable_name": "C", "ack_policy": "explicit", "filter_subject": "s.*.x", **config}
    body = json.dumps({"stream_name": "S", "config": config}).encode()
    answers = world.request("$JS.API.CONSUMER.CREATE.S.C", body)
    world.turns(1)
    assert not answers
    return world, answers


def _told(answers: list[Msg]) -> dict[str, Any]:
    (one,) = answers
    told: dict[str, Any] = json.loads(one.payload)
    return told


@pytest.mark.parametrize(
    "endpoint", ["CONSUMER.DELETE.S.C", "STREAM.DELETE.S", "CONSUMER.INFO.S.C", "STREAM.INFO.S"]
)
def test_what_comes_behind_a_create_in_turns_finds_the_consumer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    world, created = _waiting_create(tmp_path, monkeypatch)

    later = world.request("$JS.API." + endpoint)
    assert not later
    world.turns(12)
    world.settle()

    assert _told(created)["name"] == "C"
    told = _told(later)
    assert "error" not in told
    if endpoint == "STREAM.INFO.S":
        assert told["state"]["consumer_count"] == 1
    if endpoint == "CONSUMER.DELETE.S.C":
        assert world.error("CONSUMER.INFO.S.C")[1] == 10014
    if endpoint == "STREAM.DELETE.S":
        assert world.error("STREAM.INFO.S")[1] == 10059


def test_a_second_create_behind_one_in_turns_is_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, created = _waiting_create(tmp_path, monkeypatch)
    config = {"durable_name": "C", "ack_policy": "all", "filter_subject": "s.1.x"}

    body = {"stream_name": "S", "config": config, "action": "create"}
    later = world.request("$JS.API.CONSUMER.CREATE.S.C", json.dumps(body).encode())
    world.turns(12)
    world.settle()

    assert _told(created)["config"]["ack_policy"] == "explicit"
    assert _told(later)["error"]["err_code"] == 10148


def test_requests_about_other_streams_do_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, created = _waiting_create(tmp_path, monkeypatch)

    other = world.request("$JS.API.STREAM.INFO.T")

    assert _told(other)["error"]["err_code"] == 10059
    assert not created


def test_no_more_wait_than_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUESTS_WAITING_MAX", 2)
    world, created = _waiting_create(tmp_path, monkeypatch)

    later = [world.request("$JS.API.CONSUMER.INFO.S.C") for _ in range(3)]

    assert [len(one) for one in later] == [0, 0, 1]
    assert _told(later[2])["error"]["err_code"] == 10167
    world.turns(12)
    assert _told(created)["name"] == "C"
    assert [_told(one)["name"] for one in later[:2]] == ["C", "C"]


@pytest.mark.parametrize("storage", ["file", "memory"])
def test_the_last_of_very_many_subjects_are_listed_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str
) -> None:
    monkeypatch.setattr(limits, "LISTED_PER_STEP", 4)
    world = RealWorld(tmp_path / "store")
    world.create_stream(storage=storage)
    for number in (*range(20), *range(20)):
        world.put(f"s.{number}.x", b"old")
    config = {"durable_name": "C", "ack_policy": "explicit", "filter_subject": "s.*.x"}
    body = {"stream_name": "S", "config": {**config, "deliver_policy": "last_per_subject"}}

    answers = world.request("$JS.API.CONSUMER.CREATE.S.C", json.dumps(body).encode())
    turns = 0
    while not answers and turns < 40:
        if turns in (2, 5):
            world.publish(f"s.{turns}.x", b"new")
            world.publish(f"s.late{turns}.x", b"new")
        world.turns(1)
        turns += 1

    assert turns >= 10
    assert _told(answers)["num_pending"] == 22
    got = world.fetch({"batch": 40, "no_wait": True})[:22]
    names = [msg.subject.decode() for msg in got]
    assert sorted(names) == sorted(
        [f"s.{number}.x" for number in range(20)] + ["s.late2.x", "s.late5.x"]
    )
    assert [msg.payload for msg in got] == [b"old"] * 18 + [b"new"] * 4


def test_filters_that_are_too_many_are_matched_against_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.create_stream()
    monkeypatch.setattr(world.js.streams["S"].store, "prepare", None)  # nobody calls it
    filters = [f"s.{number}.*" for number in range(limits.CONSUMER_FILTERS_MAX + 1)]
    config = {"durable_name": "C", "filter_subjects": filters}

    error = world.error("CONSUMER.CREATE.S.C", {"stream_name": "S", "config": config})

    assert error == (500, 10052, "too many filter subjects, maximum allowed is 256")


@pytest.mark.parametrize("policy", ["none", "explicit"])
def test_the_answer_says_what_a_consumer_is_before_it_delivers(policy: str) -> None:
    world = World()
    world.create_stream()
    for _ in range(3):
        world.publish("s.a")
    heard = world.listen("to.me")

    made = world.create_consumer(ack_policy=policy, deliver_subject="to.me")

    assert made["delivered"] == made["ack_floor"] == {"consumer_seq": 0, "stream_seq": 0}
    assert (made["num_pending"], made["num_ack_pending"], made["push_bound"]) == (3, 0, True)
    assert len(heard) == 3
    assert world.info()["delivered"]["consumer_seq"] == 3


def test_a_request_for_a_consumer_with_too_many_members_is_not_read() -> None:
    world = with_stream()
    commas = limits.CONSUMER_COMMAS_MAX
    text = {"k": "," * 2 * commas}  # in a string they separate nothing
    config = {"name": "A", "ack_policy": "explicit", "metadata": text}

    def error(members: int) -> int:
        body = {"stream_name": "S", "config": config, **{f"x{one}": 1 for one in range(members)}}
        answer = world.api("CONSUMER.CREATE.S.A", body)
        assert "members and elements" in str(answer) if members > 5 else True
        return int(answer.get("error", {}).get("err_code", 0))

    assert (error(0), error(commas)) == (0, 10025)
