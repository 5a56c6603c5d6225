"""The tasks of a server, and what may end them.

Truth: docs/ARCHITECTURE.md, "Threads and tasks".
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from leafnode.errors import LeafnodeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """Yield a group; what keeps the server from starting comes out of it as it was raised.

    asyncio wraps whatever its body raises, as it does the fault of a task.
    """
    problem: LeafnodeError | OSError | None = None
    try:
        async with asyncio.TaskGroup() as tasks:
            try:
                yield tasks
            except (LeafnodeError, OSError) as err:
                problem = err
                raise
    except ExceptionGroup as group:
        if problem is None or group.exceptions != (problem,):
            raise
        raise problem from None
