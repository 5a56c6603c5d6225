"""Scenario 02: an edge below a cluster of three nats-servers, of which it knows one."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from tests.hub.process import nats_server_path
from tests.interop.edge import until
from tests.interop.nodes import PATIENCE_S, client_of, linked, wants
from tests.interop.scenarios.clusters import ELECTION_S, USER, elected, running_cluster
from tests.interop.scenarios.edges import running_edge
from tests.interop.scenarios.services import reaches, serve
from tests.interop.scenarios.streams import arrived, elsewhere, made, numbers, publish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.hub.process import Hub
    from tests.interop.nodes import Node
    from tests.interop.scenarios.clusters import Cluster

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]


@contextlib.asynccontextmanager
async def edge_of_a_cluster(directory: Path) -> AsyncIterator[tuple[Cluster, Node]]:
    """A cluster with a leader, and an edge that was told of its first node."""
    with running_cluster(directory) as hubs:
        await elected(hubs)
        with running_edge(directory, "edge", hubs.nodes[0]) as edge:
            await linked(edge)
            yield hubs, edge


def home(hubs: Cluster) -> Hub | None:
    """The node that the edge is at."""
    for node in hubs.nodes:
        if node.process is not None and node.get("leafz")["leafnodes"]:
            return node
    return None


async def moved(hubs: Cluster, edge: Node) -> Hub:
    """Return the node that the edge found after its own went away."""
    await until(lambda: home(hubs) is not None, timeout_s=ELECTION_S)
    await wants(edge, "$JS.hub.API.CONSUMER.>")
    found = home(hubs)
    assert found is not None
    return found


async def test_an_edge_outlives_its_node_and_a_replicated_stream_has_everything_once(
    tmp_path: Path,
) -> None:
    async with edge_of_a_cluster(tmp_path) as (hubs, edge), client_of(edge, **USER) as down:
        first, other = hubs.nodes[0], hubs.nodes[1]
        assert home(hubs) is first
        async with client_of(other, **USER) as up:
            await made(down, "EV", subjects=["ev.>"])
            await made(up, "ALL", num_replicas=3, sources=[elsewhere("EV", "edge")])
            await publish(down, "ev.x", range(500))
            await arrived(up, "ALL", 500)

            first.kill()
            await publish(down, "ev.x", range(500, 1000))
            assert await moved(hubs, edge) is not first
            await arrived(up, "ALL", 1000)
            assert await numbers(up, "ALL") == list(range(1000))

            # What the dead one did not see is answered by whom it left.
            await serve(down, "edge.svc")
            await reaches(up, "edge.svc")
            await serve(up, "hub.svc")
            await reaches(down, "hub.svc")


async def test_a_queue_group_on_both_sides_of_a_cluster_prefers_its_own(tmp_path: Path) -> None:
    async with (
        edge_of_a_cluster(tmp_path) as (hubs, edge),
        client_of(edge, **USER) as down,
        client_of(hubs.nodes[1], **USER) as up,
    ):
        below = await serve(down, "work", "q")
        await reaches(up, "work")
        above = await serve(up, "work", "q")
        await wants(edge, "work")
        below.clear()
        above.clear()

        for _ in range(20):
            await down.request("work", b"?", timeout=PATIENCE_S)
        assert (len(below), len(above)) == (20, 0)
        for _ in range(20):
            await up.request("work", b"?", timeout=PATIENCE_S)
        assert (len(below), len(above)) == (20, 20)


async def test_an_edge_leaves_a_node_in_lame_duck_mode_for_another(tmp_path: Path) -> None:
    async with edge_of_a_cluster(tmp_path) as (hubs, edge), client_of(edge, **USER) as down:
        first = hubs.nodes[0]
        assert first.process is not None
        first.process.send_signal(signal.SIGUSR2)
        await until(first.ended, timeout_s=ELECTION_S)
        first.stop()

        second = await moved(hubs, edge)
        async with client_of(second, **USER) as up:
            await serve(up, "hub.svc")
            await reaches(down, "hub.svc")
