"""leafnode.server.lame_duck: who is cut when; nats-server server/server.go."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from leafnode.clock import NS_PER_S, SystemClock
from leafnode.config.options import Options
from leafnode.server import callout, operators
from leafnode.server.lame_duck import see_off
from leafnode.server.server import Seams, Server

if TYPE_CHECKING:
    from collections.abc import Callable


class Client:
    """Keeps what was done to it, and when."""

    def __init__(self, now: Callable[[], float], events: list[tuple[str, float]]) -> None:
        self._now = now
        self._events = events

    def close(self, reason: str) -> None:
        self._events.append((reason, self._now()))


async def seen_off(count: int, duration_s: float, grace_s: float) -> list[tuple[str, float]]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    events: list[tuple[str, float]] = []
    clients = [Client(lambda: loop.time() - began, events) for _ in range(count)]
    await see_off(
        clients,
        duration_ns=int(duration_s * NS_PER_S),
        grace_period_ns=int(grace_s * NS_PER_S),
        random=random.Random(1),
    )
    return events


async def test_the_first_is_cut_after_the_grace_period() -> None:
    events = await seen_off(3, 120, 10)

    assert events[0] == ("Server Shutdown", 10.0)


async def test_few_clients_are_cut_at_most_a_second_apart() -> None:
    times = [when for _, when in await seen_off(5, 120, 10)]

    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert all(0.5 <= gap <= 1.0 for gap in gaps)


async def test_many_clients_are_gone_within_the_duration() -> None:
    events = await seen_off(1000, 40, 10)

    assert 10 + 15 <= events[-1][1] <= 40


async def test_a_duration_that_the_grace_period_used_up_leaves_a_second() -> None:
    events = await seen_off(100, 5, 5)

    assert 5.4 <= events[-1][1] <= 6


@pytest.mark.real_loop
async def test_a_signal_before_the_start_is_over_stops_the_server_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(1)
    server = Server(Options(port=-1), Seams(SystemClock(), chance, chance.randbytes))
    waited = []

    async def start(*_: object) -> None:
        """Wait as for an account resolver, and get the signal meanwhile."""
        server.operator = None
        server.enter_lame_duck_mode()
        for _ in range(3):
            await asyncio.sleep(0)
        waited.append(server.clients is not None)

    def await_start(*_: object) -> None:
        monkeypatch.setattr(server, "operator", "somebody")

    monkeypatch.setattr(callout, "start_callout", await_start)  # what comes just before it
    monkeypatch.setattr(operators, "start", start)

    assert await server.run() == 0
    assert waited == [True]
    assert not server.is_lame_duck
