"""An uplink to more than one server: a cluster that loses nodes, gateways between, a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hub.process import nats_server_path
from tests.interop.edge import until
from tests.interop.nodes import (
    OURS,
    PATIENCE_S,
    REAL,
    client_of,
    dials,
    linked,
    running,
)
from tests.interop.scenarios.clusters import (
    ELECTION_S,
    USER,
    USERINFO,
    elected,
    running_cluster,
    running_supercluster,
)
from tests.interop.scenarios.edges import ACCOUNTS
from tests.interop.scenarios.streams import (
    arrived,
    eventually,
    made,
    numbers,
    publish,
    state,
)

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from nats.aio.client import Client

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

COUNT = 600
WINDOW_NS = 100_000_000


def edge_with_uplink(directory: Path, *hubs: Node) -> AbstractContextManager[Node]:
    """An edge whose work queue EV goes to the stream UP of the domain `hub`."""
    config = f"""
        jetstream {{ store_dir: "{{dir}}/js", domain: edge }}
        {ACCOUNTS}
        uplink {{ account: A, streams [ {{ stream: EV, hub_stream: UP, domain: hub }} ] }}"""
    urls = ", ".join(f'"nats-leaf://{USERINFO}127.0.0.1:{hub.leaf_port}"' for hub in hubs)
    link = f"reconnect: 200ms, remotes: [ {{ urls: [{urls}], account: A, no_randomize: true }} ]"
    return running(OURS, directory, "edge", config, leafnodes=link)


def row(edge: Node) -> dict[str, object]:
    found: dict[str, object] = edge.get("uplinkz")["streams"][0]
    return found


async def asked(edge: Node) -> None:
    """Wait until the hub said where to go on."""
    await until(lambda: row(edge)["protection"] == "asked", timeout_s=ELECTION_S)


async def upstream(up: Client, down: Client) -> None:
    """Prove that the hub has all, once and in order, and that nothing waits any more."""
    await arrived(up, "UP", COUNT)
    assert await numbers(up, "UP") == list(range(COUNT))

    async def emptied() -> bool:
        return not (await state(down, "EV"))["messages"]

    await eventually(emptied, timeout_s=PATIENCE_S, why="EV keeps what is upstream")


async def test_a_cluster_that_loses_the_edges_node_has_everything_once_and_in_order(
    tmp_path: Path,
) -> None:
    with running_cluster(tmp_path) as hubs:
        await elected(hubs)
        first, other = hubs.nodes[0], hubs.nodes[1]
        async with client_of(other, **USER) as up:
            # Shorter than the change of nodes takes: what is sent twice is stored twice.
            await made(up, "UP", subjects=["edge.>"], num_replicas=3, duplicate_window=WINDOW_NS)
            with edge_with_uplink(tmp_path, *hubs.nodes) as edge:
                async with client_of(edge, **USER) as down:
                    await made(down, "EV", subjects=["ev.>"], retention="workqueue")
                    await asked(edge)
                    await publish(down, "ev.x", range(COUNT // 3))
                    first.kill()
                    await publish(down, "ev.x", range(COUNT // 3, 2 * COUNT // 3))
                    await arrived(up, "UP", 2 * COUNT // 3)
                    first.start()
                    await publish(down, "ev.x", range(2 * COUNT // 3, COUNT))
                    await upstream(up, down)


async def test_a_stream_behind_gateways_has_everything_once_and_in_order(tmp_path: Path) -> None:
    with running_supercluster(tmp_path, "west", "east") as (west, east):
        await elected(west, east)
        async with client_of(east.nodes[1], **USER) as up:
            await made(up, "UP", subjects=["edge.>"], placement={"cluster": "east"})
            with edge_with_uplink(tmp_path, *west.nodes) as edge:
                async with client_of(edge, **USER) as down:
                    await made(down, "EV", subjects=["ev.>"], retention="workqueue")
                    await asked(edge)
                    await publish(down, "ev.x", range(COUNT))
                    await upstream(up, down)


@pytest.mark.parametrize("middle", [OURS, REAL])
async def test_the_hub_may_be_two_links_away(middle: str, tmp_path: Path) -> None:
    top_config, mid_config = (
        f'jetstream {{ store_dir: "{{dir}}/js", domain: {domain} }}\n{ACCOUNTS}'
        for domain in ("hub", "mid")
    )
    with (
        running(REAL, tmp_path, "top", top_config) as top,
        running(
            middle,
            tmp_path,
            "mid",
            mid_config,
            leafnodes=dials(top, userinfo=USERINFO, more="account: A"),
        ) as mid,
        edge_with_uplink(tmp_path, mid) as edge,
    ):
        await linked(mid, 2)
        async with client_of(top, **USER) as up, client_of(edge, **USER) as down:
            await made(up, "UP", subjects=["edge.>"], duplicate_window=WINDOW_NS)
            await made(down, "EV", subjects=["ev.>"], retention="workqueue")
            await asked(edge)
            await publish(down, "ev.x", range(COUNT // 2))
            await arrived(up, "UP", COUNT // 2)
            mid.kill()
            await publish(down, "ev.x", range(COUNT // 2, COUNT))
            mid.start()
            await upstream(up, down)
