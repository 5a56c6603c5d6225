"""A link that loses everything for a while: what was published meanwhile is read in order and once.

In both directions at once: the hub sources a stream of the edge, the edge mirrors one of the hub.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.hub.process import nats_server_path
from tests.interop.edge import until
from tests.interop.nodes import (
    OURS,
    PATIENCE_S,
    REAL,
    client_of,
    dials_port,
    linked,
    running,
    wants,
)
from tests.interop.partition import way_to
from tests.interop.scenarios.streams import (
    arrived,
    elsewhere,
    made,
    numbers,
    origin_sequences,
    publish,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from nats.aio.client import Client

    from tests.interop.nodes import Node
    from tests.interop.partition import Way

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

# Both ends find out for themselves that the link is dead.
PINGS = "ping_interval: 2s, ping_max: 2"
JETSTREAM = f'{PINGS}\njetstream {{{{ store_dir: "{{{{dir}}}}/js", domain: {{}} }}}}'
SOME = 200
TOTAL = 3 * SOME + 5000
KINDS = pytest.mark.parametrize(("hub", "edge"), [(REAL, OURS), (OURS, REAL)])


class World(NamedTuple):
    """Both servers, a client of each, and what lies between them."""

    above: Node
    below: Node
    up: Client
    down: Client
    way: Way


@contextlib.asynccontextmanager
async def world(hub: str, edge: str, directory: Path) -> AsyncIterator[World]:
    with running(hub, directory, "hub", JETSTREAM.format("hub")) as above:
        # The hub must not tell the edge of an address that leads past the way.
        async with way_to(above.leaf_port) as way:
            link = dials_port(way.port, more="ignore_discovered_servers: true")
            with running(
                edge, directory, "edge", JETSTREAM.format("edge"), leafnodes=link
            ) as below:
                await linked(above)
                await wants(above, "$JS.edge.API.CONSUMER.>")
                await wants(below, "$JS.hub.API.CONSUMER.>")
                async with client_of(above) as up, client_of(below) as down:
                    yield World(above, below, up, down, way)


@KINDS
async def test_5000_messages_of_a_partition_are_read_in_order_and_once(
    hub: str, edge: str, tmp_path: Path
) -> None:
    async with world(hub, edge, tmp_path) as (above, below, up, down, way):
        await made(down, "EV", subjects=["ev.>"])
        await made(up, "CFG", subjects=["cfg.>"])
        await made(up, "ALL", sources=[elsewhere("EV", "edge")])
        await made(down, "COPY", mirror=elsewhere("CFG", "hub"))
        both = ((down, "ev.x"), (up, "cfg.x"))
        await everywhere(both, range(SOME))
        await arrived(up, "ALL", SOME)
        await arrived(down, "COPY", SOME)

        # A moment in which what is under way is lost, and the next link is there at once.
        way.lose()
        await everywhere(both, range(SOME, 2 * SOME))
        await until(lambda: way.lost_bytes > 0, timeout_s=PATIENCE_S)
        way.heal()
        await linked(below)
        await everywhere(both, range(2 * SOME, 3 * SOME))

        # And one so long that both ends know.
        way.lose()
        await everywhere(both, range(3 * SOME, TOTAL))
        for node in (above, below):
            await linked(node, 0)
        way.heal()

        await arrived(up, "ALL", TOTAL)
        await arrived(down, "COPY", TOTAL)
        assert await numbers(up, "ALL") == list(range(TOTAL))
        assert await origin_sequences(up, "ALL", "EV") == list(range(1, TOTAL + 1))
        assert await numbers(down, "COPY") == list(range(TOTAL))


async def everywhere(both: tuple[tuple[Client, str], ...], these: range) -> None:
    """Publish the same numbers on both sides."""
    for client, subject in both:
        await publish(client, subject, these)
