"""leafnode.routing.to_link: one leaf link and nobody else."""

from __future__ import annotations

import pytest

from leafnode.routing import sublist as sublist_module
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from leafnode.routing.to_link import link_asks_for, publish_to_link
from tests.sim.imports import Slices
from tests.sim.peers import FakePeer, account

BODY = b"NATS/1.0\r\n\r\nx"
SENT = b"HMSG e.a r 12 13\r\n" + BODY + b"\r\n"


def widen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whatever is found be too much for one turn."""
    for bound in ("FOUND_MAX", "RECEIVERS_MAX", "_FOUND_FREE"):
        monkeypatch.setattr(sublist_module, bound, 0)


@pytest.mark.parametrize("is_wide", [False, True])
def test_nobody_but_the_link_gets_it_once_and_with_the_groups_that_it_is_for(
    monkeypatch: pytest.MonkeyPatch, *, is_wide: bool
) -> None:
    if is_wide:
        widen(monkeypatch)
    world = account()
    link, other = (FakePeer(world, cid, Kind.LEAF) for cid in (1, 2))
    client = FakePeer(world, 3)
    for peer in (link, other):
        for number, subject in enumerate((b"e.>", b"e.a", b"*.a")):
            peer.subscribe(subject, b"%d" % number)
            peer.headers = True
    for peer in (link, other, client):
        peer.subscribe(b"e.*", b"9", b"workers")
    client.subscribe(b">", b"1")
    assert world.sublist.match(b"e.a").is_wide == is_wide
    slices = Slices(world.system.outbox)

    assert publish_to_link(link, b"e.a", BODY, header_size=12, reply=b"r")
    slices.all()

    assert link.got() == SENT.replace(b" r ", b" + r workers ")
    assert other.got() == client.got() == b""


def test_what_the_other_side_did_not_ask_for_or_may_not_have_is_not_sent() -> None:
    world = account()
    link, client = FakePeer(world, 1, Kind.LEAF), FakePeer(world, 2)
    link.subscribe(b"e.>", b"1")
    client.subscribe(b">", b"1")

    assert not publish_to_link(link, b"f.a", b"x")
    link.permissions = Permissions(Rules(), Rules(deny=[b"e.>"]))
    world.spoil()
    assert not publish_to_link(link, b"e.a", b"x")

    assert link.got() == client.got() == b""


def test_what_comes_behind_one_that_is_sent_in_turns_does_not_overtake_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = account()
    link = FakePeer(world, 1, Kind.LEAF)
    link.subscribe(b"e.>", b"1")
    widen(monkeypatch)
    slices = Slices(world.system.outbox)
    world.system.outbox.work_left = 0
    assert publish_to_link(link, b"e.a", b"1")
    monkeypatch.undo()
    assert len(world.backlog) == 1
    assert not world.sublist.match(b"e.b").is_wide

    assert publish_to_link(link, b"e.b", b"2")
    slices.all()

    assert link.got() == b"LMSG e.a 1\r\n1\r\nLMSG e.b 1\r\n2\r\n"


@pytest.mark.parametrize("queue", [b"", b"workers"])
def test_the_other_side_asks_for_what_it_subscribes_and_nobody_else_does(queue: bytes) -> None:
    world = account()
    link, client = FakePeer(world, 1, Kind.LEAF), FakePeer(world, 2)
    link.subscribe(b"e.>", b"1", queue)
    client.subscribe(b">", b"1", queue)

    assert link_asks_for(link, b"e.a")
    assert not link_asks_for(link, b"f.a")
