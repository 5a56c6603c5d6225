"""Lame duck mode: clients that were asked to go elsewhere are cut one by one over a time, with them
the leaf links of both directions.

Knows the open connections, which entrances are closed and the two times; not how the server ends.
Truth: nats-server 2.15.1 server/server.go lameDuckMode.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from leafnode.clock import NS_PER_S
from leafnode.limits import LAME_DUCK_STEP_NS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from leafnode.server.server import Server

log = logging.getLogger(__name__)


class Leaver(Protocol):
    """A connection that is to end."""

    def close(self, reason: str) -> None: ...


class Dialed:
    """A leaf remote of ours: it ends, and is not dialed again."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def close(self, reason: str) -> None:  # noqa: ARG002 -- it says no more than that it ended
        self._task.cancel()


def connections(server: Server) -> list[Leaver]:
    """Return everything that is to end: clients, then leafs, which carry what clients still say."""
    features = server.features
    found: list[Leaver] = list(server.registry.open.values())
    if server.leafs is not None:
        found += server.leafs.open.values()
    up = (remote for remote in features.remotes if remote.leafz() is not None)
    found += (Dialed(features.remote_tasks[remote]) for remote in up)
    return found


async def close_entrances(server: Server) -> None:
    """Let nobody in any more; `server.clients` is closed already."""
    if server.websocket is not None:
        await server.listeners.close(server.websocket)
    if server.leaf_port is not None:
        await server.listeners.close(server.leaf_port.listener)


def closed_entrances(server: Server) -> list[str]:
    """Return what lame duck mode has closed, as nats-server's /healthz calls it."""
    if not server.is_lame_duck:
        return []
    there = {"server": True, "leafnode": server.leaf_port, "websocket": server.websocket}
    return [name for name, port in there.items() if port]


async def see_off(
    clients: Sequence[Leaver], *, duration_ns: int, grace_period_ns: int, random: Random
) -> None:
    """Wait for the grace period, and end all over what is left of the duration."""
    await asyncio.sleep(grace_period_ns / NS_PER_S)
    log.info("Closing existing clients")
    left_ns = duration_ns - grace_period_ns
    step_ns = min(LAME_DUCK_STEP_NS, (left_ns if left_ns > 0 else NS_PER_S) // len(clients))
    for count, client in enumerate(clients, 1):
        client.close("Server Shutdown")
        if count < len(clients):
            # Not in lockstep with other servers that are emptied at the same time.
            await asyncio.sleep(step_ns * (1 + random.random()) / 2 / NS_PER_S)
