"""A real hub and a gateway with an uplink: streams, messages, and what arrived."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import nats
from nats.js.api import StreamConfig

from tests.interop.edge import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.js import JetStreamContext

    from tests.hub.process import Hub
    from tests.interop.gateway import Gateway

HUB = 'server_name: hub\njetstream { store_dir: "{dir}/js", domain: hub, sync_interval: always }'
# Shorter than every outage here: a message that is sent twice is stored twice.
WINDOW_S = 0.1
PATIENCE_S = 30.0


def gateway_config(hub: Hub, uplink: str = "") -> str:
    """`uplink`: more options of the block."""
    return (
        "server_name: edge\n"
        'jetstream { store_dir: "{dir}/data", domain: edge }\n'
        f'leafnodes {{ remotes [ {{ url: "{hub.leaf_url}" }} ], reconnect: 200ms }}\n'
        f"uplink {{ streams [ {{ stream: EV, hub_stream: AGG, domain: hub }} ]\n{uplink} }}\n"
    )


@contextlib.asynccontextmanager
async def jetstream_of(url: str) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(url, allow_reconnect=False)
    try:
        yield client.jetstream(timeout=PATIENCE_S)
    finally:
        await client.close()


async def make_streams(
    hub: Hub, gateway: Gateway, *, local: dict[str, Any] | None = None, **options: Any
) -> None:
    """`options` are of the hub's stream, `local` of the gateway's."""
    async with jetstream_of(hub.client_url) as jetstream:
        aggregate = StreamConfig(
            name="AGG", subjects=["edge.>"], duplicate_window=WINDOW_S, **options
        )
        await jetstream.add_stream(aggregate)
    async with jetstream_of(gateway.client_url) as jetstream:
        await jetstream.add_stream(StreamConfig(name="EV", subjects=["ev.>"], **(local or {})))


async def publish(gateway: Gateway, first: int, last: int) -> None:
    async with jetstream_of(gateway.client_url) as jetstream:
        for number in range(first, last + 1):
            await jetstream.publish("ev.reading", b"%d" % number)


async def at_hub(hub: Hub, stream: str = "AGG") -> list[int]:
    """The number that each payload of the hub's stream begins with, in its order."""
    async with jetstream_of(hub.client_url) as jetstream:
        state = (await jetstream.stream_info(stream)).state
        found = []
        for seq in range(state.first_seq, state.last_seq + 1):
            message = await jetstream.get_msg(stream, seq)
            found.append(int((message.data or b"0").split()[0]))
        return found


async def drained(gateway: Gateway, uplink: int = 0) -> None:
    """Wait until nothing of the stream of that uplink waits."""

    def nothing_waits() -> bool:
        stream = gateway.get("uplinkz")["streams"][uplink]
        return stream["state"] == "running" and not stream["lag_messages"]

    await until(nothing_waits, timeout_s=2 * PATIENCE_S)
