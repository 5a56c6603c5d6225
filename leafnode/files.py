"""Files that somebody named: regular ones only, and in a thread that nothing has to wait for.

A pipe or a device has no end, and a file on a network that is gone holds who reads it for as long
as it likes; neither may hold a link, a reload or the end of the process. Knows files and threads;
not what is in the files. Truth: open(2), fifo(7).
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from leafnode.clock import NS_PER_S
from leafnode.errors import HungError

if TYPE_CHECKING:
    from collections.abc import Callable

    Begin = Callable[[Callable[[], Any]], asyncio.Future[Any]]

T = TypeVar("T")

NOT_REGULAR: Final = "is not a regular file"


def require_regular(path: str | Path) -> None:
    """Raise OSError where that is no regular file, or a link to one. Blocks: file access."""
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, NOT_REGULAR, str(path))


def read_regular(path: str | Path, most: int) -> bytes:
    """Return a file's first `most` bytes. Raises OSError. Blocks: file access."""
    require_regular(path)  # before it is opened, which some devices notice
    # Should it have become a pipe since, it is opened without waiting and has nothing to read.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return file.read(most) or b""


class _Daemons(Executor):
    """Threads that the end of the process does not wait for, one for each job."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()

        def work(future: Future[Any]) -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 -- whoever asked gets it
                future.set_exception(error)
            else:
                future.set_result(result)
            del future  # what was raised has this frame: a circle of all that the job had

        try:
            threading.Thread(target=work, args=(future,), name="files", daemon=True).start()
        except RuntimeError as err:  # the system has no thread for it
            future.set_exception(OSError(errno.EAGAIN, str(err)))
        return future


def _in_a_thread(work: Callable[[], Any]) -> asyncio.Future[Any]:
    return asyncio.get_running_loop().run_in_executor(_Daemons(), work)


class FileReader:
    """Does one job at a time; while one hangs, which nobody can end, no other is begun."""

    def __init__(self, begin: Begin | None = None) -> None:
        """`begin` starts a job, in a thread of its own unless given."""
        self._begin = begin or _in_a_thread
        self._job: asyncio.Future[Any] | None = None

    async def run(
        self,
        work: Callable[[], T],
        what: str,
        timeout_ns: int,
        *,
        progress: Callable[[], int] = lambda: 0,
    ) -> T:
        """Return what `work` returns, or raise what it raises. HungError, of `what`: it hangs, or
        others before it take so long. As long as `progress` goes on it does not hang.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_ns / NS_PER_S
        while self._job is not None and not self._job.done():  # others may wait for it, too
            await _end_of(self._job, what, until)
        job = self._begin(work)
        job.add_done_callback(_forget)
        self._job = job
        while not job.done():
            done = progress()
            try:
                await _end_of(job, what, until)
            except HungError:
                if progress() == done:
                    raise
                until = loop.time() + timeout_ns / NS_PER_S
        if self._job is job:
            self._job = None
        try:
            result: T = job.result()
        finally:
            del job  # for the same reason
        return result


async def _end_of(job: asyncio.Future[Any], what: str, until: float) -> None:
    left_s = max(0, until - asyncio.get_running_loop().time())
    await asyncio.wait([job], timeout=left_s)
    if not job.done():
        raise HungError(what)


def _forget(job: asyncio.Future[Any]) -> None:
    """Nobody may wait for it any more; whoever does is told all the same."""
    if not job.cancelled():
        job.exception()
