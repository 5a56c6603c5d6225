"""What a client leaves when it goes: nothing that waits for the garbage collector."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from leafnode.config.options import Authorization, Options
from tests.sim.clients import ClientWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENTS = 20


@contextmanager
def uncollected() -> Iterator[list[str]]:
    """Yield the types of what only the collector found, filled at the end."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found += sorted({type(one).__name__ for one in gc.garbage})
    finally:
        gc.set_debug(0)
        gc.enable()
        gc.garbage.clear()


def left_by(one: Callable[[], None]) -> list[str]:
    one()  # what is made once, is made now
    with uncollected() as found:
        for _ in range(CLIENTS):
            one()
    return found


def test_a_client_that_subscribed_and_published_leaves_no_cycles() -> None:
    world = ClientWorld(Options(max_closed_clients=0))

    def one() -> None:
        client = world.client(b'{"verbose":false,"headers":true}')
        client.says(
            b"SUB a 1\r\nSUB b.* 2 q\r\nPUB a 1\r\nx\r\n" * 2 + b"PUB b.c 1\r\nx\r\nPING\r\n"
        )
        client.end.close()
        world.settle()

    assert left_by(one) == []
    assert world.server.registry.open == {}


def test_a_client_that_was_refused_leaves_no_cycles() -> None:
    options = Options(authorization=Authorization(token="t"), max_closed_clients=0)
    world = ClientWorld(options)

    def one() -> None:
        world.client(b'{"auth_token":"no"}')
        world.settle()

    assert left_by(one) == []
