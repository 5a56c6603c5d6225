"""leafnode.routing.groups: which member of a queue group is next."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from leafnode.limits import MEMBER_WORK
from leafnode.routing import groups, sublist
from leafnode.routing.account import Account
from leafnode.routing.groups import pick
from leafnode.routing.imports import StreamImports
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.permissions import Permissions, Rules, may_deliver
from tests.sim.imports import stream_import
from tests.sim.peers import FakePeer, account, outbox

if TYPE_CHECKING:
    from leafnode.routing.subscription import Subscription

DENIED = Permissions(Rules(), Rules(deny=[b"a"]))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Subscription]:
    """Every member that `pick` asks whether it may receive."""
    seen: list[Subscription] = []

    def note(sub: Subscription, subject: bytes, origin: Peer) -> bool:
        seen.append(sub)
        return may_deliver(sub, subject, origin)

    monkeypatch.setattr(groups, "may_deliver", note)
    return seen


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
    member.permissions = DENIED
    member.subscribe(b"a", b"1", b"q")
    [group] = world.sublist.find(b"a").groups

    assert pick(group, world.system, b"a") is None


def test_of_a_large_group_only_who_gets_the_message_is_looked_at(
    asked: list[Subscription],
) -> None:
    world = account()
    member = FakePeer(world, 1)
    for number in range(1000):
        member.subscribe(b"a", b"%d" % number, b"q")
    [group] = world.sublist.find(b"a").groups
    before = world.system.outbox.work_left

    chosen = {pick(group, world.system, b"a") for _ in range(1000)}

    assert chosen == set(group.members)
    assert len(asked) == 1000
    assert world.system.outbox.work_left == before


@pytest.mark.parametrize("short_lived", [False, True])
def test_who_may_not_receive_leaves_no_larger_share_to_its_neighbour(*, short_lived: bool) -> None:
    world = account()
    denied, member = FakePeer(world, 1), FakePeer(world, 2)
    denied.permissions = DENIED
    for peer in (denied, member):
        for number in range(50):
            peer.subscribe(b"a", b"%d" % number, b"q")
    [group] = world.sublist.find(b"a").groups
    shares: Counter[bytes] = Counter()

    for _ in range(5000):
        if short_lived:
            [group] = world.sublist.find(b"a").groups
        sub = pick(group, world.system, b"a")
        assert sub is not None
        assert sub.peer is member
        shares[sub.sid] += 1

    assert len(shares) == 50
    assert 60 < min(shares.values()) <= max(shares.values()) < 150


def test_looking_at_all_members_is_work_of_who_publishes(asked: list[Subscription]) -> None:
    world = account()
    member, publisher = FakePeer(world, 1), FakePeer(world, 2)
    member.permissions = DENIED
    for number in range(1000):
        member.subscribe(b"a", b"%d" % number, b"q")
    [group] = world.sublist.find(b"a").groups
    before = publisher.outbox.work_left

    assert pick(group, publisher, b"a") is None

    assert before - publisher.outbox.work_left == 1000 * MEMBER_WORK
    assert len(asked) < 10


def test_a_local_member_goes_before_many_links() -> None:
    world = account()
    for cid in range(1, 51):
        FakePeer(world, cid, Kind.LEAF).subscribe(b"a", b"1", b"q")
    local = FakePeer(world, 99).subscribe(b"a", b"1", b"q")
    [group] = world.sublist.find(b"a").groups

    assert {pick(group, world.system, b"a") for _ in range(100)} == {local}


def test_of_many_members_each_peer_is_asked_once(asked: list[Subscription]) -> None:
    world = account()
    denied, other, reader = (FakePeer(world, cid) for cid in (1, 2, 3))
    for number in range(500):
        for peer in (denied, other):
            peer.permissions = DENIED
            peer.subscribe(b"a", b"%d" % number, b"q")
    reader.subscribe(b"a", b"1", b"q")
    [group] = world.sublist.find(b"a").groups
    group.turn = 8  # so that none of the first tries meets the reader

    picked = pick(group, world.system, b"a")

    assert picked is reader.subs[b"1"]
    assert len(asked) <= 8 + 3


def test_of_many_members_behind_imports_each_peer_is_asked_once_for_each_import(
    asked: list[Subscription],
) -> None:
    exporter, importer = (Account(name, outbox()) for name in ("E", "I"))
    StreamImports(
        importer, [stream_import(exporter, b"x.*", local) for local in (b"no.*", b"yes.*")]
    ).start()
    member = FakePeer(importer, 1)
    member.permissions = Permissions(Rules(), Rules(deny=[b"no.*"]))
    for number in range(500):
        member.subscribe(b"no.s", b"n%d" % number, b"q")
    member.subscribe(b"yes.s", b"y", b"q")
    [group] = exporter.sublist.find(b"x.s").groups
    group.turn = 8  # so that none of the first tries meets the one that may

    picked = pick(group, exporter.system, b"x.s")

    assert picked is not None
    assert picked.shadow is not None
    assert picked.shadow.source is member.subs[b"y"]
    assert len(asked) <= 8 + 2


def test_of_many_members_one_that_ended_says_nothing_of_the_others() -> None:
    world = account()
    reader = FakePeer(world, 1)
    for number in range(20):
        reader.subscribe(b"a", b"%d" % number, b"q")
    [group] = world.sublist.find(b"a").groups
    for sub in list(reader.subs.values())[:19]:
        sub.closed = True

    chosen = {pick(group, world.system, b"a") for _ in range(40)}

    assert chosen == {reader.subs[b"19"]}


@pytest.mark.parametrize("by_import", [False, True])
def test_of_a_group_of_very_many_one_that_may_gets_each_message_and_no_turn_is_long(
    monkeypatch: pytest.MonkeyPatch, *, by_import: bool
) -> None:
    many = 3000
    monkeypatch.setattr(sublist, "FOUND_MAX", many)
    monkeypatch.setattr(sublist, "RECEIVERS_MAX", 10)
    world = account()
    importer = Account("I", world.system.outbox)
    StreamImports(importer, [stream_import(world, b"a.>", b"a.>")]).start()
    there = importer if by_import else world
    publisher, denied, readers = FakePeer(world, 1), FakePeer(there, 2), []
    denied.permissions = Permissions(Rules(), Rules(deny=(b"a.b",)))
    for number in range(many - 2):
        denied.subscribe(b"a.*", b"%d" % number, b"q")
    assert not world.sublist.match(b"a.b").is_wide
    for cid in (3, 4, 5):
        readers.append(FakePeer(there, cid))
        readers[-1].subscribe(b"a.*", b"1", b"q")
    assert world.sublist.match(b"a.b").is_wide

    publisher.lane.feed(b"PUB a.b 0\r\n\r\n" * 300)
    starved, turns = True, 0
    while starved:
        publisher.outbox.work_left, turns = 2000, turns + 1
        publisher.lane.next_line()
        starved = publisher.lane.starved
        assert publisher.outbox.work_left > -2000

    assert denied.got() == b""
    counts = [reader.got().count(b"MSG a.b 1 0") for reader in readers]
    assert sum(counts) == 300
    assert min(counts) > 50
    assert turns > 300


def test_who_asks_a_group_of_very_many_that_nobody_may_serve_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sublist, "FOUND_MAX", 100)
    monkeypatch.setattr(sublist, "RECEIVERS_MAX", 10)
    world = account()
    publisher, denied = FakePeer(world, 1), FakePeer(world, 2)
    publisher.no_responders = True
    publisher.subscribe(b"r", b"9")
    denied.permissions = Permissions(Rules(), Rules(deny=(b"a.b",)))
    for number in range(101):
        denied.subscribe(b"a.*", b"%d" % number, b"q")

    publisher.says(b"PUB a.b r 0\r\n\r\n")

    assert b"503" in publisher.got()
    assert denied.got() == b""


def test_what_a_peer_may_not_get_in_one_group_it_may_in_another_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for bound in ("FOUND_MAX", "RECEIVERS_MAX", "_FOUND_FREE"):
        monkeypatch.setattr(sublist, bound, 0)
    for queues in ((b"q1", b"q2"), (b"q2", b"q1")):
        world = account()
        member, publisher = FakePeer(world, 1), FakePeer(world, 2)
        member.permissions = Permissions(Rules(), Rules(deny=[b"a.b q1"]))
        for queue in queues:
            member.subscribe(b"a.*", queue, queue)
        assert world.sublist.match(b"a.b").is_wide

        publisher.says(b"PUB a.b 1\r\nx\r\n" * 3)

        assert member.got() == b"MSG a.b q2 1\r\nx\r\n" * 3
