"""Tiers in an account's JWT, as this server and nats-server answer for them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import nats
import pytest

from tests.hub.jwt import Operator
from tests.hub.process import nats_server_path
from tests.interop.both import JETSTREAM, WAIT_S, two_servers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hub.process import Hub
    from tests.interop.gateway import Gateway

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

ONE = {"disk_storage": 100_000, "mem_storage": -1, "streams": 2, "consumer": 1}
THREE = {"disk_storage": 5_000, "mem_storage": 1}
CONSUMER = {"durable_name": "A", "ack_policy": "explicit", "max_ack_pending": 51}
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("INFO", {}),
    ("STREAM.CREATE.S", {"name": "S", "max_bytes": 1000}),
    ("STREAM.CREATE.M", {"name": "M", "storage": "memory"}),
    ("STREAM.CREATE.N", {"name": "N", "num_replicas": 3}),
    ("STREAM.CREATE.T", {"name": "T", "max_bytes": 200_000}),
    ("CONSUMER.CREATE.S.A", {"stream_name": "S", "config": CONSUMER}),
    ("INFO", {}),
]
NEW = {"created", "ts"}


@pytest.mark.parametrize(
    "tiers",
    [
        {"R1": ONE | {"max_ack_pending": 50}, "R3": THREE},
        {"R1": ONE, "R3": THREE},
        {"R3": THREE},
        {"R1": {}, "R3": THREE},
    ],
)
async def test_tiers_hold_and_are_shown_alike(tmp_path: Path, tiers: dict[str, Any]) -> None:
    operator = Operator(now_s=int(time.time()), limits={"tiered_limits": tiers})
    creds = tmp_path / "user.creds"
    operator.write_creds(creds, "user")

    with two_servers(tmp_path, f"{operator.config()}\n{JETSTREAM}") as servers:
        ours, theirs = [await _answers(server, creds) for server in servers]

    assert ours == theirs


async def _answers(server: Gateway | Hub, creds: Path) -> list[Any]:
    found = []
    connection = await nats.connect(
        server.client_url, user_credentials=str(creds), allow_reconnect=False
    )
    try:
        for endpoint, body in ASKED:
            payload = json.dumps(body).encode() if body else b""
            answer = await connection.request(f"$JS.API.{endpoint}", payload, timeout=WAIT_S)
            said = json.loads(answer.data)
            found.append({name: value for name, value in said.items() if name not in NEW})
    finally:
        await connection.close()
    return found
