"""A login that takes time: work in a task group, whose failure is one login's and not the group's.

Truth: docs/ARCHITECTURE.md, "Threads and tasks".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from leafnode.auth.identity import Identity


def answer_of(
    tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, Identity]
) -> asyncio.Future[Identity]:
    """Return what `work` will return or raise, as a future of the loop."""
    answer: asyncio.Future[Identity] = asyncio.get_running_loop().create_future()
    tasks.create_task(_run(work, answer), name="login")
    return answer


async def _run(work: Coroutine[Any, Any, Identity], answer: asyncio.Future[Identity]) -> None:
    try:
        identity = await work
    except asyncio.CancelledError:
        answer.cancel()
        raise
    except Exception as err:  # noqa: BLE001 -- boundary: whoever waits logs it
        if not answer.done():
            answer.set_exception(err)
        return
    if not answer.done():
        answer.set_result(identity)
