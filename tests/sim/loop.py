"""An event loop whose clock jumps: when nothing is ready, time is the next timer's.

A test on it never sleeps, however long the waits it is about. Real sockets work as far as loopback
answers at once; a test that is about real sockets asks for the `real_loop` marker instead.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

from leafnode.clock import NS_PER_S
from tests.sim.clock import MONOTONIC_START_NS, WALL_START_NS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from leafnode.clock import Timer

# A worker thread that does not answer within this many real seconds is a hang, not a slow test.
THREAD_TIMEOUT_S = 30.0


class Stuck(AssertionError):  # noqa: N818 -- what happened, said as people say it
    """Nothing is ready and no timer is set: the test waits for something that cannot happen."""


class _JumpingSelector(selectors.DefaultSelector):
    """Asks the real selector without waiting; waits only while a worker thread is busy."""

    loop: SimLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.loop.threads_busy:
            ready = super().select(THREAD_TIMEOUT_S)
            if not ready:
                raise Stuck("a worker thread did not finish")
            return ready
        if timeout is None or timeout < 0:
            # Loopback may need a moment; nothing else can wake a loop without timers.
            ready = super().select(1.0)
            if not ready:
                raise Stuck("nothing is ready and no timer is set")
            return ready
        self.loop.jump(timeout)
        return ready


class SimLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on simulated time."""

    def __init__(self) -> None:
        self._now_s = MONOTONIC_START_NS / NS_PER_S
        self.threads_busy = 0
        self.failures: list[BaseException] = []
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)
        self.set_exception_handler(self._keep_failure)

    def time(self) -> float:
        return self._now_s

    def jump(self, by_s: float) -> None:
        """Let time pass without doing anything."""
        self._now_s += by_s

    def run_in_executor(  # type: ignore[override]  # its TypeVarTuple says nothing more here
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self.threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    def _keep_failure(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        failure = context.get("exception")
        self.failures.append(failure or AssertionError(context["message"]))

    def _thread_done(self, future: asyncio.Future[Any]) -> None:
        del future
        self.threads_busy -= 1


class SimClock:
    """leafnode.clock.Clock on the running SimLoop; wall time can be made to jump."""

    def __init__(self) -> None:
        self.wall_offset_ns = 0

    def monotonic_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * NS_PER_S)

    def wall_ns(self) -> int:
        return self.monotonic_ns() - MONOTONIC_START_NS + WALL_START_NS + self.wall_offset_ns

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0, delay_ns) / NS_PER_S, callback)


def run(main: Coroutine[Any, Any, Any]) -> None:
    """Run a test's coroutine on a fresh SimLoop; a callback that failed fails the test too."""
    loop = SimLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main)
    if loop.failures:
        raise loop.failures[0]
