"""leafnode.server.ending: in simulated time."""

from __future__ import annotations

import asyncio

from leafnode.clock import NS_PER_S
from leafnode.limits import TASK_END_NS
from leafnode.server.ending import end


async def test_a_task_that_ends_is_waited_for() -> None:
    cleaned = asyncio.Event()

    async def ends() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(TASK_END_NS / NS_PER_S / 2)
            cleaned.set()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(ends())
        await asyncio.sleep(0)

        assert await end(task)
        assert cleaned.is_set()


async def test_a_task_that_does_not_end_is_waited_for_until_the_deadline() -> None:
    released = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await released.wait()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(hangs())
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        before_s = loop.time()

        assert not await end(task)
        assert round((loop.time() - before_s) * NS_PER_S) == TASK_END_NS
        released.set()
