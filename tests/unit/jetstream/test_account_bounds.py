"""What one account may have in JetStream: texts and codes measured on nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode.config.account_options import AccountJetStream as Bounds
from tests.unit.jetstream.world import World

BOUNDS = Bounds(
    max_memory_bytes=1000,
    max_file_bytes=5000,
    max_streams=1,
    max_consumers=1,
    max_ack_pending=5,
    max_memory_stream_bytes=500,
    max_file_stream_bytes=3000,
    max_bytes_required=True,
)


def world(bounds: Bounds) -> World:
    made = World()
    made.js.limit(bounds)
    return made


def ask(world: World, subject: str, **body: Any) -> dict[str, Any]:
    (answer,) = world.request(f"$JS.API.{subject}", json.dumps(body).encode() if body else b"")
    result: dict[str, Any] = json.loads(answer.payload)
    return result


def create(world: World, name: str = "S", **fields: Any) -> int:
    """Create a stream; returns the error's number, 0 for none."""
    subjects = [name.lower()]
    answer = ask(world, f"STREAM.CREATE.{name}", name=name, subjects=subjects, **fields)
    return int(answer.get("error", {}).get("err_code", 0))


def consume(world: World, name: str, stream: str = "S", **fields: Any) -> dict[str, Any]:
    config = {"durable_name": name, "ack_policy": "explicit", **fields}
    return ask(world, f"CONSUMER.DURABLE.CREATE.{stream}.{name}", stream_name=stream, config=config)


def test_info_shows_the_bounds() -> None:
    assert ask(world(BOUNDS), "INFO")["limits"] == {
        "max_memory": 1000,
        "max_storage": 5000,
        "max_streams": 1,
        "max_consumers": 1,
        "max_ack_pending": 5,
        "memory_max_stream_bytes": 500,
        "storage_max_stream_bytes": 3000,
        "max_bytes_required": True,
    }


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 10113),
        ({"max_bytes": 3000}, 0),
        ({"max_bytes": 3001}, 10122),
        ({"max_bytes": 6000}, 10122),
        ({"max_bytes": 500, "storage": "memory"}, 0),
        ({"max_bytes": 501, "storage": "memory"}, 10122),
        ({"max_bytes": 1001, "storage": "memory"}, 10028),
        ({"max_bytes": 3000, "max_consumers": 2}, 10026),
    ],
)
def test_a_stream_beyond_the_bounds_is_refused(fields: dict[str, Any], code: int) -> None:
    assert create(world(BOUNDS), **fields) == code


def test_a_large_stream_is_refused_as_such_before_what_others_were_promised_counts() -> None:
    two = world(Bounds(max_file_bytes=5000, max_file_stream_bytes=3000))
    assert create(two, "S", max_bytes=3000) == 0

    assert create(two, "T", max_bytes=4000) == 10122
    assert create(two, "T", max_bytes=3000) == 10047


def test_what_other_streams_were_promised_counts() -> None:
    two = world(Bounds(max_file_bytes=5000))

    assert create(two, "A", max_bytes=3000) == 0
    assert create(two, "B", max_bytes=2001) == 10047
    assert create(two, "B", max_bytes=2000) == 0


def test_one_stream_too_many_is_refused() -> None:
    one = world(Bounds(max_streams=1))

    assert create(one, "A") == 0
    assert create(one, "A") == 0  # the same again
    assert create(one, "B") == 10027


def test_the_number_of_consumers_is_bounded_for_each_stream() -> None:
    one = world(Bounds(max_consumers=1))
    create(one, "S")
    create(one, "T")

    assert "error" not in consume(one, "a")
    assert "error" not in consume(one, "a", "T")
    assert consume(one, "b")["error"]["err_code"] == 10026


def test_max_ack_pending_of_the_account_is_the_default_and_the_bound() -> None:
    few = world(Bounds(max_ack_pending=5))
    create(few, "S")

    assert consume(few, "a")["config"]["max_ack_pending"] == 5
    assert consume(few, "b", max_ack_pending=6)["error"] == {
        "code": 400,
        "err_code": 10121,
        "description": "consumer max ack pending exceeds system limit of 5",
    }


def test_a_message_that_would_pass_what_the_account_may_store_is_refused() -> None:
    full = world(Bounds(max_file_bytes=1000))
    create(full, "S")
    sizes = [569, 370, 369, 1]  # and 31 for each

    answers = [json.loads(full.request("s", b"x" * size)[0].payload) for size in sizes]

    assert [answer["seq"] for answer in answers] == [1, 0, 2, 0]
    assert answers[3]["error"] == {
        "code": 400,
        "err_code": 10002,
        "description": "resource limits exceeded for account",
    }


def test_larger_bounds_hold_for_streams_of_before() -> None:
    grown = world(Bounds(max_file_bytes=1000))
    create(grown, "S")
    for _ in range(3):
        grown.request("s", b"x" * 600)

    grown.js.limit(Bounds())

    assert json.loads(grown.request("s", b"x" * 600)[0].payload)["seq"] == 2


def test_tiers_are_shown_with_what_they_hold_beside_limits_of_nothing() -> None:
    three = Bounds(max_file_bytes=7)
    tiered = world(Bounds(max_streams=1, tiers=(("R1", Bounds(max_streams=1)), ("R3", three))))
    assert create(tiered, max_bytes=50) == 0
    assert create(tiered, "T") == 10027

    info = ask(tiered, "INFO")

    assert set(info["limits"].values()) == {0}
    one, other = info["tiers"]["R1"], info["tiers"]["R3"]
    assert (one["streams"], one["reserved_storage"], one["limits"]["max_streams"]) == (1, 50, 1)
    assert (other["streams"], other["limits"]["max_storage"]) == (0, 7)


def test_without_a_tier_for_one_server_nothing_is_made() -> None:
    tiered = world(Bounds(tiers=(("R3", Bounds()),)))

    assert create(tiered) == 10120
    assert list(ask(tiered, "INFO")["tiers"]) == ["R3"]
    assert "tiers" not in ask(world(Bounds()), "INFO")


def test_when_the_tier_for_one_server_goes_streams_stay_and_get_no_consumer() -> None:
    tiered = world(Bounds(tiers=(("R1", Bounds()),)))
    create(tiered, "S")
    assert "error" not in consume(tiered, "a")

    tiered.js.limit(Bounds(tiers=(("R3", Bounds()),)))

    assert consume(tiered, "b")["error"]["err_code"] == 10120
    assert consume(tiered, "a")["error"]["err_code"] == 10120


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 10027),
        ({"num_replicas": 3}, 10027),
        ({"max_age": -1}, 10027),
        ({"sealed": True}, 10052),
        ({"mirror_direct": True}, 10052),
    ],
)
def test_a_stream_too_many_is_refused_before_its_configuration_is_looked_at(
    fields: dict[str, Any], code: int
) -> None:
    full = world(Bounds(max_streams=2))
    assert (create(full), create(full, "T")) == (0, 0)
    full.js.limit(Bounds(max_streams=1))

    assert create(full, "U", **fields) == code
    assert create(full, "S", **fields) == code
    assert create(full, "S", max_msgs=5, **fields) == code


@pytest.mark.parametrize("storage", ["file", "memory"])
@pytest.mark.parametrize(
    "wrong", [{"subjects": ["a..b"]}, {"duplicate_window": -1}, {"num_replicas": 3}, {}]
)
def test_bytes_that_are_not_there_are_refused_before_the_configuration_is_looked_at(
    storage: str, wrong: dict[str, Any]
) -> None:
    one = world(Bounds(max_memory_bytes=5000, max_file_bytes=5000))
    code = 10028 if storage == "memory" else 10047
    asked = {"subjects": ["s"], "storage": storage} | wrong

    def ask_for(max_bytes: int) -> int:
        answer = ask(one, "STREAM.CREATE.S", name="S", max_bytes=max_bytes, **asked)
        return int(answer.get("error", {}).get("err_code", 0))

    assert ask_for(5001) == code
    assert create(one, "O", storage=storage, max_bytes=3000) == 0
    assert ask_for(2001) == code
    assert create(one, "S", storage=storage, max_bytes=2000) == 0
    assert ask_for(2001) == code  # before the other one of its name is
    assert ask_for(600) not in {0, code}


def test_where_no_storage_is_named_the_configuration_is_looked_at_first() -> None:
    one = world(Bounds(max_file_bytes=5000))

    answer = ask(one, "STREAM.CREATE.S", name="S", subjects=["a..b"], max_bytes=5001)

    assert answer["error"]["err_code"] == 10052
    assert create(one, max_bytes=5001) == 10047


@pytest.mark.parametrize(
    ("max_bytes", "created", "updated"),
    [(0, 10113, 10113), (3001, 10122, 10122), (100, 10074, 10059)],
)
def test_the_size_of_a_stream_is_looked_at_before_its_replicas_and_whether_it_is_there(
    max_bytes: int, created: int, updated: int
) -> None:
    one = world(Bounds(max_file_stream_bytes=3000, max_bytes_required=True))

    assert create(one, num_replicas=3, max_bytes=max_bytes) == created
    fields = {"name": "S", "subjects": ["s"], "max_bytes": max_bytes}
    assert ask(one, "STREAM.UPDATE.S", **fields)["error"]["err_code"] == updated


def test_a_stream_that_is_there_is_not_counted_as_another() -> None:
    full = world(Bounds(max_streams=1))
    assert create(full) == 0

    assert (create(full), create(full, max_msgs=5)) == (0, 10058)
    assert create(full, num_replicas=3) == 10074


@pytest.mark.parametrize(
    ("tier", "replicas", "code"),
    [("R1", 1, 10058), ("R1", 3, 10120), ("R3", 1, 10120), ("R3", 3, 10074)],
)
def test_the_tier_of_what_is_asked_for_is_looked_at_first(
    tier: str, replicas: int, code: int
) -> None:
    one = world(Bounds())
    assert create(one) == 0
    one.js.limit(Bounds(tiers=((tier, Bounds()),)))

    assert create(one, max_msgs=5, num_replicas=replicas) == code
