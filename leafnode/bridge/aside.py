"""Runs what a driver may hold for ever in a thread of its own, which holds nobody's end.

Knows threads and the loop; not ports. Not the loop's own threads: whatever hangs in one of them,
the process waits for at its end, and others wait for a free one.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def aside(job: Callable[[], T], *, name: str) -> asyncio.Future[T]:
    """Begin `job` in a daemon thread; the future has what it returns or raises."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            tell = partial(_succeed, done, job())
        except Exception as err:  # noqa: BLE001 -- boundary: handed on to who waits
            tell = partial(_fail, done, err)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=run, name=name, daemon=True).start()
    return done


def _succeed(done: asyncio.Future[T], result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: asyncio.Future[T], err: Exception) -> None:
    if not done.done():
        done.set_exception(err)
