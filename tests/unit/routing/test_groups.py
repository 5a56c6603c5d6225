"""leafnode.routing.groups: which member of a queue group is next."""

from __future__ import annotations

from collections import Counter

from leafnode.routing.groups import pick
from leafnode.routing.peer import Kind
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.peers import FakePeer, account


def test_local_members_take_turns_and_go_before_links() -> None:
    world = account()
    link = FakePeer(world, 1, Kind.LEAF)
    members = [FakePeer(world, cid) for cid in (2, 3)]
    for peer in (link, *members):
        peer.subscribe(b"a", b"1", b"q")
    [group] = world.sublist.find(b"a").groups

    chosen = [pick(group, world.system, b"a") for _ in range(4)]

    assert Counter(sub.peer.cid for sub in chosen if sub is not None) == {2: 2, 3: 2}


def test_links_get_shares_by_their_weight() -> None:
    world = account()
    for cid, weight in ((1, 1), (2, 3)):
        FakePeer(world, cid, Kind.LEAF).subscribe(b"a", b"1", b"q").weight = weight
    [group] = world.sublist.find(b"a").groups

    chosen = [pick(group, world.system, b"a") for _ in range(8)]

    assert Counter(sub.peer.cid for sub in chosen if sub is not None) == {1: 2, 2: 6}


def test_nobody_is_picked_where_nobody_may_receive() -> None:
    world = account()
    member = FakePeer(world, 1)
    member.permissions = Permissions(Rules(), Rules(deny=[b"a"]))
    member.subscribe(b"a", b"1", b"q")
    [group] = world.sublist.find(b"a").groups

    assert pick(group, world.system, b"a") is None
