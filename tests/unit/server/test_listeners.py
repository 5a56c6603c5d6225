"""leafnode.server.listeners: real sockets on loopback, bound, served and closed one by one."""

from __future__ import annotations

import asyncio
import socket

import pytest

from leafnode.clock import SystemClock
from leafnode.config.options import HostPort
from leafnode.errors import ListenError
from leafnode.limits import LEFT_BYTES_MAX
from leafnode.net.turn import Turn
from leafnode.server.listeners import Listeners
from tests.sim.sessions import RecordingSession

LOCAL = HostPort("127.0.0.1", -1)


def reaches(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


async def scenario() -> tuple[list[bool], int]:
    listeners = Listeners(Turn(SystemClock()))
    first = await listeners.bind(LOCAL, RecordingSession)
    second = await listeners.bind(LOCAL, RecordingSession)
    async with asyncio.TaskGroup() as tasks:
        listeners.serve(first, tasks)
        listeners.serve(second, tasks)
        await listeners.close(first)
        await listeners.close(first)
        reached = [reaches(first.port), reaches(second.port)]
        await listeners.stop()
    listeners.close_all()
    return [*reached, reaches(second.port)], listeners.pauses


def test_one_is_closed_while_the_other_serves_and_both_in_the_end() -> None:
    assert asyncio.run(scenario()) == ([False, True, False], 0)


async def taken(sessions: list[RecordingSession]) -> None:
    for _ in range(10_000):
        if not sessions:
            return
        await asyncio.sleep(0)
    raise TimeoutError


def test_who_brings_messages_waits_for_what_the_gone_left_and_who_watches_does_not() -> None:
    async def run() -> tuple[list[bool], int]:
        turn = Turn(SystemClock())
        clients, watchers = [RecordingSession()], [RecordingSession()]
        listeners = Listeners(turn)
        port = await listeners.bind(LOCAL, clients.pop)
        monitor = await listeners.bind(LOCAL, watchers.pop, is_for_messages=False)
        turn.outbox.left.held_bytes = LEFT_BYTES_MAX
        assert reaches(port.port)
        assert reaches(monitor.port)
        begun = []
        async with asyncio.TaskGroup() as tasks:
            listeners.serve(port, tasks)
            listeners.serve(monitor, tasks)
            await taken(watchers)
            begun.append(not clients)
            turn.outbox.left.held_bytes = 0
            await taken(clients)
            begun.append(not clients)
            await listeners.close(port)
            await listeners.stop()
        listeners.close_all()
        return begun, listeners.held

    assert asyncio.run(run()) == ([False, True], 1)


def test_a_taken_port_is_a_listen_error() -> None:
    async def bind(port: int) -> None:
        listeners = Listeners(Turn(SystemClock()))
        await listeners.bind(HostPort("127.0.0.1", port), RecordingSession)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ListenError):
            asyncio.run(bind(taken.getsockname()[1]))
