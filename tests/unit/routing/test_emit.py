"""leafnode.routing.emit: runs, groups and limits, and subjects that come once, through the lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.routing.peer import Kind, LeafSide
from tests.sim.peers import FakePeer, account

if TYPE_CHECKING:
    from leafnode.routing.subscription import Delivery


def test_a_group_gives_each_message_of_a_run_to_one_member_in_turn() -> None:
    world = account()
    one, two, publisher = FakePeer(world, 1), FakePeer(world, 2), FakePeer(world, 3)
    one.subscribe(b"a", b"1", b"q")
    two.subscribe(b"a", b"1", b"q")

    publisher.says(b"PUB a 1\r\nx\r\n" * 10)

    assert one.got().count(b"MSG a 1 1\r\n") == 5
    assert two.got().count(b"MSG a 1 1\r\n") == 5


def test_short_lived_publishers_do_not_all_pick_the_same_member() -> None:
    world = account()
    one, two = FakePeer(world, 1), FakePeer(world, 2)
    one.subscribe(b"a", b"1", b"q")
    two.subscribe(b"a", b"1", b"q")

    for cid in range(10, 30):
        requester = FakePeer(world, cid)
        requester.subscribe(b"_INBOX.%d.*" % cid, b"1")
        requester.says(b"PUB a 1\r\nx\r\n")

    assert one.got().count(b"MSG a 1 1\r\n") == 10
    assert two.got().count(b"MSG a 1 1\r\n") == 10


def test_an_unsub_limit_ends_the_subscription_within_a_run() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    sub = reader.subscribe(b"a", b"1")
    sub.max_msgs = 3

    publisher.says(b"PUB a 1\r\nx\r\n" * 5)

    assert reader.got() == b"MSG a 1 1\r\nx\r\n" * 3
    assert sub.closed
    assert reader.subs == {}
    assert world.local_interest == {}


def test_a_member_that_reaches_its_limit_leaves_the_rest_of_the_run_to_the_others() -> None:
    world = account()
    one, two, publisher = FakePeer(world, 1), FakePeer(world, 2), FakePeer(world, 3)
    one.subscribe(b"a", b"1", b"q").max_msgs = 1
    two.subscribe(b"a", b"1", b"q")

    publisher.says(b"PUB a 1\r\nx\r\n" * 6)

    assert one.got().count(b"MSG") == 1
    assert two.got().count(b"MSG") == 5


def test_subjects_seen_once_get_no_route_and_no_place_in_a_cache() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"s.>", b"1")
    reader.subscribe(b"s.7", b"2")

    publisher.says(b"".join(b"PUB s.%d r 1\r\nx\r\n" % number for number in range(20)))

    assert reader.got().count(b" r 1\r\nx\r\n") == 21
    assert len(publisher.lane._routes.plain) + world.sublist.cached < 6  # a few are taken for known


def test_a_subject_that_comes_again_gets_a_route() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    reader.subscribe(b"a", b"1")

    publisher.says(b"PUB a 1\r\nx\r\n" * 2)

    assert list(publisher.lane._routes.plain) == [b"a"]


def test_members_of_a_group_get_equal_shares_of_subjects_that_come_once() -> None:
    world = account()
    members = [FakePeer(world, cid) for cid in range(1, 5)]
    for member in members:
        member.subscribe(b"work.*", b"1", b"q")
    publisher = FakePeer(world, 9)

    publisher.says(b"".join(b"PUB work.%d 1\r\nx\r\n" % number for number in range(40)))

    assert [member.got().count(b"MSG") for member in members] == [10] * 4


def test_links_of_a_group_get_equal_shares_of_subjects_that_come_once() -> None:
    world = account()
    links = [FakePeer(world, cid, Kind.LEAF) for cid in (1, 2)]
    for link in links:
        link.subscribe(b"work.*", b"1", b"q")
    publisher = FakePeer(world, 9)

    publisher.says(b"".join(b"PUB work.%d 1\r\nx\r\n" % number for number in range(40)))

    assert [link.got().count(b"LMSG") for link in links] == [20, 20]


def test_members_that_reach_their_limits_one_by_one_get_what_they_may() -> None:
    world = account()
    members, publisher = FakePeer(world, 1), FakePeer(world, 2)
    for number in range(20):
        members.subscribe(b"a", b"%d" % number, b"q").max_msgs = number % 3 + 1

    publisher.says(b"PUB a 1\r\nx\r\n" * 60)

    assert members.got().count(b"MSG") == sum(number % 3 + 1 for number in range(20))
    assert members.subs == {}


def test_payload_bytes_alone_are_counted_however_a_message_went() -> None:
    world = account()
    reader, member, publisher = FakePeer(world, 1), FakePeer(world, 2), FakePeer(world, 3)
    reader.subscribe(b"a", b"1")
    member.subscribe(b"a", b"1", b"q")

    for count in (1, 2, 3):  # once, then routes, then a run
        publisher.says(b"PUB a r 100\r\n%b\r\n" % bytes(100) * count)

    assert (reader.traffic.out_msgs, reader.traffic.out_bytes) == (6, 600)
    assert (member.traffic.out_msgs, member.traffic.out_bytes) == (6, 600)
    assert (world.traffic.out_msgs, world.traffic.out_bytes) == (12, 1200)
    assert (publisher.traffic.in_msgs, publisher.traffic.in_bytes) == (6, 600)


def test_a_large_payload_without_a_route_arrives_whole() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    publisher.lane._max_payload = 1 << 20
    reader.subscribe(b"*", b"1")

    publisher.says(b"PUB b r 70000\r\n" + b"x" * 70000 + b"\r\n")

    assert reader.got() == b"MSG b 1 r 70000\r\n" + b"x" * 70000 + b"\r\n"


def test_large_payloads_of_a_run_arrive_whole() -> None:
    world = account()
    reader, publisher = FakePeer(world, 1), FakePeer(world, 2)
    publisher.lane._max_payload = 1 << 20
    reader.subscribe(b"a", b"1")

    publisher.says((b"PUB a 5000\r\n" + b"x" * 5000 + b"\r\n") * 3)

    assert reader.got() == (b"MSG a 1 5000\r\n" + b"x" * 5000 + b"\r\n") * 3


def test_the_servers_own_member_of_a_group_gets_messages_too() -> None:
    world = account()
    got: list[Delivery] = []
    world.subscribe(b"a.*", got.append, queue=b"q")

    FakePeer(world, 1).says(b"PUB a.b r 2\r\nhi\r\n")

    assert [(d.subject, d.messages) for d in got] == [(b"a.b", [(b"r", 0, b"hi")])]


class _Cid(int):
    """The number of a connection, which counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        _Cid.compared += 1
        return int(self) == other

    __hash__ = int.__hash__


def test_a_subject_seen_once_goes_to_each_of_many_links_without_a_search_among_them() -> None:
    world = account()
    links = [FakePeer(world, _Cid(10 + number), Kind.LEAF) for number in range(300)]
    for number, link in enumerate(links):
        link.leaf = LeafSide(f"c{number}", is_hub=False)
        link.subscribe(b"s.>", b"s.>")
        link.subscribe(b"s.*", b"s.*")
    publisher = FakePeer(world, 2)
    _Cid.compared = 0

    publisher.says(b"PUB s.1 1\r\nx\r\n")

    assert [link.got() for link in links] == [b"LMSG s.1 1\r\nx\r\n"] * len(links)
    assert _Cid.compared <= 2 * len(links)
