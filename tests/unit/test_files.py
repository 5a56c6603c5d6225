"""leafnode.files: nothing that somebody named holds anybody up."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.clock import NS_PER_S
from leafnode.errors import HungError
from leafnode.files import FileReader, read_regular, require_regular

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT_NS = 4 * NS_PER_S


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_file_and_a_link_to_one_are_read_up_to_a_bound(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"12345")
    link.symlink_to(file)

    assert read_regular(file, 9) == b"12345"
    assert read_regular(str(link), 3) == b"123"


def test_a_pipe_and_a_device_are_refused_and_not_waited_for(pipe: Path) -> None:
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(OSError, match="is not a regular file"):
            read_regular(path, 9)
        with pytest.raises(OSError, match="is not a regular file"):
            require_regular(path)


def test_a_file_that_becomes_a_pipe_is_not_waited_for(
    pipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leafnode.files.require_regular", lambda _path: None)

    assert read_regular(pipe, 9) == b""


def test_what_is_no_file_at_all_has_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, 9)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "absent", 9)


async def test_a_job_gives_what_it_returns_or_raises() -> None:
    reader = FileReader()

    assert await reader.run(lambda: 7, "x", LIMIT_NS) == 7
    with pytest.raises(ZeroDivisionError):
        await reader.run(lambda: 1 // 0, "x", LIMIT_NS)


async def test_the_end_of_the_process_waits_for_no_thread_of_it() -> None:
    thread = await FileReader().run(threading.current_thread, "x", LIMIT_NS)

    assert thread is not threading.current_thread()
    assert thread.daemon


async def test_a_system_without_a_thread_for_it_is_an_error_of_the_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)

    with pytest.raises(OSError, match="can't start new thread"):
        await FileReader().run(lambda: 7, "x", LIMIT_NS)


class Hanging:
    """Jobs that end when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[asyncio.Future[Any], Callable[[], Any]]] = []
        self.reader = FileReader(self._begin)

    def _begin(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        job: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.jobs.append((job, work))
        return job


async def test_one_that_hangs_is_told_in_time_and_no_other_is_begun_beside_it() -> None:
    hanging, loop = Hanging(), asyncio.get_running_loop()
    run = partial(hanging.reader.run, lambda: 7, "the card", LIMIT_NS)

    for count in (1, 2, 3):
        with pytest.raises(HungError, match="the card: the file system does not answer"):
            await run()
        assert loop.time() == pytest.approx(7_000 + count * 4)
    assert len(hanging.jobs) == 1

    hanging.jobs[0][0].set_exception(OSError("stale"))  # of whom nobody asks any more
    waiting = asyncio.create_task(run())
    await asyncio.sleep(1)
    hanging.jobs[1][0].set_result(8)

    assert await waiting == 8


async def test_who_comes_while_one_hangs_goes_on_when_that_has_ended() -> None:
    hanging = Hanging()
    run = partial(hanging.reader.run, lambda: 7, "the card", LIMIT_NS)
    with pytest.raises(HungError):
        await run()

    waiting = asyncio.create_task(run())
    await asyncio.sleep(1)
    hanging.jobs[0][0].set_result("old")
    await asyncio.sleep(1)
    hanging.jobs[1][0].set_result("new")

    assert await waiting == "new"


async def test_of_several_who_wait_one_begins_when_a_job_is_over() -> None:
    begun: list[asyncio.Future[Any]] = []

    def begin(work: Callable[[], Any]) -> asyncio.Future[Any]:
        begun.append(asyncio.get_running_loop().create_future())
        return begun[-1]

    reader = FileReader(begin)
    asking = [
        asyncio.create_task(reader.run(partial(str, number), "x", LIMIT_NS)) for number in range(4)
    ]
    seen = []
    for number in range(4):
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append(len(begun))
        begun[-1].set_result(number)

    assert await asyncio.gather(*asking) == [0, 1, 2, 3]
    assert seen == [1, 2, 3, 4]


async def test_who_waits_for_several_before_it_waits_no_longer_than_for_one() -> None:
    loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()

    def begin(work: Callable[[], Any]) -> asyncio.Future[Any]:
        job: asyncio.Future[Any] = loop.create_future()
        loop.call_later(3, lambda: job.set_result(work()))
        return job

    reader = FileReader(begin)
    ends: list[tuple[object, float]] = []

    async def ask(number: int) -> None:
        try:
            answer: object = await reader.run(lambda: number, "x", LIMIT_NS)
        except HungError:
            answer = None
        ends.append((answer, round(loop.time() - began, 3)))

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(ask(number))

    assert ends == [(0, 3), (None, 4), (None, 4), (None, 4)]


def test_what_a_job_that_failed_had_in_hand_goes_with_it() -> None:
    """Without a collection: a reload that is refused has a whole configuration in hand."""

    class Large:
        """What is in hand."""

    held: list[weakref.ref[Large]] = []

    def work() -> None:
        large = Large()
        held.append(weakref.ref(large))
        raise ValueError

    async def fail() -> None:
        reader = FileReader()
        for _ in range(3):
            with contextlib.suppress(ValueError):
                await reader.run(work, "it", LIMIT_NS)
        for thread in threading.enumerate():
            if thread.name == "files":
                thread.join()
        assert [one() for one in held] == [None] * 3

    gc.collect()
    gc.disable()
    try:
        asyncio.run(fail())
    finally:
        gc.enable()
