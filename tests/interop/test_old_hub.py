"""Debian's nats-server 2.9.10 above us and below us: what it lacks must not be asked of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.hub.old import old_server_path
from tests.interop.gateway import running_gateway
from tests.interop.nodes import OLD, OURS, carries, client_of, dials, linked, running, wants
from tests.interop.scenarios.streams import arrived, ask, elsewhere, made, numbers
from tests.interop.scenarios.streams import publish as publish_to
from tests.interop.uplinking import (
    at_hub,
    drained,
    gateway_config,
    make_streams,
    publish,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(
        old_server_path() is None and not os.environ.get("CI"),
        reason="nats-server 2.9 is not there: tests/hub/old.py says how to have it",
    ),
]

JETSTREAM = 'jetstream {{ store_dir: "{{dir}}/js", domain: {name} }}'
PAIRS = pytest.mark.parametrize(("above", "below"), [(OLD, OURS), (OURS, OLD)])


def dialing(top: Node) -> str:
    """As `dials`; 2.9 wants whole seconds."""
    return dials(top).replace("100ms", "1")


@PAIRS
async def test_messages_and_requests_go_both_ways(above: str, below: str, tmp_path: Path) -> None:
    with (
        running(above, tmp_path, "top") as top,
        running(below, tmp_path, "low", leafnodes=dialing(top)) as low,
    ):
        await linked(top)
        async with client_of(top) as high, client_of(low) as deep:
            await carries(deep, high, low, "up")
            await carries(high, deep, top, "down")


@PAIRS
async def test_each_side_sources_and_mirrors_the_other(
    above: str, below: str, tmp_path: Path
) -> None:
    with (
        running(above, tmp_path, "top", JETSTREAM.format(name="top")) as top,
        running(
            below, tmp_path, "low", JETSTREAM.format(name="low"), leafnodes=dialing(top)
        ) as low,
    ):
        await linked(top)
        await wants(top, "$JS.low.API.STREAM.>")
        await wants(low, "$JS.top.API.STREAM.>")
        async with client_of(top) as high, client_of(low) as deep:
            await made(high, "TOP", subjects=["top.>"])
            await made(deep, "LOW", subjects=["low.>"])
            await made(high, "FROM-LOW", sources=[elsewhere("LOW", "low")])
            await made(deep, "FROM-TOP", mirror=elsewhere("TOP", "top"))
            await publish_to(deep, "low.x", range(200))
            await publish_to(high, "top.x", range(200))
            await arrived(high, "FROM-LOW", 200)
            await arrived(deep, "FROM-TOP", 200)

            assert await numbers(high, "FROM-LOW") == list(range(200))
            assert await numbers(deep, "FROM-TOP") == list(range(200))
            for client, there in ((high, "low"), (deep, "top")):
                names = await ask(client, f"$JS.{there}.API.STREAM.NAMES")
                assert there.upper() in names["streams"]


async def test_the_uplink_drains_in_order_and_once_over_a_kill_of_the_hub(tmp_path: Path) -> None:
    with (
        running(OLD, tmp_path, "hub", JETSTREAM.format(name="hub")) as hub,
        running_gateway(tmp_path / "edge", gateway_config(hub)) as gateway,
    ):
        await make_streams(hub, gateway)
        await publish(gateway, 1, 100)
        await drained(gateway)
        hub.kill()
        await publish(gateway, 101, 300)
        hub.start()
        await drained(gateway)

        assert await at_hub(hub) == list(range(1, 301))
