"""A worker without a thread: its jobs run when the test says so."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class SteppedExecutor(Executor):
    """Keeps what is submitted; `step` does the oldest job on the test's own thread."""

    def __init__(self) -> None:
        self.jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.jobs.append((future, lambda: fn(*args, **kwargs)))
        return future

    def step(self) -> None:
        """Do the oldest job, unless nobody waits for it any more."""
        future, job = self.jobs.popleft()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(job())
            except Exception as error:  # noqa: BLE001 -- as executors do
                future.set_exception(error)

    def step_all(self) -> None:
        while self.jobs:
            self.step()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            for future, _ in self.jobs:
                future.cancel()
