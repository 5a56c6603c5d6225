"""Ends a task that is not wanted any more, and waits for that only so long.

Knows nothing of what the task does. One that does not end in time is left to the server's
TaskGroup: the loop and the reload go on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from leafnode.clock import NS_PER_S
from leafnode.limits import TASK_END_NS

log = logging.getLogger(__name__)


async def end(task: asyncio.Task[Any]) -> bool:
    """Cancel a task and wait until it ended; False: it did not in time."""
    task.cancel()
    _, pending = await asyncio.wait([task], timeout=TASK_END_NS / NS_PER_S)
    if pending:
        log.error("A task did not end in time: name=%s", task.get_name())
    return not pending
