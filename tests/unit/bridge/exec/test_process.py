"""A function's process is started off the loop, told of, and surely ended."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from leafnode.bridge.exec import pipe, process
from leafnode.bridge.exec.process import Pipes, Process, reason_of
from leafnode.config.serial_stage_options import CodecOptions


class Told:
    """What a process tells, as futures."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.began: asyncio.Future[Pipes] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()


def started(target: str) -> tuple[Process, Told]:
    told = Told()
    options = CodecOptions("exec", function=target)
    return Process(options, told.began.set_result, told.ended.set_result), told


def test_it_answers_on_its_pipes_until_they_are_closed() -> None:
    async def story() -> tuple[bytes, str]:
        async with asyncio.timeout(20):
            _, told = started("json:loads")
            pipes = await told.began
            os.set_blocking(pipes.from_it, True)
            ready = (await asyncio.to_thread(os.read, pipes.from_it, 100))[:1]
            os.write(pipes.to_it, pipe.request(b'{"a":1}'))
            answer = await asyncio.to_thread(os.read, pipes.from_it, 100)
            pipes.close()
            return ready + answer, await told.ended

    said, ended = asyncio.run(story())

    assert said == b'RF\0\0\0\x07{"a":1}'
    assert ended == "it ended with status 0"


def test_a_service_that_is_stopped_leaves_it_to_decide_what_was_read() -> None:
    async def story() -> bytes:
        async with asyncio.timeout(20):
            running, told = started("json:loads")
            pipes = await told.began
            os.set_blocking(pipes.from_it, True)
            ready = (await asyncio.to_thread(os.read, pipes.from_it, 100))[:1]
            assert running._group is not None
            os.killpg(running._group, signal.SIGTERM)
            os.write(pipes.to_it, pipe.request(b'{"a":1}'))
            answer = await asyncio.to_thread(os.read, pipes.from_it, 100)
            pipes.close()
            await told.ended
            return ready + answer

    assert asyncio.run(story()) == b'RF\0\0\0\x07{"a":1}'


def test_one_that_is_killed_ends_whenever_that_is() -> None:
    async def story() -> list[str]:
        async with asyncio.timeout(20):
            early, told_early = started("json:loads")
            early.kill()
            late, told_late = started("json:loads")
            pipes = await told_late.began
            late.kill()
            ends = [await told_early.ended, await told_late.ended]
            late.kill()
            (await told_early.began).close()
            pipes.close()
            return ends

    assert asyncio.run(story()) == ["it was ended by SIGKILL"] * 2


def test_one_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.sys, "executable", "/nowhere/python")

    async def story() -> str:
        async with asyncio.timeout(20):
            _, told = started("json:loads")
            return await told.ended

    assert asyncio.run(story()).startswith("cannot be started: [Errno 2]")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (1, "it ended with status 1"),
        (-24, "it used all of its CPU time"),
        (-11, "it was ended by SIGSEGV"),
        (-99, "it was ended by 99"),
    ],
)
def test_an_end_has_words(status: int, words: str) -> None:
    assert reason_of(status) == words


def test_the_child_is_a_file() -> None:
    assert Path(process._CHILD).is_file()
