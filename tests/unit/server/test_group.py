"""leafnode.server.group: what comes out of the tasks of a server."""

from __future__ import annotations

import asyncio

import pytest

from leafnode.errors import AuthError
from leafnode.server.group import task_group


@pytest.mark.parametrize("problem", [AuthError("no"), OSError("no")])
async def test_what_keeps_the_server_from_starting_comes_out_as_it_is(problem: Exception) -> None:
    was_cancelled = False

    async def waits() -> None:
        nonlocal was_cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled = True
            raise

    async def start() -> None:
        async with task_group() as tasks:
            tasks.create_task(waits())
            await asyncio.sleep(0)
            raise problem

    with pytest.raises(type(problem)) as caught:
        await start()

    assert caught.value is problem
    assert was_cancelled


async def test_a_task_that_fails_is_a_fault_whatever_it_raises() -> None:
    async def fails() -> None:
        raise AuthError("no")

    async def run() -> None:
        async with task_group() as tasks:
            tasks.create_task(fails())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup):
        await run()


async def test_another_error_is_a_fault_too() -> None:
    async def run() -> None:
        async with task_group():
            raise ValueError("no")

    with pytest.raises(ExceptionGroup):
        await run()
