"""Scenario 08: either end of a link is killed while it is published to, streams read each other."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import nats
import pytest

from tests.hub.process import nats_server_path
from tests.interop.edge import until
from tests.interop.nodes import (
    OURS,
    REAL,
    client_of,
    dials,
    linked,
    running,
    wants,
)
from tests.interop.scenarios.streams import (
    ANSWER_S,
    ARRIVAL_S,
    arrived,
    elsewhere,
    made,
    numbers,
    origin_sequences,
    state,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.nodes import Node

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_loop,
    pytest.mark.skipif(nats_server_path() is None, reason="nats-server is not installed"),
]

JETSTREAM = 'jetstream {{ store_dir: "{{dir}}/js", domain: {} }}'
BEFORE_KILL = 200


class Publisher:
    """Publishes numbers to one server, which may die under it, and knows which it acknowledged."""

    def __init__(self, node: Node, subject: str) -> None:
        self._node = node
        self._subject = subject
        self._next = 0
        self.acknowledged: list[int] = []

    async def run(self, until: int) -> None:
        """Publish up to this number; what the server's death leaves open is not repeated."""
        while self._next < until:
            with contextlib.suppress(nats.errors.Error, OSError):
                async with client_of(self._node) as client:
                    await self._publish(client.jetstream(), until)
            await asyncio.sleep(0.1)  # the server is on its way back

    async def _publish(self, js: nats.js.JetStreamContext, until: int) -> None:
        while self._next < until:
            number, self._next = self._next, self._next + 1
            await js.publish(self._subject, b"%d" % number, timeout=ANSWER_S)
            self.acknowledged.append(number)


async def killed_under_load(victim: Node, *publishers: Publisher) -> None:
    """Publish to both ends, and kill one of them in the middle."""
    goals = [len(one.acknowledged) + BEFORE_KILL for one in publishers]
    async with asyncio.TaskGroup() as group:
        for one in publishers:
            group.create_task(one.run(one._next + 3 * BEFORE_KILL))
        for one, goal in zip(publishers, goals, strict=True):
            await until(
                lambda one=one, goal=goal: len(one.acknowledged) >= goal, timeout_s=ARRIVAL_S
            )
        victim.kill()
        await asyncio.to_thread(victim.start)


@pytest.mark.parametrize(("hub", "edge"), [(REAL, OURS), (OURS, REAL)])
async def test_what_is_read_across_a_link_is_whole_when_either_end_is_killed(
    hub: str, edge: str, tmp_path: Path
) -> None:
    with (
        running(hub, tmp_path, "hub", JETSTREAM.format("hub")) as above,
        running(edge, tmp_path, "edge", JETSTREAM.format("edge"), leafnodes=dials(above)) as below,
    ):
        await linked(above)
        await wants(above, "$JS.edge.API.CONSUMER.>")
        await wants(below, "$JS.hub.API.CONSUMER.>")
        async with client_of(above) as up, client_of(below) as down:
            await made(down, "EV", subjects=["ev.>"])
            await made(up, "CFG", subjects=["cfg.>"])
            await made(up, "ALL", sources=[elsewhere("EV", "edge")])
            await made(down, "COPY", mirror=elsewhere("CFG", "hub"))

        at_edge, at_hub = Publisher(below, "ev.x"), Publisher(above, "cfg.x")
        for victim in (below, above):
            await killed_under_load(victim, at_edge, at_hub)

        async with client_of(above) as up, client_of(below) as down:
            events, configs = await state(down, "EV"), await state(up, "CFG")
            await arrived(up, "ALL", events["messages"])
            await arrived(down, "COPY", configs["messages"])

            # Each sequence of the origin once and in order, and every number that was promised.
            taken = await origin_sequences(up, "ALL", "EV")
            assert taken == list(range(1, events["last_seq"] + 1))
            assert set(at_edge.acknowledged) <= set(await numbers(up, "ALL"))
            assert await numbers(up, "ALL") == await numbers(down, "EV")
            assert set(at_hub.acknowledged) <= set(await numbers(down, "COPY"))
            assert await numbers(down, "COPY") == await numbers(up, "CFG")
