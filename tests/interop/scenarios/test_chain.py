"""Scenario 07: three servers in a chain, each with a JetStream domain of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hub.process import nats_server_path
from tests.interop.nodes import (
    OURS,
    REAL,
    carries,
    client_of,
    dials,
    linked,
    running,
    wants,
)
from tests.interop.scenarios.streams import arrived, ask, elsewhere, made, numbers, publish

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

DOMAINS = ("top", "mid", "low")
JETSTREAM = 'jetstream {{ store_dir: "{{dir}}/js", domain: {} }}'


@pytest.mark.parametrize("kinds", [(REAL, OURS, REAL), (OURS, REAL, OURS), (REAL, REAL, OURS)])
async def test_every_domain_of_a_chain_is_found_from_everywhere(
    kinds: tuple[str, str, str], tmp_path: Path
) -> None:
    top_config, mid_config, low_config = (JETSTREAM.format(domain) for domain in DOMAINS)
    with (
        running(kinds[0], tmp_path, "top", top_config) as top,
        running(kinds[1], tmp_path, "mid", mid_config, leafnodes=dials(top)) as mid,
        running(kinds[2], tmp_path, "low", low_config, leafnodes=dials(mid)) as low,
    ):
        await linked(mid, 2)
        for node, others in ((top, ("mid", "low")), (mid, ("top", "low")), (low, ("top", "mid"))):
            await wants(node, *(f"$JS.{other}.API.STREAM.>" for other in others))
        async with client_of(top) as high, client_of(mid) as middle, client_of(low) as deep:
            clients = dict(zip(DOMAINS, (high, middle, deep), strict=True))
            for domain, client in clients.items():
                await made(client, domain.upper(), subjects=[f"{domain}.>"])
            for client in clients.values():
                for domain in DOMAINS:
                    answer = await ask(client, f"$JS.{domain}.API.STREAM.NAMES")
                    assert answer["streams"] == [domain.upper()]
            for domain, client in clients.items():
                assert (await ask(client, "$JS.API.INFO"))["domain"] == domain

            await carries(deep, high, low, "up")
            await carries(high, deep, top, "down")

            # The ends read each other's streams through the middle.
            await made(high, "FROM-LOW", sources=[elsewhere("LOW", "low")])
            await made(deep, "FROM-TOP", mirror=elsewhere("TOP", "top"))
            await publish(deep, "low.x", range(50))
            await publish(high, "top.x", range(50))
            await arrived(high, "FROM-LOW", 50)
            await arrived(deep, "FROM-TOP", 50)
            assert await numbers(high, "FROM-LOW") == list(range(50))
            assert await numbers(deep, "FROM-TOP") == list(range(50))
