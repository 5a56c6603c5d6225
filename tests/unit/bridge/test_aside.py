"""leafnode.bridge.aside: on the real loop, with threads that end when the test says so."""

from __future__ import annotations

import asyncio
import threading

import pytest

from leafnode.bridge.aside import aside


@pytest.mark.real_loop
async def test_what_the_job_returns_or_raises_is_handed_on() -> None:
    def fail() -> None:
        raise OSError(2, "No such file or directory")

    assert await aside(lambda: threading.current_thread().name, name="serial x") == "serial x"
    with pytest.raises(FileNotFoundError):
        await aside(fail, name="serial x")


@pytest.mark.real_loop
async def test_nobody_waits_for_a_job_that_hangs_and_its_late_end_does_no_harm() -> None:
    release, threads = threading.Event(), []

    def hang() -> None:
        threads.append(threading.current_thread())
        release.wait()

    waits = aside(hang, name="serial x")
    assert await aside(lambda: "the next", name="serial y") == "the next"
    waits.cancel()
    while not threads:  # noqa: ASYNC110 -- a thread has no event for its start
        await asyncio.sleep(0)

    assert threads[0].daemon
    release.set()
    threads[0].join()
    await asyncio.sleep(0)  # what it hands on now is nobody's


def test_a_job_that_ends_after_the_loop_does_no_harm() -> None:
    release, threads = threading.Event(), []

    def late() -> None:
        threads.append(threading.current_thread())
        release.wait()

    async def story() -> None:
        aside(late, name="serial x")
        while not threads:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0)

    asyncio.run(story())
    release.set()
    threads[0].join()
