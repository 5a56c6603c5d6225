"""The request side of the API: envelope, levels, unknown and unbuilt endpoints.

Measured on nats-server 2.15.1.
"""

from __future__ import annotations

import json

import pytest

from leafnode.jetstream.api import ENDPOINTS, find_endpoint
from tests.unit.jetstream.world import World


@pytest.mark.parametrize(
    ("subject", "kind", "args"),
    [
        (b"$JS.API.INFO", "account_info", []),
        (b"$JS.API.STREAM.INFO.S", "stream_info", [b"S"]),
        (b"$JS.API.STREAM.MSG.GET.S", "stream_msg_get", [b"S"]),
        (b"$JS.API.CONSUMER.CREATE.S", "consumer_create", [b"S"]),
        (b"$JS.API.CONSUMER.CREATE.S.C.a.>", "consumer_create", [b"S", b"C", b"a", b">"]),
        (b"$JS.API.CONSUMER.DURABLE.CREATE.S.C", "consumer_create", [b"S", b"C"]),
        (b"$JS.API.STREAM.LEADER.STEPDOWN.S", "stream_leader_stepdown", [b"S"]),
    ],
)
def test_a_subject_names_its_endpoint(subject: bytes, kind: str, args: list[bytes]) -> None:
    found = find_endpoint(subject)

    assert found is not None
    assert (found[0].kind, found[1]) == (kind, args)


@pytest.mark.parametrize(
    "endpoint",
    [
        "NOPE",
        "STREAM.BOGUS.X",
        "STREAM.TEMPLATE.NAMES",
        "STREAM.CREATE.a.b",
        "STREAM.INFO",
        "META.LEADER.STEPDOWN",
        "SERVER.REMOVE",
        "ACCOUNT.PURGE.X",
        "ACCOUNT.STREAM.MOVE.A.S",
    ],
)
def test_unknown_endpoints_are_met_with_silence(endpoint: str) -> None:
    assert World().request(f"$JS.API.{endpoint}") == []


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("STREAM.LEADER.STEPDOWN.S", "stream_leader_stepdown"),
        ("STREAM.PEER.REMOVE.S", "stream_remove_peer"),
        ("STREAM.PEER.EVACUATE.S", "stream_evacuate_peer"),
        ("STREAM.CANCEL_MOVE.S", "stream_cancel_move"),
        ("CONSUMER.LEADER.STEPDOWN.S.C", "consumer_leader_stepdown"),
        ("CONSUMER.PEER.REMOVE.S.C", "consumer_remove_peer"),
        ("CONSUMER.PEER.EVACUATE.S.C", "consumer_evacuate_peer"),
    ],
)
def test_endpoints_of_a_cluster_say_that_there_is_none(endpoint: str, kind: str) -> None:
    assert World().api(endpoint) == {
        "type": f"io.nats.jetstream.api.v1.{kind}_response",
        "error": {
            "code": 503,
            "err_code": 10010,
            "description": "JetStream clustering support required",
        },
    }


@pytest.mark.parametrize(
    ("endpoint", "kind", "what"),
    [
        ("STREAM.SNAPSHOT.S", "stream_snapshot", "stream snapshot"),
        ("STREAM.RESTORE.S", "stream_restore", "stream restore"),
        ("CONSUMER.PAUSE.S.C", "consumer_pause", "consumer pause"),
        ("CONSUMER.UNPIN.S.C", "consumer_unpin", "consumer unpin"),
        ("CONSUMER.RESET.S.C", "consumer_reset", "consumer reset"),
    ],
)
def test_endpoints_that_are_not_built_say_so_in_their_own_type(
    endpoint: str, kind: str, what: str
) -> None:
    answer = World().api(endpoint)

    assert answer["type"] == f"io.nats.jetstream.api.v1.{kind}_response"
    assert answer["error"] == {
        "code": 500,
        "err_code": 10052,
        "description": f"{what} is not supported",
    }


@pytest.mark.parametrize("level", ["6", "abc"])
def test_a_too_new_request_is_refused_before_anything_else(level: str) -> None:
    refused = World().error("STREAM.CREATE.X", b"{bad", headers={"Nats-Required-Api-Level": level})

    assert refused == (412, 10185, "JetStream minimum api level required")


def test_level_five_is_served() -> None:
    answer = World().api("INFO", headers={"Nats-Required-Api-Level": "5"})

    assert answer["api"] == {"level": 5, "total": 0, "errors": 0}


def test_requests_and_errors_are_counted() -> None:
    world = World()
    world.api("STREAM.NAMES")
    world.api("STREAM.INFO.NOPE")

    assert world.api("INFO")["api"] == {"level": 5, "total": 2, "errors": 1}


def test_a_request_without_reply_is_executed() -> None:
    world = World()

    world.publish("$JS.API.STREAM.CREATE.S", b'{"name":"S"}')

    assert world.api("STREAM.NAMES")["streams"] == ["S"]


@pytest.mark.parametrize(
    ("endpoint", "extra"),
    [
        ("STREAM.NAMES", {"total": 0, "offset": 0, "limit": 0, "streams": None}),
        ("STREAM.INFO.S", {"total": 0, "offset": 0, "limit": 0}),
        ("STREAM.PURGE.S", {"purged": 0}),
        ("CONSUMER.LIST.S", {"total": 0, "offset": 0, "limit": 0, "consumers": []}),
    ],
)
def test_errors_carry_the_fields_of_their_response(endpoint: str, extra: dict[str, object]) -> None:
    answer = World().api(endpoint, b"{bad")

    assert {key: answer[key] for key in extra} == extra
    assert list(answer) == ["type", "error", *extra]


@pytest.mark.parametrize(
    "body",
    [
        b"\x00",
        b"[[[[",
        b'{"name":' * 500,
        b'{"max_msgs":1e308}',
        b"\xff",
        b"9" * 5000,
        b'{"a":NaN}',
    ],
)
def test_no_body_breaks_any_endpoint(body: bytes) -> None:
    world = World()
    world.create_stream()
    world.create_consumer()

    for name, endpoint in ENDPOINTS.items():
        args = {1: ".S", 2: ".S.C"}.get(endpoint.args[0], "")
        for answer in world.request(f"$JS.API.{name.decode()}{args}", body):
            assert json.loads(answer.payload)["type"].startswith("io.nats.jetstream.api.v1.")


def test_direct_get_of_a_stream_without_it_has_no_responder() -> None:
    world = World()
    world.create_stream()

    for stream in ("S", "NOPE"):
        (answer,) = world.request(f"$JS.API.DIRECT.GET.{stream}", b'{"seq":1}')
        assert answer.block == (
            f"NATS/1.0 503\r\nNats-Subject: $JS.API.DIRECT.GET.{stream}\r\n\r\n".encode()
        )
