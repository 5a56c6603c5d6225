"""Store and forward to a real nats-server 2.15.1, with outages beyond its duplicate window."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import nats
import pytest
from nats.js.api import StreamConfig

from tests.hub.process import Hub, nats_server_path, running_hub
from tests.interop.edge import until
from tests.interop.gateway import Gateway, running_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.js import JetStreamContext

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

HUB = 'server_name: hub\njetstream { store_dir: "{dir}/js", domain: hub, sync_interval: always }'
# Shorter than every outage here: a message that is sent twice is stored twice.
WINDOW_S = 0.1
PATIENCE_S = 30.0
PAYLOAD_MAX = 64 * 1024


def gateway_config(hub: Hub) -> str:
    return (
        "server_name: edge\n"
        'jetstream { store_dir: "{dir}/data", domain: edge }\n'
        f'leafnodes {{ remotes [ {{ url: "{hub.leaf_url}" }} ], reconnect: 200ms }}\n'
        "uplink { streams [ { stream: EV, hub_stream: AGG, domain: hub } ] }\n"
    )


@contextlib.asynccontextmanager
async def jetstream_of(url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(url, allow_reconnect=False)
    try:
        yield client.jetstream(timeout=PATIENCE_S)
    finally:
        await client.close()


async def make_streams(hub: Hub, gateway: Gateway) -> None:
    async with jetstream_of(hub.client_url) as jetstream:
        aggregate = StreamConfig(name="AGG", subjects=["edge.>"], duplicate_window=WINDOW_S)
        await jetstream.add_stream(aggregate)
    async with jetstream_of(gateway.client_url) as jetstream:
        await jetstream.add_stream(name="EV", subjects=["ev.>"])


async def publish(gateway: Gateway, first: int, last: int) -> None:
    async with jetstream_of(gateway.client_url) as jetstream:
        for number in range(first, last + 1):
            await jetstream.publish("ev.reading", b"%d" % number)


async def at_hub(hub: Hub) -> list[int]:
    """Every payload of the hub's stream, in its order."""
    async with jetstream_of(hub.client_url) as jetstream:
        state = (await jetstream.stream_info("AGG")).state
        found = []
        for seq in range(state.first_seq, state.last_seq + 1):
            message = await jetstream.get_msg("AGG", seq)
            found.append(int(message.data or b"0"))
        return found


async def drained(gateway: Gateway) -> None:
    def nothing_waits() -> bool:
        (stream,) = gateway.get("uplinkz")["streams"]
        return stream["state"] == "running" and not stream["lag_messages"]

    await until(nothing_waits, timeout_s=2 * PATIENCE_S)


async def test_readings_arrive_under_the_servers_name_with_an_id_and_their_headers(
    tmp_path: Path,
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway)
        async with jetstream_of(gateway.client_url) as jetstream:
            own = {"Nats-Msg-Id": "device-1", "Unit": "C"}
            await jetstream.publish("ev.a", b"21.5", headers=own)
        await drained(gateway)

        async with jetstream_of(hub.client_url) as jetstream:
            message = await jetstream.get_msg("AGG", 1)

    assert message.subject == "edge.ev.a"
    assert message.data == b"21.5"
    assert message.headers is not None
    assert message.headers["Nats-Msg-Id"].startswith("edge.EV.")
    assert message.headers["Nats-Msg-Id"].endswith(".1")
    assert message.headers["Leafnode-Msg-Id"] == "device-1"
    assert message.headers["Unit"] == "C"


async def test_a_hub_that_is_killed_in_the_middle_has_everything_once_and_in_order(
    tmp_path: Path,
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway)
        for round_ in range(3):
            publishing = publish(gateway, round_ * 200 + 1, round_ * 200 + 200)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(publishing)
                await asyncio.sleep(0.15)  # whatever is on its way then
                hub.kill()
                await task
            await asyncio.sleep(3 * WINDOW_S)
            hub.start()
            await drained(gateway)

        assert await at_hub(hub) == list(range(1, 601))


async def test_a_gateway_that_is_killed_in_the_middle_sends_everything_once_and_in_order(
    tmp_path: Path,
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway)
        for round_ in range(3):
            await publish(gateway, round_ * 100 + 1, round_ * 100 + 100)
            gateway.kill()
            await asyncio.sleep(3 * WINDOW_S)
            gateway.start()
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 301))


async def test_a_message_larger_than_the_hub_takes_does_not_end_the_link(tmp_path: Path) -> None:
    config = f"{HUB}\nmax_payload: {PAYLOAD_MAX}"
    with (
        running_hub(tmp_path / "hub", config) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway)
        async with jetstream_of(gateway.client_url) as jetstream:
            await jetstream.publish("ev.a", b"x" * PAYLOAD_MAX)

        def refused() -> bool:
            (stream,) = gateway.get("uplinkz")["streams"]
            return stream["state"] == "refused"

        await until(refused, timeout_s=PATIENCE_S)

        (stream,) = gateway.get("uplinkz")["streams"]
        assert f"the hub takes at most {PAYLOAD_MAX}" in stream["last_error"]
        assert stream["lag_messages"] == 1
        assert len(gateway.get("leafz")["leafs"]) == 1
        assert gateway.get("healthz") == {"status": "ok"}
