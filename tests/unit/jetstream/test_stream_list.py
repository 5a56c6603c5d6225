"""Which streams of an account are told of, and in how many turns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from tests.unit.jetstream.world import Msg, World


def streams(count: int) -> World:
    """S0, S1, … take s<number>.a and s<number>.b.*"""
    world = World()
    for number in range(count):
        world.create_stream(name=f"S{number}", subjects=[f"s{number}.a", f"s{number}.b.*"])
    return world


def ask(world: World, endpoint: str, **body: Any) -> list[Msg]:
    return world.request(f"$JS.API.STREAM.{endpoint}", json.dumps(body).encode())


def told(answers: list[Msg]) -> dict[str, Any]:
    (answer,) = answers
    out: dict[str, Any] = json.loads(answer.payload)
    return out


def names(answers: list[Msg]) -> list[str]:
    return [
        one if isinstance(one, str) else one["config"]["name"] for one in told(answers)["streams"]
    ]


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> World:
    """Streams with more subjects, and more to tell of, than one step takes."""
    monkeypatch.setattr(limits, "SUBJECTS_PER_STEP", 4)
    monkeypatch.setattr(limits, "INFOS_PER_STEP", 2)
    return streams(7)


@pytest.mark.parametrize("endpoint", ["NAMES", "LIST"])
def test_a_short_list_is_there_at_once(endpoint: str) -> None:
    world = streams(3)

    assert names(ask(world, endpoint)) == ["S0", "S1", "S2"]
    assert names(ask(world, endpoint, subject="s1.b.x")) == ["S1"]


@pytest.mark.parametrize("endpoint", ["NAMES", "LIST"])
@pytest.mark.parametrize(
    ("subject", "found"),
    [("s3.b.x", ["S3"]), ("*.a", [f"S{number}" for number in range(7)]), ("s6.>", ["S6"])],
)
def test_who_takes_a_subject_of_many_is_looked_for_in_turns(
    long: World, endpoint: str, subject: str, found: list[str]
) -> None:
    answers = ask(long, endpoint, subject=subject)

    for _ in range(3):
        assert answers == []
        long.clock.turn()
    long.settle()

    assert names(answers) == found
    assert told(answers)["total"] == len(found)


def test_much_is_told_of_streams_in_turns_and_names_are_not(long: World) -> None:
    answers = ask(long, "LIST")

    assert len(names(ask(long, "NAMES"))) == 7
    for _ in range(3):
        assert answers == []
        long.clock.turn()
    long.settle()

    assert names(answers) == [f"S{number}" for number in range(7)]


def test_a_stream_with_many_origins_is_as_much_as_many_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = streams(4)
    for name in ("T", "U"):
        world.create_stream(name=name, subjects=[], sources=[{"name": f"S{n}"} for n in range(4)])
    monkeypatch.setattr(limits, "INFOS_PER_STEP", 6)

    answers = ask(world, "LIST")
    world.clock.turn()
    assert answers == []
    world.settle()

    assert names(answers) == ["S0", "S1", "S2", "S3", "T", "U"]


def test_a_page_of_a_long_list_is_the_same(long: World) -> None:
    answers = ask(long, "LIST", offset=4)
    long.settle()

    assert names(answers) == ["S4", "S5", "S6"]
    assert (told(answers)["total"], told(answers)["offset"]) == (7, 4)


@pytest.mark.parametrize("endpoint", ["NAMES", "LIST"])
def test_of_a_stream_that_is_deleted_meanwhile_nothing_is_told(long: World, endpoint: str) -> None:
    answers = ask(long, endpoint, subject="*.a")
    for _ in range(3):
        long.clock.turn()
    long.api("STREAM.DELETE.S6")
    long.api("STREAM.DELETE.S0")
    long.settle()

    assert names(answers) == ["S1", "S2", "S3", "S4", "S5"]
    assert told(answers)["total"] == 5
