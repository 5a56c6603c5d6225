"""Store and forward to a real nats-server 2.15.1, with outages beyond its duplicate window."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import nats
import pytest
from nats.js.api import StreamConfig

from tests.hub.process import free_ports, nats_server_path, running_hub
from tests.interop.edge import until
from tests.interop.gateway import running_gateway
from tests.interop.uplinking import (
    HUB,
    PATIENCE_S,
    WINDOW_S,
    at_hub,
    drained,
    gateway_config,
    jetstream_of,
    make_streams,
    publish,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hub.process import Hub

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

PAYLOAD_MAX = 64 * 1024
ACCOUNT_MAX = 3000


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
    assert re.fullmatch(r"edge\.EV\.\w{8}\.1-\w{5}", message.headers["Nats-Msg-Id"])
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


async def test_a_message_larger_than_the_hubs_account_takes_is_a_dead_letter_and_the_rest_goes(
    tmp_path: Path,
) -> None:
    account = (
        f"jetstream: enabled, limits {{ max_payload: {ACCOUNT_MAX} }}, "
        "users [ { user: u, password: p } ]"
    )
    config = f"{HUB}\naccounts {{ H {{ {account} }} }}\nno_auth_user: u"
    with (
        running_hub(tmp_path / "hub", config) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub, "dead_letter: DEAD")) as gateway,
    ):
        await make_streams(hub, gateway)
        async with jetstream_of(gateway.client_url) as jetstream:
            for payload in (b"1", b"x" * (ACCOUNT_MAX + 1000), b"3"):
                await jetstream.publish("ev.a", payload)
        await drained(gateway)

        assert await at_hub(hub) == [1, 3]
        (stream,) = gateway.get("uplinkz")["streams"]
        assert stream["dead_letters"] == 1


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


async def test_a_large_message_whose_answer_is_larger_than_max_payload_ends_no_link(
    tmp_path: Path,
) -> None:
    with (
        running_hub(tmp_path / "hub", HUB) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway)
        async with jetstream_of(gateway.client_url) as jetstream:
            await jetstream.publish("ev.a", b"0".rjust(900_000))
        await drained(gateway)
        gateway.stop()
        gateway.start()
        await publish(gateway, 1, 1)
        await drained(gateway)

        assert await at_hub(hub) == [0, 1]
        (stream,) = gateway.get("uplinkz")["streams"]
        assert (stream["protection"], stream["cuts"]) == ("asked", 0)


@pytest.mark.parametrize("scheme", ["nats-leaf", "ws", "ws, packed"])
async def test_a_message_at_the_hub_however_large_ends_no_link_when_it_is_asked_for(
    tmp_path: Path, scheme: str
) -> None:
    """Its answer is 12 MiB here, and the gateway's max_payload 1 MiB."""
    ws_port = free_ports(1)[0]
    listener = f"websocket {{ listen: 127.0.0.1:{ws_port}, no_tls: true, compression: true }}"

    def edge(hub: Hub) -> str:
        url = f"ws://127.0.0.1:{ws_port}" if scheme.startswith("ws") else hub.leaf_url
        option = ", ws_compression: true" if "packed" in scheme else ""
        before = f'"{hub.leaf_url}"'
        return gateway_config(hub).replace(before, f'"{url}"{option}')

    with (
        running_hub(tmp_path / "hub", f"{HUB}\nmax_payload: 32MB\n{listener}") as hub,
        running_gateway(tmp_path / "edge", edge(hub)) as gateway,
    ):
        await make_streams(hub, gateway)
        await publish(gateway, 1, 3)
        await drained(gateway)
        async with jetstream_of(hub.client_url) as jetstream:
            await jetstream.publish("edge.ev.reading", b"4".rjust(9 << 20))
        await publish(gateway, 5, 5)
        await drained(gateway)
        async with jetstream_of(hub.client_url) as jetstream:
            await jetstream.publish("edge.ev.reading", b"6".rjust(9 << 20))
        gateway.stop()
        gateway.start()
        await publish(gateway, 7, 7)
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 8))
        (stream,) = gateway.get("uplinkz")["streams"]
        assert (stream["protection"], stream["cuts"]) == ("asked", 0)


async def test_what_the_hub_takes_no_more_while_somebody_there_listens_is_told_and_once_there(
    tmp_path: Path,
) -> None:
    """Neither a PubAck comes nor "no responders": somebody there has the message."""
    with running_hub(tmp_path / "hub", HUB) as hub:
        config = gateway_config(hub).replace("domain: hub }", "domain: hub, ack_timeout: 1s }")
        with running_gateway(tmp_path / "edge", config) as gateway:
            await make_streams(hub, gateway)
            await publish(gateway, 1, 3)
            await drained(gateway)
            async with await nats.connect(hub.client_url, allow_reconnect=False) as client:
                jetstream = client.jetstream(timeout=PATIENCE_S)
                await client.subscribe("edge.>")
                narrow = StreamConfig(
                    name="AGG", subjects=["edge.no.more"], duplicate_window=WINDOW_S
                )
                await jetstream.update_stream(narrow)
                await publish(gateway, 4, 6)
                words = "the hub does not have sequence 4 and does not answer it"

                def is_told() -> bool:
                    return words in gateway.get("uplinkz")["streams"][0]["last_error"]

                await until(is_told, timeout_s=2 * PATIENCE_S)
                assert words in gateway.log
                await jetstream.update_stream(replace(narrow, subjects=["edge.>"]))
                await drained(gateway)

            assert await at_hub(hub) == [*range(1, 7)]
