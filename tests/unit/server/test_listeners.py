"""leafnode.server.listeners: real sockets on loopback, bound, served and closed one by one."""

from __future__ import annotations

import asyncio
import socket

import pytest

from leafnode.clock import SystemClock
from leafnode.config.options import HostPort
from leafnode.errors import ListenError
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
        listeners.stop()
    listeners.close_all()
    return [*reached, reaches(second.port)], listeners.pauses


def test_one_is_closed_while_the_other_serves_and_both_in_the_end() -> None:
    assert asyncio.run(scenario()) == ([False, True, False], 0)


def test_a_taken_port_is_a_listen_error() -> None:
    async def bind(port: int) -> None:
        listeners = Listeners(Turn(SystemClock()))
        await listeners.bind(HostPort("127.0.0.1", port), RecordingSession)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ListenError):
            asyncio.run(bind(taken.getsockname()[1]))
