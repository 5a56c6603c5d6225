"""A server that runs in the loop of a test."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from leafnode.server.server import Server


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[None]:
    """It is ready until the block ends, and then stopped in order."""
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(server.run())
        await server.ready.wait()
        try:
            yield
        finally:
            server.stop()
            await run
