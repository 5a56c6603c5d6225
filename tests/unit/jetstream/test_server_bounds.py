"""leafnode.jetstream.server_bounds: what the configuration bounds. Values as nats-server 2.15.1."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leafnode import limits
from leafnode.clock import NS_PER_S
from leafnode.config.account_options import AccountJetStream as Bounds
from leafnode.config.options import JetStreamLimits
from leafnode.jetstream.server_bounds import ServerBounds
from tests.unit.jetstream.world import World


def bounded(**configured: int) -> World:
    world = World()
    world.js.context.bounds.configured = JetStreamLimits(**configured)
    return world


def batched(world: World, name: str, seq: int, *, commit: str = "") -> int:
    """Publish a message of an atomic batch; return the error's number, 0 for none."""
    lines = {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(seq)}
    lines |= {"Nats-Batch-Commit": commit} if commit else {}
    world.clock.advance(0)
    [answer] = world.request("s.a", b"x", headers=lines)
    found: dict[str, Any] = json.loads(answer.payload or b"{}")
    return int(found.get("error", {}).get("err_code", 0))


def test_what_says_nothing_is_bounded_by_the_defaults() -> None:
    bounds = ServerBounds()

    assert bounds.open_atomic == (limits.ATOMIC_OPEN_MAX, limits.ATOMIC_OPEN_TOTAL_MAX)
    assert bounds.open_fast == (limits.FAST_OPEN_MAX, limits.FAST_OPEN_TOTAL_MAX)
    assert bounds.atomic_idle_ns() == limits.ATOMIC_IDLE_NS
    assert bounds.fast_idle_ns() == limits.FAST_IDLE_NS
    assert bounds.batch_msgs == limits.ATOMIC_MSGS_MAX
    assert bounds.max_ack_pending == bounds.max_request_batch == bounds.duplicate_window_ns == 0


def test_both_kinds_of_batches_have_the_bounds_that_are_configured() -> None:
    configured = JetStreamLimits(batches_of_stream=2, batches=3, batch_timeout_ns=NS_PER_S)
    bounds = ServerBounds(configured)

    assert bounds.open_atomic == bounds.open_fast == (2, 3)
    assert bounds.atomic_idle_ns() == bounds.fast_idle_ns() == NS_PER_S


def test_a_batch_is_never_too_large_for_a_transaction() -> None:
    bounds = ServerBounds(JetStreamLimits(batch_msgs=100_000))

    # With other messages waiting for the disk, as many as with it are staged, it still fits.
    assert bounds.batch_msgs == limits.ATOMIC_MSGS_HARD_MAX
    assert 2 * bounds.batch_msgs <= limits.STAGED_ROWS_MAX


def test_atomic_batches_go_by_what_is_configured_now() -> None:
    world = bounded(batches_of_stream=1, batch_msgs=1, batch_timeout_ns=NS_PER_S)
    world.create_stream(allow_atomic=True)

    assert batched(world, "a", 1) == 0
    assert batched(world, "b", 1) == 10210
    assert batched(world, "a", 2) == 10199
    assert batched(world, "c", 1) == 0
    world.clock.advance(NS_PER_S)
    assert batched(world, "c", 1, commit="1") == 0

    world.js.context.bounds.configured = JetStreamLimits()
    assert [batched(world, "d", 1), batched(world, "e", 1)] == [0, 0]


def test_consumers_and_windows_go_by_what_is_configured() -> None:
    world = bounded(max_ack_pending=5, default_max_consumers=1, duplicate_window_ns=NS_PER_S)
    made = world.create_stream()

    assert made["config"]["duplicate_window"] == NS_PER_S
    assert world.create_consumer()["config"]["max_ack_pending"] == 5
    config = {"durable_name": "D", "ack_policy": "explicit"}
    refused = world.api("CONSUMER.CREATE.S.D", {"stream_name": "S", "config": config})
    assert refused["error"]["err_code"] == 10026


@pytest.mark.parametrize(
    ("default", "account", "stream", "made"),
    [
        (3, -1, -1, 3),
        (3, -1, 5, 5),
        (3, 5, -1, 5),
        (3, 5, 2, 2),
        (-1, -1, -1, 7),
        (0, -1, 5, 5),
    ],
)
def test_the_default_of_consumers_holds_where_nothing_else_does(
    default: int, account: int, stream: int, made: int
) -> None:
    world = bounded(default_max_consumers=default)
    world.js.limit(Bounds(max_consumers=account))
    world.create_stream(max_consumers=stream)

    for number in range(7):
        config = {"durable_name": f"C{number}"}
        world.api(f"CONSUMER.CREATE.S.C{number}", {"stream_name": "S", "config": config})

    assert len(world.js.streams["S"].consumers) == made


def test_an_unknown_field_is_an_error_only_where_requests_are_read_strictly() -> None:
    world = World()
    body = {"name": "S", "bogus": 1}
    assert world.api("STREAM.CREATE.S", body)["error"]["err_code"] == 10025

    world.js.context.bounds.strict = False

    assert "error" not in world.api("STREAM.CREATE.S", body)
    assert world.api("STREAM.CREATE.T", b'{"bogus":1')["error"]["err_code"] == 10025
