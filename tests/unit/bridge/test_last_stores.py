"""A port that ends and has no heir: what it has read is stored first, within a bound."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from leafnode.bridge.port_bounds import SERIAL_STOP_NS
from leafnode.clock import NS_PER_S
from leafnode.config.serial_options import MappingOptions
from tests.unit.bridge.world import World, line_port

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

FULL = {"code": 503, "err_code": 10077, "description": "maximum messages exceeded"}


def stopped(world: World, said: bytes, ends: Callable[[], None], *, read: int) -> None:
    """Say it, stop the port once so many readings are read, let `ends` happen until it ended."""

    async def main() -> None:
        port = asyncio.create_task(world.runner.run())
        await world.opened()
        world.say(said)
        await world.until(lambda: world.runner.status().frames == read)
        world.runner.finishes = True
        port.cancel()
        await world.turns()
        while not port.done():
            ends()
            await world.turns(1)

    asyncio.run(main())
    assert world.line.device is not None
    world.line.device.close()


def test_what_waits_for_its_commit_is_stored_before_the_port_ends() -> None:
    world = World(line_port())
    world.stream.commits_at_once = False

    stopped(world, b"1\n2\n3\n", world.stream.commit, read=3)

    assert world.stream.payloads == [b"1", b"2", b"3"]


def test_what_is_gathered_is_stored_before_the_port_ends() -> None:
    mapping = MappingOptions(every_ns=60 * NS_PER_S, functions=("count",))
    world = World(line_port(codec="json", mapping=mapping))
    world.stream.commits_at_once = False

    stopped(world, b'{"t":1}\n{"t":2}\n', world.stream.commit, read=2)

    assert world.stream.payloads == [b'{"t":2,"count":2}']


def test_no_answer_is_waited_for_no_longer_than_the_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(line_port())
    world.stream.silent = True

    stopped(world, b"1\n2\n", lambda: world.clock.advance(SERIAL_STOP_NS), read=2)

    assert "Readings that were not stored went with their port: port=scale count=2" in caplog.text


def test_a_stream_that_refuses_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    world = World(line_port())
    world.stream.refusal = FULL

    stopped(world, b"1\n2\n", lambda: None, read=2)

    assert "count=2" in caplog.text
