"""The request side of the API: envelope, levels, unknown and unbuilt endpoints.

Measured on nats-server 2.15.1.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.jetstream.api import ENDPOINTS, find_endpoint
from leafnode.store.api import SEQ_MAX
from tests.unit.jetstream.real_world import RealWorld
from tests.unit.jetstream.world import World

if TYPE_CHECKING:
    from pathlib import Path


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


NUMBERS = [
    b"-1",
    b"0",
    b"1",
    b"2147483648",
    b"9007199254740992",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e308",
    b"1e999",
    b"NaN",
    b'"x"',
    b"[]",
    b"[1]",
    b"null",
    b"{}",
]
STREAM_FIELDS = [
    "max_consumers",
    "max_msgs",
    "max_bytes",
    "max_age",
    "max_msgs_per_subject",
    "max_msg_size",
    "num_replicas",
    "duplicate_window",
    "first_seq",
    "subject_delete_marker_ttl",
]
CONSUMER_FIELDS = [
    "opt_start_seq",
    "ack_wait",
    "max_deliver",
    "backoff",
    "rate_limit_bps",
    "max_waiting",
    "max_ack_pending",
    "max_batch",
    "max_expires",
    "max_bytes",
    "idle_heartbeat",
    "inactive_threshold",
    "num_replicas",
    "priority_timeout",
]
FIELDS = [
    *(("STREAM.CREATE.T", f'{{"name":"T","subjects":["t.>"],"{one}":%}}') for one in STREAM_FIELDS),
    *(("STREAM.UPDATE.S", f'{{"name":"S","subjects":["s.>"],"{one}":%}}') for one in STREAM_FIELDS),
    ("STREAM.CREATE.T", '{"name":"T","subjects":["t.>"],"consumer_limits":{"max_ack_pending":%}}'),
    ("STREAM.CREATE.T", '{"name":"T","sources":[{"name":"S","opt_start_seq":%}]}'),
    ("STREAM.PURGE.S", '{"seq":%}'),
    ("STREAM.PURGE.S", '{"keep":%}'),
    ("STREAM.PURGE.S", '{"seq":%,"filter":"s.a"}'),
    ("STREAM.PURGE.S", '{"keep":%,"filter":"s.a"}'),
    ("STREAM.MSG.GET.S", '{"seq":%}'),
    ("STREAM.MSG.GET.S", '{"seq":%,"next_by_subj":"s.a"}'),
    ("STREAM.MSG.GET.S", '{"seq":1,"batch":%}'),
    ("STREAM.MSG.GET.S", '{"up_to_seq":%,"multi_last":["s.a"]}'),
    ("STREAM.MSG.DELETE.S", '{"seq":%}'),
    ("STREAM.NAMES", '{"offset":%}'),
    ("STREAM.LIST", '{"offset":%}'),
    ("STREAM.INFO.S", '{"offset":%,"subjects_filter":">"}'),
    ("CONSUMER.NAMES.S", '{"offset":%}'),
    ("CONSUMER.LIST.S", '{"offset":%}'),
]


@pytest.mark.parametrize(("endpoint", "body"), FIELDS)
def test_any_number_is_answered_and_the_store_goes_on(
    tmp_path: Path, endpoint: str, body: str
) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    world.settle()

    for number in NUMBERS:
        world.put("s.a")
        answer = world.api(endpoint, body.encode().replace(b"%", number))
        assert "type" in answer
        world.clock.advance(1_000_000)
        world.request("$JS.API.STREAM.DELETE.T")
        world.settle()
        assert world.store.failed() is None
        assert world.store.committer.is_idle()
    for stream in ("S", "U"):
        world.request(f"$JS.API.STREAM.DELETE.{stream}")
    world.create_stream("U")
    world.settle()

    assert world.put("u.a")["seq"] == 1


@pytest.mark.parametrize("field", CONSUMER_FIELDS)
def test_any_number_of_a_consumer_is_answered_and_it_delivers_or_not(
    tmp_path: Path, field: str
) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    policy = ',"deliver_policy":"by_start_sequence"' if field == "opt_start_seq" else ""
    push = ',"deliver_subject":"out"' if field in {"idle_heartbeat", "rate_limit_bps"} else ""
    config = f'{{"name":"C","ack_policy":"explicit","{field}":%{policy}{push}}}'
    body = f'{{"stream_name":"S","config":{config}}}'.encode()

    for number in NUMBERS:
        value = b"[%b]" % number if field == "backoff" else number
        answer = world.api("CONSUMER.CREATE.S.C", body.replace(b"%", value))
        assert "type" in answer
        assert "seq" in world.put("s.a")
        if "error" not in answer:
            world.fetch({"batch": 1, "no_wait": True})
            world.clock.advance(1_000_000)
            assert "error" not in world.api("STREAM.PURGE.S", {"filter": "s.a"})
            assert "name" in world.info()
            world.api("CONSUMER.DELETE.S.C")
        assert world.store.failed() is None


@pytest.mark.parametrize(
    "field", ["expires", "batch", "max_bytes", "idle_heartbeat", "min_pending", "priority"]
)
@pytest.mark.parametrize("number", NUMBERS)
def test_any_number_of_a_pull_request_is_taken_or_answered(
    tmp_path: Path, field: str, number: bytes
) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    world.create_consumer()
    world.settle()

    world.request("$JS.API.CONSUMER.MSG.NEXT.S.C", b'{"%b":%b}' % (field.encode(), number))
    world.settle()
    world.clock.advance(100_000_000)

    assert "name" in world.info()


@pytest.mark.parametrize("number", NUMBERS)
def test_any_number_of_a_direct_get_is_answered(tmp_path: Path, number: bytes) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream(allow_direct=True)
    world.settle()

    for body in (b'{"seq":%b}', b'{"seq":%b,"next_by_subj":"s.a"}', b'{"seq":1,"batch":%b}'):
        answers = world.request("$JS.API.DIRECT.GET.S", body % number)
        world.settle()
        assert len(answers) == 1


@pytest.mark.parametrize("seq", [SEQ_MAX + 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_sequence_that_the_store_cannot_hold_is_named_as_the_clients_fault(
    tmp_path: Path, seq: int
) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream()
    refusal = (400, 10025, f"invalid JSON: sequence {seq} is beyond {SEQ_MAX}")

    assert world.error("STREAM.PURGE.S", {"seq": seq}) == refusal
    create = {"name": "T", "subjects": ["t.>"], "first_seq": seq}
    assert world.error("STREAM.CREATE.T", create) == refusal


def test_the_highest_sequence_that_the_store_can_hold_is_one_like_others(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "store")
    world.create_stream(first_seq=SEQ_MAX)
    world.settle()
    assert world.put("s.a")["seq"] == SEQ_MAX

    assert world.api("STREAM.PURGE.S", {"seq": SEQ_MAX})["success"] is True

    assert world.put("s.a")["seq"] == SEQ_MAX + 1


def test_a_long_answer_and_a_consumer_of_many_subjects_cost_the_turn_of_who_asks() -> None:
    world = World()
    world.create_stream()
    for number in range(100):
        world.publish(f"s.{number:0100}", b"x")
    outbox = world.client.outbox

    def cost(endpoint: str, body: Any = None) -> int:
        before = outbox.work_left
        assert "error" not in world.api(endpoint, body)
        return before - outbox.work_left

    long = cost("STREAM.INFO.S", b" " * 4000 + b"{}") - cost("STREAM.INFO.S", b"{}")
    assert long >= 4000 // limits.JSON_BYTES_A_WORK
    listed = cost("STREAM.INFO.S", {"subjects_filter": ">"}) - cost("STREAM.INFO.S")
    assert listed >= 100 * 100 // limits.ANSWER_BYTES_A_WORK
    config = {"stream_name": "S", "config": {"filter_subjects": ["s.*", "t.>"]}}
    created = cost("CONSUMER.CREATE.S", config)
    assert created >= limits.API_WORK + 100 * limits.FILTERED_SUBJECT_WORK


@pytest.mark.parametrize("body", [b" ", b"\n", b"\t "])
def test_white_space_is_no_empty_body(body: bytes) -> None:
    world = World()
    world.create_stream()
    world.create_consumer()

    assert world.error("STREAM.DELETE.S", body)[1] == 10038
    assert world.error("CONSUMER.DELETE.S.C", body)[1] == 10038
    assert world.error("CONSUMER.INFO.S.C", body)[1] == 10038
    assert world.error("CONSUMER.RESET.S.C", body)[1] == 10025
    assert "error" not in world.api("CONSUMER.INFO.S.C", b" {} ")


def test_a_long_request_that_configures_nothing_is_not_read() -> None:
    world = World()
    world.create_stream(metadata={"k": "v" * limits.API_REQUEST_BYTES_MAX})
    fits = b" " * (limits.API_REQUEST_BYTES_MAX - 2) + b"{}"

    assert "error" not in world.api("STREAM.INFO.S", fits)
    assert world.error("STREAM.INFO.S", b" " + fits)[1] == 10025
    assert world.error("STREAM.PURGE.S", b" " + fits)[1] == 10025
