"""Answers of a hub to this server's own questions, which may be larger than a payload."""

from __future__ import annotations

from random import Random

import pytest

from leafnode import limits
from leafnode.config.options import LeafRemote
from leafnode.routing.peer import Kind, LeafSide
from leafnode.uplink.mailbox import Letter, Mailbox
from tests.sim.leaf_hub import KeepingPeer, LeafWorld, turns

REMOTE = LeafRemote(("nats-leaf://hub:7422",))


async def test_an_answer_to_this_servers_own_question_may_be_larger_than_a_payload() -> None:
    world = LeafWorld(REMOTE)
    mailbox = Mailbox(world.account, world.clock, Random(1), lambda _: True)
    letters: list[Letter] = []
    mailbox.on(b"h", letters.append)
    answer = b"x" * (4 * (1 << 20) // 3)  # a message of max_payload in base64
    async with world.running():
        await turns()

        world.hub.say(b"LMSG %b %d\r\n%b\r\n" % (mailbox.address(b"h", b"1"), len(answer), answer))
        await turns(200)
        world.hub.say(b"LMSG %b 2\r\nok\r\n" % mailbox.address(b"h", b"2"))
        await turns()

        kept = limits.LEAF_ANSWER_KEPT_BYTES
        assert [(len(one.body), one.size) for one in letters] == [(kept, len(answer)), (2, 2)]
        assert not world.hub.session.is_lost


@pytest.mark.parametrize("kind", [Kind.CLIENT, Kind.LEAF])
async def test_an_answer_larger_than_a_payload_goes_to_who_asked_and_nobody_else(
    kind: Kind,
) -> None:
    """INFO told them how large a message may be: a leaf below ends its link for a larger one."""
    world = LeafWorld(REMOTE)
    mailbox = Mailbox(world.account, world.clock, Random(1), lambda _: True)
    letters: list[Letter] = []
    mailbox.on(b"h", letters.append)
    other = KeepingPeer(world.account, cid=7, kind=kind)
    other.leaf = LeafSide("below", is_hub=False)
    other.subscribe(b">", b"1")
    asked = mailbox.address(b"h", b"1")
    async with world.running():
        await turns()
        other.got()

        for size in (1 << 20) + 1, 1 << 20:
            world.hub.say(b"LMSG %b %d\r\n%b\r\n" % (asked, size, b"x" * size))
            await turns(200)

        verb = b"LMSG %b" if kind is Kind.LEAF else b"MSG %b 1"
        assert [letter.size for letter in letters] == [(1 << 20) + 1, 1 << 20]
        assert other.got() == verb % asked + b" 1048576\r\n%b\r\n" % (b"x" * (1 << 20))


async def test_the_rules_of_a_link_hold_for_an_answer_larger_than_a_payload() -> None:
    world = LeafWorld(LeafRemote(("nats-leaf://hub:7422",), deny_imports=("_INBOX.>",)))
    mailbox = Mailbox(world.account, world.clock, Random(1), lambda _: True)
    letters: list[Letter] = []
    mailbox.on(b"h", letters.append)
    asked, size = mailbox.address(b"h", b"1"), (1 << 20) + 1
    async with world.running():
        await turns()

        world.hub.say(b"LMSG %b %d\r\n%b\r\n" % (asked, size, b"x" * size))
        await turns(200)

        assert not letters
        assert not world.hub.session.is_lost


async def test_a_larger_message_of_the_hub_for_others_than_a_payload_ends_the_link() -> None:
    world = LeafWorld(REMOTE)
    Mailbox(world.account, world.clock, Random(1), lambda _: True)
    world.client.subscribe(b"in.>", b"1")
    async with world.running():
        await turns()

        world.hub.say(b"LMSG in.a %d\r\n" % ((1 << 20) + 1))
        await turns()

        assert world.hub.session.is_lost
