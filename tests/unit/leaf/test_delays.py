"""How long a remote waits before it dials again, for every end that a link can have.

Source: nats-server 2.15.1 server/leafnode.go leafProcessErr, handleLeafNodeLoop, leafPermViolation,
and its delays as a dialer, measured: `reconnect`, and on top of it what the table says.
"""

from __future__ import annotations

import asyncio

import pytest

from leafnode.config.options import LeafRemote
from leafnode.limits import LEAF_CONTROL_LINE_BYTES
from leafnode.protocol.leaf_refusal import REFUSALS
from tests.sim.leaf_hub import INFO, INFO2, LeafWorld, ScriptedHub, turns

REMOTE = LeafRemote(("nats-leaf://hub:7422",))
RECONNECT_S = 1.0
JUST_S = 0.01

# Every text that a hub of nats-server 2.15.1 sends a leaf before it closes, and the delay.
TEXTS = {
    "Authorization Violation": 0,
    "Authentication Timeout": 0,
    "User Authentication Expired": 0,
    "User Authentication Revoked": 0,
    "Account Authentication Expired": 0,
    "remote leafnode has same cluster name": 30,
    "cluster name cannot contain spaces": 0,
    'connection rejected since minimum version required is "2.12.0"': 5,
    'Loop detected for leafnode account="B". Delaying attempt to reconnect for 30s': 30,
    "Duplicate Remote LeafNode Connection": 0,
    'Permissions Violation for Publish to "s"': 0,
    'Permissions Violation for Subscription to "s"': 0,
    "maximum account active connections exceeded": 0,
    "Maximum Payload Violation": 0,
    "Unknown Protocol Operation": 0,
    "maximum control line exceeded": 0,
    "Stale Connection": 0,
    "Stale Leaf Node Connection - Closing": 0,
    "invalid client protocol": 0,
    "Secure Connection - TLS Required": 0,
    "something that no version has said yet": 0,
}
# It complains of one line and goes on.
COMPLAINTS = ("maximum subscriptions exceeded", "Invalid Subscription")


def test_no_row_of_the_table_is_without_a_test() -> None:
    for row in REFUSALS:
        assert any(text.startswith(row.text) for text in (*TEXTS, *COMPLAINTS)), row.text


async def dialed_again_after(world: LeafWorld, delay_s: float) -> None:
    """Prove that the next dial comes then and not before."""
    dials = len(world.hub.sessions)
    await asyncio.sleep(RECONNECT_S + delay_s - JUST_S)
    assert len(world.hub.sessions) == dials
    await asyncio.sleep(2 * JUST_S)
    assert len(world.hub.sessions) == dials + 1


def error(text: str) -> bytes:
    return b"-ERR '" + text.encode() + b"'\r\n"


def end(hub: ScriptedHub) -> None:
    transport = hub.session.transport
    assert transport is not None
    transport.close()


@pytest.mark.parametrize("text", TEXTS)
async def test_a_hub_that_refuses_connect_is_dialed_again_when_nats_server_would(text: str) -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(answer=error(text)))
    async with world.running():
        await turns()
        end(world.hub)
        await turns()

        assert text in world.remote.status.last_error
        await dialed_again_after(world, TEXTS[text])


@pytest.mark.parametrize("text", TEXTS)
async def test_a_hub_that_ends_a_link_is_dialed_again_when_nats_server_would(text: str) -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await asyncio.sleep(10)  # it was one that lasts
        world.hub.say(error(text))
        end(world.hub)
        await turns()

        assert text in world.remote.status.last_error
        await dialed_again_after(world, TEXTS[text])


@pytest.mark.parametrize("text", COMPLAINTS)
async def test_a_complaint_neither_ends_the_link_nor_delays_the_next(text: str) -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await asyncio.sleep(10)
        world.hub.say(error(text))
        await asyncio.sleep(60)
        assert len(world.hub.sessions) == 1

        end(world.hub)
        await turns()

        await dialed_again_after(world, 0)


async def test_a_loop_that_the_hub_found_ends_the_link_though_the_hub_does_not() -> None:
    world = LeafWorld(REMOTE)
    async with world.running():
        await asyncio.sleep(10)
        world.hub.say(error('Loop detected for leafnode account="B". Delaying'))
        await turns()

        assert world.hub.session.is_lost
        assert "form a ring" in world.remote.status.last_error
        await dialed_again_after(world, 30)


async def test_a_delay_is_waited_once() -> None:
    """The link after it knows nothing of it."""
    world = LeafWorld(REMOTE)
    async with world.running():
        await asyncio.sleep(10)
        world.hub.say(error("remote leafnode has same cluster name"))
        end(world.hub)
        await turns()
        await dialed_again_after(world, 30)

        await asyncio.sleep(10)
        end(world.hub)
        await turns()

        await dialed_again_after(world, 0)


@pytest.mark.parametrize(("word", "is_refused"), [("", False), ("Stale Connection", True)])
async def test_a_link_that_breaks_again_and_again_without_a_word_is_no_refused_one(
    word: str, is_refused: bool
) -> None:
    """On a bad radio no link may last: each is dialed again after the interval all the same."""
    world = LeafWorld(REMOTE)
    async with world.running():
        await turns()
        for number in range(6):
            await asyncio.sleep(2)
            if word:
                world.hub.say(error(word))
            end(world.hub)
            await turns()
            wait_s = 2**number if is_refused else RECONNECT_S
            await asyncio.sleep(min(wait_s, 30) - RECONNECT_S)
            await dialed_again_after(world, 0)
        assert len(world.hub.sessions) == 7


# Ends that a dialer finds by itself: what the hub says on a link, and how long is waited then.
FOUND = {
    "our own loop subject": ("LS+ {loop}", 30),
    "a line that is none": ("SUB a 1", 0),
    "a line that is too long": (f"LS+ {'a' * 2 * LEAF_CONTROL_LINE_BYTES}", 0),
}


@pytest.mark.parametrize("what", FOUND)
async def test_what_we_find_wrong_is_waited_out_as_nats_server_does(what: str) -> None:
    world = LeafWorld(REMOTE)
    line, delay_s = FOUND[what]
    async with world.running():
        await asyncio.sleep(10)
        loop = world.environment.loop_subjects.subject_of("$G").decode()
        world.hub.got()
        world.hub.say(line.format(loop=loop).encode() + b"\r\n")
        await turns()

        assert world.hub.got().startswith(b"-ERR '")
        await dialed_again_after(world, delay_s)


@pytest.mark.parametrize("line", [b"LS+ secret\r\n", b"LMSG closed 1\r\nx\r\n"])
async def test_a_leaf_outside_its_rights_is_waited_out_by_the_hub_that_dialed_it(
    line: bytes,
) -> None:
    """With `hub: true` we are the hub, whoever dialed: as one we cut it off."""
    options = LeafRemote(REMOTE.urls, hub=True, deny_exports=("secret",), deny_imports=("closed",))
    world = LeafWorld(options)
    async with world.running():
        await asyncio.sleep(10)
        world.hub.got()
        world.hub.say(line)
        await turns()

        assert world.hub.got().startswith(b"-ERR 'Permissions Violation for ")
        await dialed_again_after(world, 30)


@pytest.mark.parametrize(
    ("greeting", "answer"),
    [
        (b'INFO {"server_id":"NH","client_id":7,"client_ip":"127.0.0.1"}\r\n', b""),
        (b'INFO {"server_id":"NH"}\r\n', b""),
        (INFO.replace(b'"server_id"', b'"cluster":"a b","server_id"'), b""),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""),
    ],
    ids=["a client port", "no leaf port", "a cluster with a space", "another protocol"],
)
async def test_a_port_that_is_no_hub_is_dialed_again_after_the_interval(
    greeting: bytes, answer: bytes
) -> None:
    world = LeafWorld(REMOTE, hub=ScriptedHub(greeting=greeting, answer=answer))
    async with world.running():
        await turns()

        assert world.remote.status.last_error
        await dialed_again_after(world, 0)


@pytest.mark.parametrize(
    ("greeting", "answer", "silent_s"), [(b"", b"", 1), (INFO, b"", 2), (INFO, INFO2, 0)]
)
async def test_a_silent_hub_is_left_when_nats_server_would_leave_it(
    greeting: bytes, answer: bytes, silent_s: int
) -> None:
    """No INFO within `first_info_timeout`, no answer to CONNECT within 2 s; then `reconnect`."""
    world = LeafWorld(REMOTE, hub=ScriptedHub(greeting=greeting, answer=answer))
    async with world.running():
        await turns()
        if not silent_s:
            end(world.hub)
            await turns()
        await dialed_again_after(world, silent_s)
