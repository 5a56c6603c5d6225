"""leafnode.net.lookup: names that hang, and all that must not wait for them. getaddrinfo(3)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from leafnode.clock import NS_PER_S
from leafnode.limits import (
    LOOKUP_KEPT_NS,
    LOOKUP_NAMES_MAX,
    LOOKUP_SLOW_NS,
    LOOKUPS_MAX,
    LOOKUPS_SLOW_MAX,
    LOOKUPS_UNPROVEN_MAX,
)
from leafnode.net.lookup import BUSY, Lookups, ServerLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

TCP = socket.SOCK_STREAM


class World:
    """Look-ups whose resolver answers when the test says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.now_s = 0.0
        self.lookups = Lookups(loop, self._resolve, lambda: self.now_s)
        self.asked: list[str] = []
        self._gates: dict[str, threading.Event] = {}

    def hangs(self, name: str) -> None:
        self._gates[name] = threading.Event()

    def answers(self, name: str) -> None:
        self._gates.pop(name).set()

    def end(self) -> None:
        for gate in self._gates.values():
            gate.set()

    async def look_up(self, name: str, port: int = 80) -> list[Any]:
        return await self.lookups.look_up(name, port, family=0, kind=TCP)

    async def gives_up(self, name: str) -> None:
        """Somebody asks for a name that hangs, and leaves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await self.look_up(name)

    async def until_idle(self) -> None:
        """Return when no look-up runs."""
        while self.lookups._running:  # noqa: ASYNC110 -- nobody tells when a thread has ended
            await asyncio.sleep(0.001)

    async def becomes_slow(self, names: list[str]) -> None:
        """Have these names answered, late."""
        for name in names:
            self.hangs(name)
            await self.gives_up(name)
        self.now_s += LOOKUP_SLOW_NS / NS_PER_S
        for name in names:
            self.answers(name)
        await self.until_idle()

    def _resolve(self, host: bytes, service: None, *rest: int) -> list[Any]:
        assert service is None
        name = host.decode()
        self.asked.append(name)
        gate = self._gates.get(name)
        if gate is not None:
            gate.wait()
        if name.startswith("nowhere"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, TCP, 6, "", ("192.0.2.1", 0))]


def run(scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        world = World(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(100):
                await scenario(world)
        finally:
            world.end()

    asyncio.run(main())


def names(count: int, kind: str = "hub") -> list[str]:
    return [f"{kind}{number}.example" for number in range(count)]


def test_an_answer_has_the_port_that_was_asked_for() -> None:
    async def scenario(world: World) -> None:
        assert await world.look_up("a.example", 7422) == [
            (socket.AF_INET, TCP, 6, "", ("192.0.2.1", 7422))
        ]

    run(scenario)


def test_a_name_that_does_not_exist_is_an_oserror() -> None:
    async def scenario(world: World) -> None:
        for name in ("nowhere.example", "nul\0.example", "ü" * 70):
            with pytest.raises(OSError, match="not"):
                await world.look_up(name)

    run(scenario)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_number_needs_no_look_up(host: str) -> None:
    async def scenario(world: World) -> None:
        (found, *_) = await world.look_up(host)

        assert found[4][:2] == (host, 80)
        assert world.asked == []

    run(scenario)


def test_all_who_ask_for_a_name_wait_for_one_look_up() -> None:
    async def scenario(world: World) -> None:
        world.hangs("a.example")
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(world.look_up("a.example", port)) for port in (1, 2, 3)]
            await asyncio.sleep(0)
            world.answers("a.example")

        assert world.asked == ["a.example"]
        assert [task.result()[0][4][1] for task in asking] == [1, 2, 3]

    run(scenario)


def test_who_leaves_takes_nothing_from_those_who_wait() -> None:
    async def scenario(world: World) -> None:
        world.hangs("a.example")
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(world.look_up("a.example"))
            await asyncio.sleep(0)
            await world.gives_up("a.example")
            world.answers("a.example")

        assert asking.result()
        assert world.asked == ["a.example"]

    run(scenario)


def test_an_answer_that_came_too_late_is_for_who_asks_next_and_not_for_ever() -> None:
    async def scenario(world: World) -> None:
        world.hangs("a.example")
        await world.gives_up("a.example")
        world.answers("a.example")
        await world.until_idle()
        assert await world.look_up("a.example", 7)
        assert world.asked == ["a.example"]

        world.hangs("a.example")
        await world.gives_up("a.example")
        world.answers("a.example")
        await world.until_idle()
        world.now_s += LOOKUP_KEPT_NS / NS_PER_S + 1
        assert await world.look_up("a.example")
        assert world.asked == ["a.example"] * 3

    run(scenario)


def test_an_error_that_came_too_late_is_forgotten() -> None:
    async def scenario(world: World) -> None:
        world.hangs("nowhere.example")
        await world.gives_up("nowhere.example")
        world.answers("nowhere.example")
        await world.until_idle()

        with pytest.raises(OSError, match="not known"):
            await world.look_up("nowhere.example")
        assert len(world.asked) == 2

    run(scenario)


def test_names_that_were_never_answered_leave_threads_for_those_that_were() -> None:
    async def scenario(world: World) -> None:
        assert await world.look_up("good.example")
        for name in names(LOOKUPS_UNPROVEN_MAX):
            world.hangs(name)
            await world.gives_up(name)

        with pytest.raises(socket.gaierror, match=BUSY):
            await world.look_up("new.example")
        assert await world.look_up("good.example")
        assert world.lookups.refused == 1

    run(scenario)


def test_names_that_were_slow_leave_threads_for_new_ones() -> None:
    async def scenario(world: World) -> None:
        slow = names(LOOKUPS_SLOW_MAX + 1)
        await world.becomes_slow(slow)
        world.now_s += LOOKUP_KEPT_NS / NS_PER_S + 1
        for name in slow[1:]:
            world.hangs(name)
            await world.gives_up(name)

        with pytest.raises(socket.gaierror, match=BUSY):
            await world.look_up(slow[0])
        assert await world.look_up("new.example")

    run(scenario)


def test_a_slow_name_that_is_answered_at_once_is_slow_no_more() -> None:
    async def scenario(world: World) -> None:
        slow = names(LOOKUPS_SLOW_MAX + 1)
        await world.becomes_slow(slow)
        world.now_s += LOOKUP_KEPT_NS / NS_PER_S + 1
        assert await world.look_up(slow[0])
        for name in slow[1:]:
            world.hangs(name)
            await world.gives_up(name)

        assert await world.look_up(slow[0])

    run(scenario)


def test_there_are_never_more_threads_than_allowed() -> None:
    async def scenario(world: World) -> None:
        good = names(LOOKUPS_MAX + 1, "good")
        for name in good:
            assert await world.look_up(name)
        for name in good[1:]:
            world.hangs(name)
            await world.gives_up(name)

        with pytest.raises(socket.gaierror, match=BUSY):
            await world.look_up(good[0])

    run(scenario)


def test_what_is_remembered_of_names_is_bounded() -> None:
    async def scenario(world: World) -> None:
        for name in names(LOOKUP_NAMES_MAX + 1):
            assert await world.look_up(name)

        assert len(world.lookups._was_slow) == LOOKUP_NAMES_MAX

    run(scenario)


def test_a_system_without_threads_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scenario(world: World) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", none_left)
            with pytest.raises(OSError, match="can't start new thread"):
                await world.look_up("a.example")

        assert await world.look_up("a.example")

    run(scenario)


def test_an_answer_after_the_end_of_the_loop_is_nobodys() -> None:
    gate, ended = threading.Event(), threading.Event()

    def resolve(*_: object) -> list[Any]:
        gate.wait()
        ended.set()
        return []

    async def main() -> None:
        lookups = Lookups(asyncio.get_running_loop(), resolve)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await lookups.look_up("a.example", 1, family=0, kind=TCP)

    before = set(threading.enumerate())
    asyncio.run(main())
    (thread,) = set(threading.enumerate()) - before
    gate.set()
    thread.join(60)

    assert ended.is_set()
    assert thread.daemon


def test_whatever_a_server_asks_its_loop_goes_this_way() -> None:
    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, ServerLoop)
        loop.lookups = Lookups(loop, lambda *_: [(socket.AF_INET, TCP, 6, "", ("127.0.0.1", 0))])
        async with await asyncio.start_server(lambda _, writer: writer.close(), "any.invalid", 0):
            pass
        return await loop.getaddrinfo("any.invalid", 5, type=TCP)

    with asyncio.Runner(loop_factory=ServerLoop) as runner:
        assert runner.run(main())[0][4] == ("127.0.0.1", 5)


def test_a_loop_ends_where_no_thread_is_left_to_wait_in_for_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The process ended in a traceback behind `Server Exiting..`, and with another status."""
    done: list[str] = []

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> str:
        await asyncio.to_thread(done.append, "work")
        monkeypatch.setattr(threading.Thread, "start", refuse)
        return "status"

    with asyncio.Runner(loop_factory=ServerLoop) as runner:
        assert runner.run(main()) == "status"

    assert done == ["work"]
    assert "can't start new thread" in caplog.text
