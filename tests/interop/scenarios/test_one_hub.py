"""Scenario 01: a hub and an edge, each with JetStream in a domain of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.hub.process import nats_server_path
from tests.interop.nodes import (
    OURS,
    PATIENCE_S,
    REAL,
    client_of,
    dials,
    linked,
    running,
    wants,
)
from tests.interop.scenarios.streams import arrived, contents, elsewhere, made, numbers, publish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

JETSTREAM = 'jetstream {{ store_dir: "{{dir}}/js", domain: {name} }}'
KINDS = pytest.mark.parametrize(("hub", "edge"), [(REAL, OURS), (OURS, REAL)])


@contextlib.asynccontextmanager
async def two_domains(
    hub: str, edge: str, directory: Path
) -> AsyncIterator[tuple[Client, Client, Node, Node]]:
    """A client of the hub, one of the edge, and both servers."""
    with (
        running(hub, directory, "hub", JETSTREAM.format(name="hub")) as above,
        running(
            edge, directory, "edge", JETSTREAM.format(name="edge"), leafnodes=dials(above)
        ) as below,
    ):
        await linked(above)
        await wants(above, "$JS.edge.API.CONSUMER.>")
        await wants(below, "$JS.hub.API.CONSUMER.>")
        async with client_of(above) as up, client_of(below) as down:
            yield up, down, above, below


@KINDS
async def test_6_megabytes_are_sourced_and_mirrored_under_flow_control(
    hub: str, edge: str, tmp_path: Path
) -> None:
    async with two_domains(hub, edge, tmp_path) as (up, down, above, below):
        await made(down, "EV", subjects=["ev.>"])
        await made(up, "CFG", subjects=["cfg.>"])
        await made(up, "ALL", sources=[elsewhere("EV", "edge")])
        await made(down, "COPY", mirror=elsewhere("CFG", "hub"))

        await publish(down, "ev.x", range(3000), size=2000)
        await publish(up, "cfg.x", range(3000), size=2000)
        await arrived(up, "ALL", 3000)
        await arrived(down, "COPY", 3000)

        assert await numbers(up, "ALL") == list(range(3000))
        assert await numbers(down, "COPY") == list(range(3000))
        (first, *_) = await contents(up, "ALL")
        assert first.subject == "ev.x"  # not the subject it was delivered on

        (row,) = above.get("leafz")["leafs"]
        assert (row["name"], row["is_spoke"], row["account"]) == ("edge", False, "$G")
        assert row["in_bytes"] > 6_000_000 < row["out_bytes"]
        (row,) = below.get("leafz")["leafs"]
        assert (row["name"], row["is_spoke"], row["account"]) == ("hub", True, "$G")
        assert row["in_bytes"] > 6_000_000 < row["out_bytes"]


@KINDS
async def test_a_consumer_elsewhere_is_pulled_and_acknowledged_by_its_domain(
    hub: str, edge: str, tmp_path: Path
) -> None:
    async with two_domains(hub, edge, tmp_path) as (up, down, _, _):
        await made(down, "EV", subjects=["ev.>"])
        await made(up, "CFG", subjects=["cfg.>"])
        await publish(down, "ev.x", range(20))
        await publish(up, "cfg.x", range(20))

        for near, domain, stream in ((up, "edge", "EV"), (down, "hub", "CFG")):
            js = near.jetstream(domain=domain, timeout=PATIENCE_S)
            reader = await js.pull_subscribe("", "work", stream=stream)
            got = []
            while len(got) < 20:
                for message in await reader.fetch(7, timeout=PATIENCE_S):
                    await message.ack_sync(timeout=PATIENCE_S)
                    got.append(int(message.data))
            info = await js.consumer_info(stream, "work")

            assert got == list(range(20))
            assert info.ack_floor is not None
            assert info.ack_floor.stream_seq == 20
            assert info.num_ack_pending == 0


@KINDS
async def test_a_mirror_elsewhere_has_the_sequences_and_the_gaps_of_its_origin(
    hub: str, edge: str, tmp_path: Path
) -> None:
    async with two_domains(hub, edge, tmp_path) as (up, down, _, _):
        await made(up, "CFG", subjects=["cfg.>"])
        await publish(up, "cfg.x", range(20))
        js = up.jetstream(timeout=PATIENCE_S)
        for seq in (1, 2, 7, 12):
            await js.delete_msg("CFG", seq)
        await made(down, "COPY", mirror=elsewhere("CFG", "hub"))
        await arrived(down, "COPY", 16)
        await publish(up, "cfg.x", range(20, 30))
        await arrived(down, "COPY", 26)

        assert await sequences(down, "COPY") == await sequences(up, "CFG")


async def sequences(client: Client, stream: str) -> list[tuple[int, bytes]]:
    """Return the sequence and the payload of each message of a stream."""
    found = await contents(client, stream)
    return [(message.seq, message.data) for message in found]
