"""SimLoop: waiting costs no time, hanging is an error."""

from __future__ import annotations

import asyncio
import threading

import pytest

from leafnode.clock import NS_PER_S
from tests.sim.loop import SimClock, Stuck, run


async def test_a_day_passes_at_once() -> None:
    clock = SimClock()
    start_ns = clock.monotonic_ns()

    await asyncio.sleep(86_400)

    assert clock.monotonic_ns() - start_ns == 86_400 * NS_PER_S
    assert clock.wall_ns() != clock.monotonic_ns()


async def test_timers_run_in_the_order_of_their_time() -> None:
    order: list[int] = []
    loop = asyncio.get_running_loop()
    loop.call_later(2, order.append, 2)
    loop.call_later(1, order.append, 1)

    await asyncio.sleep(3)

    assert order == [1, 2]


async def test_a_worker_thread_is_waited_for_without_time_passing() -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    go = threading.Event()
    loop.call_soon(go.set)

    async with asyncio.timeout(1):
        await loop.run_in_executor(None, go.wait)

    assert loop.time() == before


def test_a_callback_that_fails_fails_the_test() -> None:
    async def fail_later() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    with pytest.raises(ZeroDivisionError):
        run(fail_later())


def test_waiting_for_what_cannot_happen_is_an_error() -> None:
    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Stuck):
        run(hang())
