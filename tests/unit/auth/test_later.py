"""leafnode.auth.later: a login that fails is no failure of the group that it runs in."""

from __future__ import annotations

import asyncio

import pytest

from leafnode.auth.identity import Identity, LoginRefused
from leafnode.auth.later import answer_of


async def identity() -> Identity:
    return Identity(user="ann")


async def refusal() -> Identity:
    raise LoginRefused("no")


async def forever() -> Identity:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def test_what_work_returns_or_raises_is_the_answer_and_the_group_lives() -> None:
    async with asyncio.TaskGroup() as tasks:
        assert (await answer_of(tasks, identity())).user == "ann"
        with pytest.raises(LoginRefused):
            await answer_of(tasks, refusal())
        assert (await answer_of(tasks, identity())).user == "ann"


async def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    async with asyncio.TaskGroup() as tasks:
        answer = answer_of(tasks, identity())
        answer.cancel()


async def test_a_group_that_ends_cancels_the_answer() -> None:
    tasks = asyncio.TaskGroup()
    await tasks.__aenter__()
    answer = answer_of(tasks, forever())
    await asyncio.sleep(0)
    for task in asyncio.all_tasks():
        if task.get_name() == "login":
            task.cancel()
    await tasks.__aexit__(None, None, None)

    assert answer.cancelled()
