"""What is taken from a message before it is judged; the judgements: test_ingest.py."""

from __future__ import annotations

import json

import pytest

from leafnode.jetstream.judge import opened
from leafnode.limits import MAX_HEADER_BYTES, MAX_SUBJECT_TOKENS
from tests.unit.jetstream.world import World


@pytest.mark.parametrize(
    ("block", "kept", "fields"),
    [
        (b"", b"", {}),
        (b"NATS/1.0\r\nX: 1\r\n\r\n", b"NATS/1.0\r\nX: 1\r\n\r\n", {}),
        (b"NATS/1.0 503 no\r\nX: 1\r\n\r\n", b"NATS/1.0\r\nX: 1\r\n\r\n", {}),
        (
            b"NATS/1.0\r\nNats-TTL: 1\r\nNats-TTL: 2\r\n\r\n",
            b"NATS/1.0\r\nNats-TTL: 1\r\nNats-TTL: 2\r\n\r\n",
            {b"Nats-TTL": b"1"},
        ),
        (
            b"NATS/1.0\r\nKV-Operation: PURGE\r\n\r\n",
            b"NATS/1.0\r\nKV-Operation: PURGE\r\n\r\n",
            {b"KV-Operation": b"PURGE"},
        ),
        (
            b'NATS/1.0\r\nMy: 1\r\nNats-Request-Info: {"acc":"B"}\r\n\r\n',
            b"NATS/1.0\r\nMy: 1\r\n\r\n",
            {b"My": b"1"},
        ),
        (b'NATS/1.0\r\nNats-Request-Info: {"acc":"B"}\r\n\r\n', b"", {}),
    ],
)
def test_a_status_is_dropped_and_the_first_of_each_line_counts(
    block: bytes, kept: bytes, fields: dict[bytes, bytes]
) -> None:
    assert opened(len(block), block + b"payload") == (len(kept), kept + b"payload", fields)


def test_a_header_beyond_the_bound_is_not_read_on() -> None:
    block = (
        b"NATS/1.0\r\nNats-TTL: 1\r\n" + b"a:\r\n" * MAX_HEADER_BYTES + b"Nats-Msg-Id: x\r\n\r\n"
    )

    size, body, fields = opened(len(block), block)

    assert (size, body) == (len(block), block)
    assert fields[b"Nats-TTL"] == b"1"
    assert b"Nats-Msg-Id" not in fields


@pytest.mark.parametrize(("tokens", "is_found"), [(MAX_SUBJECT_TOKENS, True), (3000, False)])
def test_a_pattern_deeper_than_any_subscription_has_no_newest_message(
    tokens: int, *, is_found: bool
) -> None:
    world = World()
    world.create_stream(subjects=["s.>"])
    rest = ".a" * (tokens - 1)
    world.publish(f"s{rest}", b"x")

    expected = {
        "Nats-Expected-Last-Subject-Sequence": "0",
        "Nats-Expected-Last-Subject-Sequence-Subject": f"*{rest}",
    }
    (answer,) = world.request("s.b", b"y", headers=expected)

    assert ("error" in json.loads(answer.payload)) == is_found
