"""Barriers for nats-py: moments after which something is certain, whatever the machine's speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nats.aio.client import Client


async def settled(*clients: Client) -> None:
    """Return when the server has handled all that these clients said, and they all it sent before.

    nats-py writes the PING of `flush` to the socket at once, and what was said before it in the
    next turn of the loop: the first PONG may come before a SUB is even sent, the second may not.
    """
    for client in clients:
        for _ in range(2):
            await client.flush()
