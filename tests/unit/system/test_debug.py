"""leafnode.system.debug: how many clients listen."""

from __future__ import annotations

import pytest

from leafnode.slices import finish
from leafnode.system.debug import subscribers
from tests.sim.peers import FakePeer, account


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        (b"a.b", 3),
        (b"a.b q", 1),
        (b"a.>", 2),
        (b">", 3),
        (b"> q", 1),
        (b"x", 1),
        (b"", 0),
        (b"a..b", 0),
    ],
)
def test_clients_are_counted_and_the_server_is_not(asked: bytes, count: int) -> None:
    world = account()
    client = FakePeer(world)
    client.subscribe(b"a.b", b"1")
    client.subscribe(b"a.*", b"2", b"q")
    client.subscribe(b">", b"3")
    world.subscribe(b"a.b", lambda _: None)

    assert finish(subscribers(world, asked)) == count


@pytest.mark.parametrize("asked", [b"a.>", b"a.b"])
def test_others_have_a_turn_while_many_are_counted(asked: bytes) -> None:
    world = account()
    client = FakePeer(world)
    for sid in range(2500):
        client.subscribe(b"a.b", b"%d" % sid)

    steps = subscribers(world, asked)

    assert [next(steps) for _ in range(3)] == [None] * 3
    assert finish(steps) == 2500
