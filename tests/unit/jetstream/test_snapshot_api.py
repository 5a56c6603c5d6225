"""What of a request for a snapshot or a restore is refused, and in which order."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.unit.jetstream.world import World


@pytest.fixture
def world() -> World:
    made = World()
    made.create_stream()
    return made


@pytest.mark.parametrize(
    ("endpoint", "body", "error"),
    [
        ("SNAPSHOT.S", None, (400, 10003, "bad request")),
        ("SNAPSHOT.S", {}, (400, 10003, "bad request")),
        ("SNAPSHOT.NO", {"bad": 1}, (404, 10059, "stream not found")),
        ("SNAPSHOT.S", {"bad": 1}, (400, 10025, 'invalid JSON: json: unknown field "bad"')),
        ("SNAPSHOT.S", {"deliver_subject": ""}, (400, 10015, "deliver subject not valid")),
        ("SNAPSHOT.S", {"deliver_subject": "a.*"}, (400, 10015, "deliver subject not valid")),
        (
            "SNAPSHOT.S",
            {"deliver_subject": "$JS.API.STREAM.DELETE.S"},
            (400, 10015, "deliver subject not valid"),
        ),
        ("SNAPSHOT.S", {"deliver_subject": "a b"}, (400, 10015, "deliver subject not valid")),
        ("RESTORE.S", None, (400, 10003, "bad request")),
        ("RESTORE.S", {"bad": 1}, (400, 10025, 'invalid JSON: json: unknown field "bad"')),
        (
            "RESTORE.S",
            {"config": {"name": "T"}},
            (400, 10056, "stream name in subject does not match request"),
        ),
        (
            "RESTORE.a/b",
            {"config": {"name": "a/b"}},
            (400, 10128, "Stream name can not contain path separators"),
        ),
        (
            "RESTORE.S",
            {"config": {"name": "S", "max_age": 5}},
            (500, 10052, "max age needs to be >= 100ms"),
        ),
        (
            "RESTORE.S",
            {"config": {"name": "S"}},
            (400, 10130, "stream name already in use, cannot restore"),
        ),
        (
            "RESTORE.T",
            {"config": {"subjects": ["s.x"]}},
            (400, 10065, "subjects overlap with an existing stream"),
        ),
        (
            "RESTORE.T",
            {"config": {"num_replicas": 3}},
            (500, 10074, "replicas > 1 not supported in non-clustered mode"),
        ),
    ],
)
def test_what_is_refused(
    world: World, endpoint: str, body: Any, error: tuple[int, int, str]
) -> None:
    assert world.error(f"STREAM.{endpoint}", body) == error


def test_a_refused_restore_has_its_field(world: World) -> None:
    assert world.api("STREAM.RESTORE.S")["deliver_subject"] == ""


def test_a_restore_takes_the_name_of_its_subject_and_may_be_sealed(world: World) -> None:
    answer = world.api("STREAM.RESTORE.T", {"config": {"sealed": True, "subjects": ["t"]}})

    assert answer["type"] == "io.nats.jetstream.api.v1.stream_restore_response"
    assert answer["deliver_subject"].startswith("$JS.SNAPSHOT.RESTORE.T.")


def test_a_stream_too_many_is_not_restored(world: World) -> None:
    world.js.bounds = type(world.js.bounds)(max_streams=1)

    refused = world.error("STREAM.RESTORE.T", {"config": {"subjects": ["t"]}})

    assert refused == (400, 10027, "maximum number of streams reached")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("SNAPSHOT.S", {"deliver_subject": "a"}),
        ("RESTORE.T", {"config": {"name": "T", "subjects": ["t"]}, "state": {}}),
    ],
)
def test_code_that_cannot_be_read_for_want_of_a_descriptor_is_told(
    world: World, endpoint: str, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("snapshot", "restore"):
        monkeypatch.setitem(sys.modules, f"leafnode.jetstream.{name}", None)

    assert world.error(f"STREAM.{endpoint}", body) == (503, 10023, "insufficient resources")
