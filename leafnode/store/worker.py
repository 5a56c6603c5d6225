"""A thread that does jobs in order, and the way its results come back to the loop's thread.

Knows nothing of SQL. Truth: docs/store.md, "Threads".
"""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Schedule = Callable[[Callable[[], None]], object]

T = TypeVar("T")


class Executor(Protocol):
    """Runs jobs one after the other, somewhere. A job never raises."""

    def submit(self, job: Callable[[], None]) -> None: ...

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        ...


class ThreadExecutor:
    """One daemon thread. What may be submitted is bounded by the callers."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # nothing of the last batch stays alive while the thread waits


class Worker:
    """Jobs to an executor, results to the loop, in order."""

    def __init__(self, executor: Executor, call_soon_threadsafe: Schedule) -> None:
        self._executor = executor
        self._call_soon_threadsafe = call_soon_threadsafe
        self.waiting = 0  # submitted, result not yet handed over

    def submit(self, job: Callable[[], T], done: Callable[[T], None]) -> None:
        """Run `job` on the executor, then `done` with its result on the loop's thread."""
        self.waiting += 1
        self._executor.submit(partial(self._run, job, done))

    def close(self) -> None:
        self._executor.close()

    def _run(self, job: Callable[[], T], done: Callable[[T], None]) -> None:
        try:
            result = partial(done, job())
        except Exception as err:  # noqa: BLE001 -- boundary: a bug in a job is raised on the loop
            result = partial(_raise, err)
        # A closed loop raises here: nobody waits for the result any more.
        with contextlib.suppress(RuntimeError):
            self._call_soon_threadsafe(partial(self._hand_over, result))

    def _hand_over(self, result: Callable[[], None]) -> None:
        self.waiting -= 1
        result()


def _raise(err: Exception) -> None:
    raise err
