"""leafnode.clock: the machine's clocks, and timers on the running loop."""

import asyncio
import time

from leafnode.clock import NS_PER_MS, SystemClock


def test_wall_time_is_the_machines_in_nanoseconds() -> None:
    before = time.time_ns()

    assert before <= SystemClock().wall_ns() <= time.time_ns()


def test_monotonic_time_never_goes_back() -> None:
    clock = SystemClock()

    first = clock.monotonic_ns()

    assert clock.monotonic_ns() >= first


def test_a_timer_runs_once_on_the_loop_and_a_cancelled_one_never() -> None:
    ran: list[str] = []

    async def scenario() -> None:
        clock = SystemClock()
        done = asyncio.Event()
        clock.call_later(NS_PER_MS, lambda: ran.append("cancelled")).cancel()
        clock.call_later(0, lambda: ran.append("first"))
        clock.call_later(2 * NS_PER_MS, done.set)
        await done.wait()

    asyncio.run(scenario())

    assert ran == ["first"]
