"""leafnode.routing.account: the server's own part, and the interest that leaf links follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.limits import DROP_WORK, TURN_WORK
from leafnode.routing import parked, sublist
from leafnode.routing.account import Account
from leafnode.routing.peer import Kind
from leafnode.routing.subscription import Subscription
from tests.sim.imports import Slices
from tests.sim.peers import FakePeer, account, outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from leafnode.routing.subscription import Delivery


class Watcher:
    """Counts the changes that it is told of."""

    def __init__(self) -> None:
        self.calls = 0

    def interest_changed(self) -> None:
        self.calls += 1


def asleep(world: Account, count: int) -> list[Subscription]:
    subs = [Subscription(world.system, b"s.%d" % number) for number in range(count)]
    for sub in subs:
        sub.asleep = True
        world.insert(sub)
    return subs


def test_what_takes_over_asleep_is_interest_from_then_on_and_without_a_gap() -> None:
    world = account()
    many = 4 * TURN_WORK // DROP_WORK
    old, new = asleep(world, many), asleep(world, many)
    assert not world.local_interest
    world.replace([], old)
    slices = Slices(world.system.outbox)
    slices.all()
    assert len(world.local_interest) == many

    world.replace(old, new)
    assert world.listens(b"s.0")
    while slices.next():
        assert len(world.local_interest) == many
    assert set(world.local_interest.values()) == {1}

    world.remove_all(new)
    slices.all()
    assert not world.local_interest


def test_what_goes_before_it_is_awake_never_was_interest() -> None:
    world = account()
    watcher = Watcher()
    world.watch(b"s.0", watcher)

    for sub in asleep(world, 1):
        world.remove(sub)

    assert (watcher.calls, world.sublist.count, world.local_interest) == (0, 0, {})


def test_publish_reaches_clients_and_counts_them() -> None:
    world = account()
    client = FakePeer(world)
    client.subscribe(b"a.*", b"3")

    received = world.publish(b"a.b", b"hi", reply=b"r")

    assert received == 1
    assert client.got() == b"MSG a.b 3 r 2\r\nhi\r\n"
    assert world.traffic.out_msgs == 1


def test_what_is_announced_has_two_blanks_for_a_client_and_one_on_a_leaf_link() -> None:
    world = account()
    client, leaf = FakePeer(world), FakePeer(world, kind=Kind.LEAF)
    client.subscribe(b"a", b"3")
    leaf.subscribe(b"a", b"a")

    world.announce(b"a", b"hi")
    world.announce(b"a", b"NATS/1.0\r\n\r\nhi", header_size=12)

    line = b"HMSG a %b12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
    assert client.got() == b"MSG a 3  2\r\nhi\r\n" + line % b"3  "
    assert leaf.got() == b"LMSG a 2\r\nhi\r\n" + line % b""


def test_publish_without_interest_returns_0_and_sends_nothing() -> None:
    assert account().publish(b"a", b"hi", reply=b"r") == 0


def test_a_subscription_of_the_server_gets_header_size_and_body() -> None:
    world = account()
    got: list[Delivery] = []
    world.subscribe(b"a", got.append)

    world.publish(b"a", b"NATS/1.0\r\n\r\nhi", header_size=12, reply=b"r")

    assert [(d.subject, d.messages) for d in got] == [(b"a", [(b"r", 12, b"NATS/1.0\r\n\r\nhi")])]
    assert got[0].origin is world.system


def test_an_ended_subscription_gets_nothing_and_ends_twice_without_harm() -> None:
    world = account()
    got: list[Delivery] = []
    sub = world.subscribe(b"a", got.append)

    world.unsubscribe(sub)
    world.unsubscribe(sub)

    assert world.publish(b"a") == 0
    assert got == []


def test_a_header_is_cut_off_for_a_client_that_did_not_ask_for_headers() -> None:
    world = account()
    client = FakePeer(world)
    client.headers = False
    client.subscribe(b"a", b"1")

    world.publish(b"a", b"NATS/1.0\r\n\r\nhi", header_size=12)

    assert client.got() == b"MSG a 1 2\r\nhi\r\n"


def test_local_interest_is_counted_by_subject_and_queue() -> None:
    world = account()
    client = FakePeer(world)

    one = client.subscribe(b"a", b"1", b"q")
    client.subscribe(b"a", b"2", b"q")
    world.remove(one)

    assert world.local_interest == {(b"a", b"q"): 1}


def test_a_watcher_is_told_of_just_its_subject_and_queue() -> None:
    world = account()
    client, leaf = FakePeer(world), FakePeer(world, 9, Kind.LEAF)
    watcher, grouped = Watcher(), Watcher()
    world.watch(b"a.b", watcher)
    world.watch(b"a.b", grouped, queue=b"q")

    for subject in (b"a.*", b"a.>", b"a"):
        client.subscribe(subject, subject)
    assert (watcher.calls, grouped.calls, world.listens(b"a.b")) == (0, 0, False)
    one, two = client.subscribe(b"a.b", b"1"), leaf.subscribe(b"a.b", b"")
    client.subscribe(b"a.b", b"2", b"q")
    assert (watcher.calls, grouped.calls) == (2, 1)
    assert world.listens(b"a.b")
    assert world.listens(b"a.b", b"q")
    world.remove(one)
    assert world.listens(b"a.b")
    world.remove(two)
    assert (watcher.calls, world.listens(b"a.b")) == (4, False)

    world.unwatch(b"a.b", watcher)
    world.unwatch(b"a.b", grouped)  # watches another key
    client.subscribe(b"a.b", b"3")
    world.unwatch(b"a.b", grouped, queue=b"q")

    assert (watcher.calls, world.watchers) == (4, {})


def test_interest_of_a_leaf_is_not_local() -> None:
    world = account()
    hub = FakePeer(world, 9, Kind.LEAF)

    hub.subscribe(b"a", b"")

    assert world.local_interest == {}
    assert world.has_interest(b"a")


def test_links_that_lead_to_a_subject_are_those_that_asked_for_it_by_name() -> None:
    world = account()
    serves, hears, elsewhere = (FakePeer(world, cid, Kind.LEAF) for cid in (7, 8, 9))
    client = FakePeer(world, 10)
    serves.subscribe(b"$JS.hub.API.CONSUMER.>", b"1")
    hears.subscribe(b">", b"1")
    hears.subscribe(b"*.hub.>", b"2")
    elsewhere.subscribe(b"$JS.other.API.CONSUMER.>", b"1")
    client.subscribe(b"$JS.hub.API.>", b"1")

    found: list[frozenset[int]] = []
    world.find_links(b"$JS.hub.API.CONSUMER.CREATE.S", found.append)
    world.find_links(b"$JS.hub.API.INFO", found.append)
    assert found == [{7}, set()]


def test_links_are_looked_for_in_turns_where_very_many_listen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sublist, "RECEIVERS_MAX", 1)
    world = account()
    later: list[Callable[[], None]] = []
    monkeypatch.setattr(world.system.outbox, "end_later", later.append)
    monkeypatch.setattr(parked, "TURN_WORK", 10)
    for cid in range(50):
        FakePeer(world, cid, Kind.LEAF).subscribe(b"$JS.hub.>", b"1")
    found: list[frozenset[int]] = []

    world.find_links(b"$JS.hub.API", found.append)
    turns = 0
    while later:
        assert not found
        later.pop(0)()
        turns += 1

    assert turns > 4
    assert found == [frozenset(range(50))]


def test_of_many_that_are_taken_out_none_gets_anything_and_the_rest_goes_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = account()
    later: list[Callable[[], None]] = []
    monkeypatch.setattr(world.system.outbox, "end_later", later.append)
    got: list[Delivery] = []
    count = 3 * TURN_WORK // DROP_WORK
    subs = [world.subscribe(b"a.%d" % number, got.append) for number in range(count)]
    subs += [world.subscribe(b"a.*", got.append)]
    world.publish(b"a.9", b"x")
    assert len(got) == 2

    world.remove_all(subs)
    assert world.publish(b"a.9", b"x") == 0
    assert world.publish(b"a.%d" % (count - 1), b"x") == 0
    assert (len(got), world.sublist.count) == (2, 2 * TURN_WORK // DROP_WORK + 1)
    turns = 0
    while later:
        later.pop(0)()
        turns += 1

    assert (turns, world.sublist.count, world.local_interest) == (3, 0, {})


def test_a_leaf_gets_lmsg_with_the_reply() -> None:
    world = account()
    hub = FakePeer(world, 9, Kind.LEAF)
    hub.subscribe(b"a.>", b"")

    world.publish(b"a.b", b"hi", reply=b"r")

    assert hub.got() == b"LMSG a.b r 2\r\nhi\r\n"


def test_a_leaf_with_several_matching_patterns_gets_one_message() -> None:
    world = account()
    hub = FakePeer(world, 9, Kind.LEAF)
    hub.subscribe(b"a.>", b"1")
    hub.subscribe(b"a.b", b"2")

    world.publish(b"a.b", b"hi")

    assert hub.got() == b"LMSG a.b 2\r\nhi\r\n"


def test_a_leaf_is_told_which_queue_groups_it_was_picked_for() -> None:
    world = account()
    hub = FakePeer(world, 9, Kind.LEAF)
    hub.subscribe(b"a", b"1", b"q1")
    hub.subscribe(b"a", b"2", b"q2")

    world.publish(b"a", b"hi", reply=b"r")

    assert hub.got() == b"LMSG a + r q1 q2 2\r\nhi\r\n"


def test_local_members_of_a_group_come_before_those_behind_a_leaf() -> None:
    world = account()
    hub, client = FakePeer(world, 9, Kind.LEAF), FakePeer(world, 1)
    hub.subscribe(b"a", b"1", b"q")
    client.subscribe(b"a", b"1", b"q")

    for _ in range(10):
        world.publish(b"a", b"x")

    assert hub.got() == b""
    assert client.got().count(b"MSG a 1 1\r\n") == 10


def test_several_leafs_share_a_group_in_proportion_to_their_weights() -> None:
    world = account()
    light, heavy = FakePeer(world, 8, Kind.LEAF), FakePeer(world, 9, Kind.LEAF)
    light.subscribe(b"a", b"1", b"q")
    heavy.subscribe(b"a", b"1", b"q").weight = 3

    for _ in range(400):
        world.publish(b"a", b"x")

    assert light.got().count(b"LMSG") == 100
    assert heavy.got().count(b"LMSG") == 300


def test_a_delivery_shows_clients_the_stored_subject() -> None:
    world = account()
    client = FakePeer(world)
    client.subscribe(b"_INBOX.1", b"5")

    received = world.deliver(b"_INBOX.1", [(b"ev.a", b"$JS.ACK.S.C.1.1.1.1.0", 0, b"one")])

    assert received == 1
    assert client.got() == b"MSG ev.a 5 $JS.ACK.S.C.1.1.1.1.0 3\r\none\r\n"


def test_what_a_stream_holds_is_nobody_s_request_to_decide_on_a_login() -> None:
    """A consumer may deliver anywhere, and the service's answer would go to who hears its acks."""
    world = account()
    service = FakePeer(world)
    service.subscribe(b"$SYS.REQ.USER.AUTH", b"5")

    received = world.deliver(b"$SYS.REQ.USER.AUTH", [(b"ev.a", b"$JS.ACK.S.C.1.1.1.1.0", 0, b"x")])

    assert received == 0
    assert service.got() == b""


def test_a_delivery_over_a_leaf_carries_the_stored_subject_behind_the_ack_reply() -> None:
    world = account()
    hub = FakePeer(world, 9, Kind.LEAF)
    hub.subscribe(b"_INBOX.1", b"")

    world.deliver(b"_INBOX.1", [(b"ev.a", b"$JS.ACK.S.C.1.1.1.1.0", 0, b"one")])

    assert hub.got() == b"LMSG _INBOX.1 $JS.ACK.S.C.1.1.1.1.0@ev.a 3\r\none\r\n"


def test_nor_does_what_asks_the_reader_to_go_on_name_a_stored_subject() -> None:
    """The hub answers to the reply as it is: `$JS.FC.…@ev.a` is nobody's."""
    world = account()
    hub = FakePeer(world, 9, Kind.LEAF)
    hub.subscribe(b"ev.a", b"")

    world.deliver(b"ev.a", [(b"ev.a", b"$JS.FC.S.C.x", 0, b"")])
    world.deliver(b"ev.a", [(b"ev.a", b"$JS.ACK.S.C.1.1.1.1.0", 0, b"one")])

    assert hub.got() == (
        b"LMSG ev.a $JS.FC.S.C.x 0\r\n\r\nLMSG ev.a $JS.ACK.S.C.1.1.1.1.0@ev.a 3\r\none\r\n"
    )


def test_a_status_without_a_reply_crosses_a_leaf_as_it_is() -> None:
    world = account()
    hub = FakePeer(world, 9, Kind.LEAF)
    hub.subscribe(b"_INBOX.1", b"")

    world.deliver(b"_INBOX.1", [(b"_INBOX.1", b"", 16, b"NATS/1.0 404\r\n\r\n")])

    assert hub.got() == b"HMSG _INBOX.1 16 16\r\nNATS/1.0 404\r\n\r\n\r\n"


def test_a_handler_that_fails_is_reported_and_the_others_get_the_message() -> None:
    faults: list[tuple[bytes, Exception]] = []
    world = Account("$G", outbox(), lambda subject, err: faults.append((subject, err)))
    client, publisher = FakePeer(world, 1), FakePeer(world, 2)
    got: list[Delivery] = []

    def fail(_: Delivery) -> None:
        raise LookupError

    world.subscribe(b"a", fail)
    world.subscribe(b"a", got.append)
    client.subscribe(b"a", b"1")

    publisher.says(b"PUB a 1\r\nw\r\n")
    publisher.says(b"PUB a 1\r\nx\r\nPUB a r 1\r\ny\r\n")
    world.publish(b"a", b"z")

    assert len(faults) == 3
    assert faults[0][0] == b"a"
    assert sum(len(run.messages) for run in got) == 4
    wanted = b"MSG a 1 1\r\nw\r\nMSG a 1 1\r\nx\r\nMSG a 1 r 1\r\ny\r\nMSG a 1 1\r\nz\r\n"
    assert client.got() == wanted
