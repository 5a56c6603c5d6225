"""Lame duck mode: clients that were asked to go elsewhere are cut one by one over a time.

Knows the open connections and the two times; not listeners, and not how the server ends.
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

log = logging.getLogger(__name__)


class Leaver(Protocol):
    """A connection that is to end."""

    def close(self, reason: str) -> None: ...


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
