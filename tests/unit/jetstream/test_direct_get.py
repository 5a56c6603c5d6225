"""Direct Get of single messages (ADR-31), measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreError
from leafnode.limits import DIRECT_REQUEST_BYTES_MAX
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import Msg, World

if TYPE_CHECKING:
    from pathlib import Path


def filled() -> World:
    world = World()
    world.create_stream(allow_direct=True)
    for subject in ("s.a", "s.b", "s.a"):
        world.publish(subject, subject.encode(), headers={"X": "1"} if subject == "s.b" else None)
    return world


def get(world: World, body: object = b"", tail: str = "") -> Msg:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    (answer,) = world.request(f"$JS.API.DIRECT.GET.S{tail}", payload)
    return answer


def test_a_message_comes_raw_with_four_headers() -> None:
    answer = get(filled(), {"seq": 1})

    assert answer.payload == b"s.a"
    assert answer.block == (
        b"NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: s.a\r\nNats-Sequence: 1\r\n"
        b"Nats-Time-Stamp: 2027-01-15T08:00:00Z\r\n\r\n"
    )


def test_stored_headers_come_first() -> None:
    assert get(filled(), {"seq": 2}).block.startswith(b"NATS/1.0\r\nX: 1\r\nNats-Stream: S\r\n")


def test_without_headers_only_the_payload_comes() -> None:
    answer = get(filled(), {"seq": 2, "no_hdr": True})

    assert (answer.block, answer.payload) == (b"", b"s.b")


@pytest.mark.parametrize(
    ("body", "tail", "seq"),
    [
        ({"last_by_subj": "s.a"}, "", 3),
        ({"next_by_subj": "s.>", "seq": 2}, "", 2),
        ({"start_time": "2020-01-01T00:00:00Z"}, "", 1),
        (b"", ".s.a", 3),
        ({"max_bytes": 1}, ".s.a", 3),
        ({"no_hdr": False}, ".s.b", 2),
        ({"seq": 1, "bogus": 1}, "", 1),
    ],
)
def test_each_selector_finds_its_message(body: object, tail: str, seq: int) -> None:
    assert b"Nats-Sequence: %d\r\n" % seq in get(filled(), body, tail).block


@pytest.mark.parametrize(
    ("body", "tail", "status"),
    [
        ({"seq": 99}, "", b"404 Message Not Found"),
        (b"", ".s.zz", b"404 Message Not Found"),
        (b"", "", b"408 Empty Request"),
        (b"{}", "", b"408 Empty Request"),
        (b"{bad", "", b"408 Malformed Request"),
        (b'{"seq":1}' + b" " * DIRECT_REQUEST_BYTES_MAX, "", b"408 Malformed Request"),
        ({"seq": 1, "last_by_subj": "s.a"}, "", b"408 Bad Request"),
        ({"seq": 1}, ".s.a", b"408 Bad Request"),
        ({"multi_last": ["s.a"], "next_by_subj": "s.a"}, "", b"408 Bad Request"),
        ({"last_by_subj": "s.a", "batch": 2}, "", b"408 Bad Request"),
    ],
)
def test_each_problem_has_its_status(body: object, tail: str, status: bytes) -> None:
    assert get(filled(), body, tail).block == b"NATS/1.0 " + status + b"\r\n\r\n"


def test_switching_it_off_ends_the_answers() -> None:
    world = filled()

    world.api("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"]})

    assert get(world, {"seq": 1}).status == b"NATS/1.0 503"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StoreBusy("4096 reads wait for the disk"), b"NATS/1.0 429 Too Many Requests"),
        (StoreCorrupt("/var/lib/x: bad"), b"NATS/1.0 500 Store Not Available"),
    ],
)
@pytest.mark.parametrize("body", [{"seq": 1}, {"last_by_subj": "s.a"}, {"next_by_subj": "s.>"}])
def test_a_read_that_the_store_refuses_is_a_status_and_does_not_end_the_connection(
    error: StoreError, status: bytes, body: object
) -> None:
    world = filled()
    world.store.read_error = error

    assert get(world, body).status == status


def test_a_question_to_a_damaged_stream_is_a_status() -> None:
    world = filled()
    world.store.stores["$G", "S"].damaged = StoreCorrupt("bad")

    answer = get(world, {"start_time": "2020-01-01T00:00:00Z"})

    assert answer.status == b"NATS/1.0 500 Store Not Available"


@pytest.mark.parametrize(
    ("endpoint", "body", "seq"),
    [
        ("DIRECT.GET.S", {"last_by_subj": "s.*.x"}, 19),
        ("DIRECT.GET.S", {"next_by_subj": "s.*.x", "seq": 4}, 5),
        ("DIRECT.GET.S", {"next_by_subj": "s.*.x", "seq": 4, "batch": 1}, 5),
        ("DIRECT.GET.S.s.*.x", None, 19),
        ("STREAM.MSG.GET.S", {"last_by_subj": "s.*.x"}, 19),
        ("STREAM.MSG.GET.S", {"next_by_subj": "s.*.x", "seq": 4}, 5),
    ],
)
def test_a_pattern_is_held_against_very_many_subjects_in_turns(
    endpoint: str,
    body: dict[str, object] | None,
    seq: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 4)
    world = RealWorld(tmp_path / "store")
    world.create_stream(allow_direct=True)
    for number in range(20):
        world.put(f"s.{number}.{'xy'[number % 2]}")

    answers = world.request(
        f"$JS.API.{endpoint}", b"" if body is None else json.dumps(body).encode()
    )
    turns = 0
    while not answers and turns < 20:
        world.turns(1)
        turns += 1

    assert turns >= 4
    first = answers[0]
    if endpoint.startswith("DIRECT"):
        assert b"Nats-Sequence: %d\r\n" % seq in first.block
    else:
        assert json.loads(first.payload)["message"]["seq"] == seq


@pytest.mark.parametrize("endpoint", ["DIRECT.GET.S", "STREAM.MSG.GET.S"])
def test_what_the_store_refuses_in_a_later_turn_is_answered_too(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MATCHED_PER_STEP", 4)
    world = RealWorld(tmp_path / "store")
    world.create_stream(allow_direct=True)
    for number in range(20):
        world.put(f"s.{number}.x")

    def busy(*_: object, **__: object) -> None:
        raise StoreBusy("too many reads wait")

    monkeypatch.setattr(world.js.streams["S"].store, "last", busy)
    answers = world.request(f"$JS.API.{endpoint}", b'{"last_by_subj":"s.*.x"}')
    for _ in range(20):
        world.turns(1)

    assert len(answers) == 1
    assert b"429" in answers[0].block + answers[0].payload
