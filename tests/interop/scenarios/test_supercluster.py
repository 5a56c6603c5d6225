"""Scenario 03: two clusters of three nats-servers, joined by gateways, and an edge below each."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.hub.process import nats_server_path
from tests.interop.barrier import settled
from tests.interop.nodes import PATIENCE_S, client_of, linked, wants
from tests.interop.scenarios.clusters import USER, elected, running_supercluster
from tests.interop.scenarios.edges import running_edge
from tests.interop.scenarios.services import reaches, serve
from tests.interop.scenarios.streams import (
    ARRIVAL_S,
    arrived,
    ask,
    elsewhere,
    eventually,
    made,
    numbers,
    origin_sequences,
    publish,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from nats.aio.client import Client

    from tests.interop.nodes import Node
    from tests.interop.scenarios.clusters import Cluster

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]


IMPORTER = {"user": "i", "password": "i"}
SHARED = """
accounts {
  A { jetstream: enabled, users: [{user: a, password: a}], exports: [{stream: "shared.>"}] }
  I { users: [{user: i, password: i}], imports: [{stream: {account: A, subject: "shared.>"}}] }
}
"""


class World(NamedTuple):
    """Every server."""

    west: Cluster
    east: Cluster
    edge_w: Node
    edge_e: Node


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Started and not yet of one mind: eight processes that no test ends."""
    directory = tmp_path_factory.mktemp("super")
    with (
        running_supercluster(directory, "west", "east") as (west, east),
        running_edge(directory, "edge-w", west.nodes[0]) as edge_w,
        running_edge(directory, "edge-e", east.nodes[0], accounts=SHARED) as edge_e,
    ):
        yield World(west, east, edge_w, edge_e)


@contextlib.asynccontextmanager
async def two_edges(
    world: World,
) -> AsyncIterator[tuple[tuple[Client, Client], tuple[Client, Client]]]:
    """Clients of both edges, and clients of both clusters, not at the edges' nodes."""
    await elected(world.west, world.east)
    for edge in (world.edge_w, world.edge_e):
        await linked(edge)
        await wants(edge, "$JS.hub.API.CONSUMER.>")
    async with (
        client_of(world.edge_w, **USER) as at_w,
        client_of(world.edge_e, **USER) as at_e,
        client_of(world.west.nodes[1], **USER) as in_west,
        client_of(world.east.nodes[1], **USER) as in_east,
    ):
        yield (at_w, at_e), (in_west, in_east)


async def test_edges_of_two_clusters_talk_and_answer_across_the_gateways(world: World) -> None:
    async with two_edges(world) as ((at_w, at_e), (_, in_east)):
        asked = await serve(at_e, "edge-e.svc")
        await reaches(at_w, "edge-e.svc")
        assert asked[-1].reply.startswith("_INBOX.")  # without the way that gateways put before it
        await serve(at_w, "edge-w.svc")
        await reaches(in_east, "edge-w.svc")

        heard = await at_e.subscribe("news.>")
        await settled(at_e)
        await wants(world.edge_w, "news.>")

        async def crosses() -> bool:
            await at_w.publish("news.1", b"x", headers={"A": "B"})
            message = await heard.next_msg(timeout=1)
            return (message.data, message.headers) == (b"x", {"A": "B"})

        await eventually(crosses, timeout_s=PATIENCE_S, why="no message crosses the gateways")


async def test_whoever_has_just_come_to_another_cluster_is_answered_at_once(world: World) -> None:
    async with two_edges(world) as ((at_w, at_e), _):
        asked = await serve(at_e, "fresh.svc")
        await reaches(at_w, "fresh.svc")
        del asked[:]

        # Its inbox is not known across the gateways yet: the request names the way of the answer.
        for place in (world.west.nodes[1], world.edge_w, world.west.nodes[2], world.edge_w):
            async with client_of(place, **USER) as fresh:
                answer = await fresh.request("fresh.svc", b"?", timeout=PATIENCE_S)
            assert answer.data == b"here"

        assert len(asked) == 4
        assert all(message.reply.startswith("_INBOX.") for message in asked)


async def test_who_hears_another_cluster_by_a_stream_import_answers_it(world: World) -> None:
    async with two_edges(world), client_of(world.edge_e, **IMPORTER) as importer:
        asked = await serve(importer, "shared.svc")

        for place in (world.west.nodes[1], world.edge_w):

            async def is_answered(place: Node = place) -> bool:
                # Each time somebody new: the inbox of one that is there for 2 s is answered by
                # interest, which the importing account has not.
                async with client_of(place, **USER) as fresh:
                    answer = await fresh.request("shared.svc", b"?", timeout=1)
                return answer.data == b"here"

            await eventually(is_answered, timeout_s=PATIENCE_S, why="no answer comes back")

        assert all(message.reply.startswith("_INBOX.") for message in asked)


async def test_streams_and_buckets_are_read_across_the_gateways(world: World) -> None:
    async with two_edges(world) as ((at_w, at_e), (in_west, in_east)):
        for client, name in ((at_w, "EVW"), (at_e, "EVE")):
            await made(client, name, subjects=[f"{name}.>"])
        sources = [elsewhere("EVW", "edge-w"), elsewhere("EVE", "edge-e")]
        placement = {"cluster": "east"}
        await made(in_east, "BOTH", sources=sources, num_replicas=3, placement=placement)
        await made(in_east, "CFG", subjects=["cfg.>"], placement=placement)
        await made(at_w, "COPY", mirror=elsewhere("CFG", "hub"))

        await publish(at_w, "EVW.x", range(300))
        await publish(at_e, "EVE.x", range(300, 600))
        await publish(in_west, "cfg.x", range(100))
        await arrived(in_east, "BOTH", 600)
        await arrived(at_w, "COPY", 100)

        assert sorted(await numbers(in_east, "BOTH")) == list(range(600))
        for origin in ("EVW", "EVE"):
            taken = await origin_sequences(in_east, "BOTH", origin)
            assert taken == list(range(1, 301))
        assert await numbers(at_w, "COPY") == list(range(100))

        # A bucket of the hub: read by domain, written below the domain's prefix.
        await in_east.jetstream(timeout=ARRIVAL_S).create_key_value(bucket="B")
        answer = await ask(at_w, "$JS.hub.API.$KV.B.key", 21)
        assert (answer["stream"], answer["domain"]) == ("KV_B", "hub")
        bucket = await at_w.jetstream(domain="hub", timeout=PATIENCE_S).key_value("B")
        assert (await bucket.get("key")).value == b"21"
