"""What a reload changes of bounds and times holds on links that are up, dialed or let in."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from leafnode.clock import NS_PER_S
from leafnode.config.bind import bind
from leafnode.config.options import LeafRemote
from leafnode.config.parser import parse
from tests.sim.leaf_hub import LeafWorld, turns
from tests.sim.leaf_port import LeafPortWorld

REMOTE = LeafRemote(("nats-leaf://hub:7422",))


def line(size: int) -> bytes:
    return b"LMSG in.a %d\r\n%b\r\n" % (size, b"x" * size)


@pytest.mark.parametrize("again", [False, True])
async def test_a_hub_may_send_what_max_payload_lets_pass_by_now(*, again: bool) -> None:
    """On the link that is there, and on the next one."""
    world = LeafWorld(REMOTE, reconnect_ns=NS_PER_S)
    world.client.subscribe(b"in.>", b"1")
    async with world.running():
        await turns()
        world.hub.say(line(100))
        await turns()
        world.client.got()

        world.remote.adopt(replace(world.environment, max_payload_bytes=2000), reconnect_ns=1)
        if again:
            world.hub.session.transport.close()  # type: ignore[union-attr]
            await asyncio.sleep(1)
        world.hub.say(line(2000))
        await turns()
        assert world.client.got().startswith(b"MSG in.a 1 2000\r\n")
        world.hub.say(line(2001))
        await turns()

        assert world.hub.session.is_lost
        assert world.client.got() == b""


async def test_a_hub_is_asked_whether_it_lives_as_often_as_it_says_by_now() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        await asyncio.sleep(3)
        await turns()
        world.hub.say(b"PONG\r\n")
        await turns()
        world.hub.got()

        environment = replace(world.environment, ping_interval_ns=5 * NS_PER_S, ping_max=1)
        world.remote.adopt(environment, reconnect_ns=60 * NS_PER_S)
        await asyncio.sleep(5)
        await turns()
        assert world.hub.got() == b"PING\r\n"
        await asyncio.sleep(5)
        await turns()

        assert world.remote.status.last_error == "1 PINGs went unanswered"


async def test_a_remote_waits_as_long_as_reconnect_says_by_now() -> None:
    world = LeafWorld(REMOTE, reconnect_ns=20 * NS_PER_S)
    async with world.running():
        await turns()

        world.remote.adopt(world.environment, reconnect_ns=NS_PER_S)
        world.hub.session.transport.close()  # type: ignore[union-attr]
        await turns()
        await asyncio.sleep(2)
        await turns()

        assert world.remote.status.connects == 2


def test_a_leaf_below_may_send_what_its_bounds_let_pass_by_now() -> None:
    text = "accounts { A { users: [ {user: a, password: a} ], limits { max_payload: 3000 } } }"
    port = LeafPortWorld(bind(parse(text, "x.conf")))
    client = port.client(b'{"user":"a","pass":"a","verbose":false}')
    client.says(b"SUB in.> 1\r\n")
    leaf = port.leaf(user="a", **{"pass": "a"})
    (link,) = port.registry.links()

    link.adopt(replace(port.seams.environment, max_payload_bytes=100))
    assert leaf.says(line(100)) == b""
    link.adopt(replace(port.seams.environment, max_payload_bytes=5000))
    assert leaf.says(line(3000)) == b""
    assert leaf.says(line(3001)).startswith(b"-ERR 'Maximum Payload Violation'")

    got = client.hears()
    assert (got.count(b"MSG in.a 1 100\r\n"), got.count(b"MSG in.a 1 3000\r\n")) == (1, 1)
