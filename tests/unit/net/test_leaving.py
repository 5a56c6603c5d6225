"""leafnode.net.leaving, and how the end of a server waits for it."""

from __future__ import annotations

import asyncio
import random

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.options import Options
from leafnode.net.leaving import Leaving
from leafnode.server.server import Seams, Server
from tests.sim.clock import FakeClock


async def test_nobody_is_waited_for_where_nobody_leaves() -> None:
    leaving = Leaving()
    leaving.enter("a")
    leaving.leave("a")

    await leaving.all_gone()

    assert len(leaving) == 0


async def test_all_are_gone_once_the_last_is() -> None:
    leaving = Leaving()
    for one in ("a", "b"):
        leaving.enter(one)
    waiting = asyncio.ensure_future(leaving.all_gone())
    await asyncio.sleep(0)

    leaving.leave("b")
    await asyncio.sleep(0)
    assert not waiting.done()
    for _ in range(2):  # closed for two reasons
        leaving.leave("a")

    await waiting


def server(deadline_s: int) -> Server:
    chance = random.Random(1)
    options = Options(write_deadline_ns=deadline_s * NS_PER_S)
    return Server(options, Seams(FakeClock(), chance, chance.randbytes))


@pytest.mark.parametrize(("deadline_s", "waited_s"), [(2, 2), (10, 5), (3600, 5)])
async def test_a_server_waits_for_who_takes_nothing_as_long_as_for_a_write(
    deadline_s: int, waited_s: int
) -> None:
    ending = server(deadline_s)
    ending.turn.leaving.enter("a")
    loop = asyncio.get_running_loop()
    began = loop.time()

    await ending._end_writes()

    assert loop.time() - began == pytest.approx(waited_s)


async def test_a_server_that_is_told_to_stop_twice_waits_for_nobody() -> None:
    ending = server(2)
    ending.turn.leaving.enter("a")
    ending.stop()
    loop = asyncio.get_running_loop()
    began = loop.time()
    waiting = asyncio.ensure_future(ending._end_writes())
    await asyncio.sleep(0)

    ending.stop()
    await waiting

    assert loop.time() == began


async def test_a_server_that_was_told_twice_before_waits_for_nobody_and_may_be_told_again() -> None:
    ending = server(2)
    ending.turn.leaving.enter("a")
    ending.stop()
    ending.stop()
    loop = asyncio.get_running_loop()
    began = loop.time()

    await ending._end_writes()
    ending.stop()

    assert loop.time() == began
