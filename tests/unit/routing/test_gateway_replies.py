"""leafnode.routing.gateway_replies: requests of another cluster, as clients see and answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode import limits
from leafnode.routing import lane
from leafnode.routing.account import Account
from leafnode.routing.gateway_replies import AwaitedElsewhere, Way, unrouted
from leafnode.routing.imports import StreamImports
from leafnode.routing.peer import Kind, LeafSide, Peer
from leafnode.routing.permissions import Permissions, ResponseRule, Rules
from leafnode.routing.publish import publish
from leafnode.routing.responses import OpenReplies
from tests.sim.imports import stream_import
from tests.sim.peers import FakePeer, account

if TYPE_CHECKING:
    from leafnode.routing.message_args import Args

WAY = b"_GR_.36IaNN.tYay1U."
HUB, OTHER = LeafSide("hub", is_hub=True), LeafSide("other", is_hub=True)
LATER_NS = limits.GATEWAY_REPLY_NS + 1


ACCOUNT = account()


def way(reply: bytes, came_ns: int = 0) -> Way:
    return Way(came_ns, reply, ACCOUNT, HUB)


class World:
    """A hub behind which gateways lie, a client that answers, and one that hears everything."""

    def __init__(self) -> None:
        self.account = account()
        self.hub = FakePeer(self.account, 1, Kind.LEAF)
        self.hub.subscribe(b"_GR_.>", b"_GR_.>")
        assert self.account.join(self.hub)
        self.client = FakePeer(self.account, 2)
        self.client.subscribe(b"svc", b"1")

    def asks(self, reply: bytes = WAY + b"_INBOX.a", verb: bytes = b"LMSG svc %b 1\r\nq") -> bytes:
        """Let a request come; return what the client gets of it."""
        self.hub.says(verb % reply + b"\r\n")
        return self.client.got()

    def below(self, cid: int, *subjects: bytes, may_hear: list[bytes] | None = None) -> FakePeer:
        """A leaf that hangs below and may publish everything."""
        leaf = FakePeer(self.account, cid, Kind.LEAF)
        leaf.leaf = LeafSide(f"below-{cid}", is_hub=False)
        if may_hear is not None:
            leaf.permissions = Permissions(Rules(), Rules(may_hear))
        for subject in subjects:
            leaf.subscribe(subject, subject)
        assert self.account.join(leaf)
        return leaf

    def passes(self, span_ns: int) -> None:
        outbox = self.hub.outbox
        outbox.now = (outbox.now[0] + span_ns, outbox.now[1])


def test_a_client_sees_the_reply_that_was_asked_for() -> None:
    world = World()

    assert world.asks() == b"MSG svc 1 _INBOX.a 1\r\nq\r\n"
    assert world.asks(verb=b"HMSG svc %b 12 13\r\nNATS/1.0\r\n\r\nq") == (
        b"HMSG svc 1 _INBOX.a 12 13\r\nNATS/1.0\r\n\r\nq\r\n"
    )
    assert world.asks(b"_GR_.x") == b"MSG svc 1 _GR_.x 1\r\nq\r\n"  # too short for one


@pytest.mark.parametrize("reply", [b"_INBOX.a", b"_INBOX_ann.a", b"my.own"])
@pytest.mark.parametrize(
    ("said", "sent"),
    [
        (b"PUB %b 1\r\nr\r\n", b"LMSG %b 1\r\nr\r\n"),
        (b"PUB %b more 1\r\nr\r\n", b"LMSG %b more 1\r\nr\r\n"),
        (b"HPUB %b 12 13\r\nNATS/1.0\r\n\r\nr\r\n", b"HMSG %b 12 13\r\nNATS/1.0\r\n\r\nr\r\n"),
    ],
)
def test_its_answers_go_the_way_back_and_nowhere_else(
    reply: bytes, said: bytes, sent: bytes
) -> None:
    world = World()
    reader = FakePeer(world.account, 3)
    reader.subscribe(b">", b"1")
    world.client.says(said % reply)  # seen before: its route is kept
    world.hub.got()
    world.asks(WAY + reply)
    reader.got()

    world.client.says(said % reply * 2)

    assert world.hub.got() == sent % (WAY + reply) * 2
    assert reader.got() == b""
    assert world.client.got() == b""


def test_many_messages_in_one_read_go_where_each_belongs() -> None:
    world = World()
    world.client.subscribe(b"x.*", b"2")
    lines = b"".join(b"PUB x.%d 4\r\nbody\r\n" % number for number in range(1000))
    world.client.says(lines * 2)  # the lane takes them in pairs from here on
    usual = world.client.got()
    world.asks()

    world.client.says(lines + b"PUB _INBOX.a 1\r\nr\r\n" + lines)

    assert world.client.got() == usual
    assert world.hub.got() == b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY


@pytest.mark.parametrize(
    "others",
    [
        b"PUB x.1 1\r\na\r\n" * 50,
        b"".join(b"PUB x.%d 1\r\na\r\n" % number for number in range(50)),
        b"".join(b"HPUB x.%d 12 13\r\nNATS/1.0\r\n\r\na\r\n" % number for number in range(50)),
        b"PUB x.1 me 1\r\na\r\n" * 50,
    ],
    ids=["one subject", "many", "with headers", "with a reply"],
)
def test_meanwhile_what_else_the_client_says_stays_on_the_fast_lane(
    others: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    reader = FakePeer(world.account, 3)
    reader.subscribe(b"x.*", b"1")
    world.client.says(others)
    usual = reader.got()
    world.asks()
    slowly = []

    def noted(peer: Peer, subject: bytes, args: Args, body: bytes) -> None:
        slowly.append(subject)
        publish(peer, subject, args, body)

    monkeypatch.setattr(lane, "publish", noted)
    world.client.says(others + b"PUB _INBOX.a 1\r\nr\r\n" + others)

    assert slowly == [b"_INBOX.a"]
    assert world.hub.got() == b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY
    assert reader.got() == usual * 2


def test_what_expired_is_forgotten_with_whatever_the_client_says_next() -> None:
    world = World()
    world.asks()

    world.passes(LATER_NS)
    world.client.says(b"PUB x 1\r\na\r\n")

    assert not world.client.elsewhere


def test_after_its_time_the_answer_goes_by_interest_and_the_fast_lane_is_back() -> None:
    world = World()
    world.asks()
    world.hub.subscribe(b"_INBOX.a", b"_INBOX.a")

    world.passes(LATER_NS)
    world.client.says(b"PUB _INBOX.a 1\r\nr\r\n")

    assert world.hub.got() == b"LMSG _INBOX.a 1\r\nr\r\n"
    assert not world.client.elsewhere


def test_another_client_does_not_answer_for_it() -> None:
    world = World()
    other = FakePeer(world.account, 3)
    world.asks()

    other.says(b"PUB _INBOX.a 1\r\nr\r\nPUB %b_INBOX.a 1\r\nr\r\n" % WAY)

    assert world.hub.got() == b""
    assert b"Permissions Violation for Publish" in other.got()


def test_permissions_and_allow_responses_speak_of_the_reply_that_the_client_sees() -> None:
    world = World()
    inboxes = Permissions(Rules([b"_INBOX.>"]), Rules())
    world.client.permissions = inboxes
    world.asks()
    world.client.says(b"PUB _INBOX.a 1\r\nr\r\n")
    assert world.hub.got() == b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY

    rule = ResponseRule(1, 0)
    world.client.permissions = Permissions(Rules([]), Rules(), rule)
    world.client.open_replies = OpenReplies(rule, lambda: 0)
    world.asks(WAY + b"_INBOX.b")
    world.client.says(b"PUB _INBOX.b 1\r\nr\r\n" * 2)
    assert world.hub.got() == b"LMSG %b_INBOX.b 1\r\nr\r\n" % WAY
    assert world.client.got() == b"-ERR 'Permissions Violation for Publish to \"_INBOX.b\"'\r\n"


def test_what_a_consumer_of_another_cluster_delivers_is_shown_and_acknowledged() -> None:
    world = World()
    ack = b"$JS.ACK.S.C.1.1.1.1.0"

    assert world.asks(WAY + ack + b"@ev.x") == b"MSG ev.x 1 %b 1\r\nq\r\n" % ack
    world.client.says(b"PUB %b 4\r\n+ACK\r\n" % ack)

    assert world.hub.got() == b"LMSG %b%b 4\r\n+ACK\r\n" % (WAY, ack)


def test_a_link_below_gets_the_reply_as_it_came_and_answers_itself() -> None:
    world = World()
    below = FakePeer(world.account, 3, Kind.LEAF)
    below.leaf = below.leaf._replace(is_hub=False)
    below.subscribe(b"svc", b"svc")

    world.asks()
    assert below.got() == b"LMSG svc %b_INBOX.a 1\r\nq\r\n" % WAY
    below.says(b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY)

    assert world.hub.got() == b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY


def test_a_hub_that_has_no_gateways_gets_no_such_answer() -> None:
    world = World()
    other = FakePeer(world.account, 3, Kind.LEAF)
    other.subscribe(b">", b">")
    assert world.account.join(other)
    world.asks()

    world.client.says(b"PUB _INBOX.a 1\r\nr\r\n")

    assert world.hub.got() == b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY
    assert other.got() == b""


@pytest.mark.parametrize(
    ("wants", "may_hear"),
    [([], [b">"]), ([b"_GR_.>"], [b"nothing"]), ([b"_GR_.>"], [b">"])],
    ids=["it has no gateways", "it may not hear that", "it may hear that"],
)
def test_a_leaf_below_diverts_nothing_that_a_client_publishes(
    wants: list[bytes], may_hear: list[bytes]
) -> None:
    """Differs from nats-server 2.15.1, where it goes nowhere (measured)."""
    world = World()
    below = world.below(3, *wants, may_hear=may_hear)
    reader = FakePeer(world.account, 4)
    reader.subscribe(b"factory.temp", b"1")

    below.says(b"LMSG svc %bfactory.temp 1\r\nx\r\n" % WAY)
    assert world.client.got() == b"MSG svc 1 factory.temp 1\r\nx\r\n"
    world.client.says(b"PUB factory.temp 2\r\n20\r\n")

    assert reader.got() == b"MSG factory.temp 1 2\r\n20\r\n"
    assert below.got() == b""
    assert not world.client.elsewhere


@pytest.mark.parametrize("is_hub", [False, True], ids=["leaf", "it says that it is a hub"])
@pytest.mark.parametrize("wants", [[], [b"_GR_.>"]])
def test_a_link_that_may_not_hear_an_answer_diverts_none(
    *, wants: list[bytes], is_hub: bool
) -> None:
    world = World()
    below = world.below(3, *wants, may_hear=[b"nothing"])
    below.leaf = below.leaf._replace(is_hub=is_hub)
    reader = FakePeer(world.account, 4)
    reader.subscribe(b"_INBOX.a", b"1")

    below.says(b"LMSG svc %b_INBOX.a 1\r\nx\r\n" % WAY)
    world.client.says(b"PUB _INBOX.a 1\r\nr\r\n")

    assert reader.got() == b"MSG _INBOX.a 1 1\r\nr\r\n"


def test_clusters_that_hang_below_are_answered_by_the_way_that_they_named() -> None:
    """Differs from nats-server 2.15.1, which sends such an answer to its hubs alone."""
    world = World()
    below = world.below(3, b"_GR_.>")
    below.says(b"LMSG svc %b_INBOX.a 1\r\nq\r\n" % WAY)

    world.client.says(b"PUB _INBOX.a 1\r\nr\r\n")

    assert below.got() == b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY
    assert world.hub.got() == b""


def test_nobody_else_below_listens_to_answers() -> None:
    world = World()
    curious, cluster = world.below(3, b"_GR_.>"), world.below(4, b"_GR_.>")
    world.asks()
    cluster.says(b"LMSG svc %b_INBOX.b 1\r\nq\r\n" % WAY)

    world.client.says(b"PUB _INBOX.a 1\r\nr\r\nPUB _INBOX.b 1\r\nr\r\n")

    assert world.hub.got() == b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY
    assert cluster.got() == b"LMSG %b_INBOX.b 1\r\nr\r\n" % WAY
    assert curious.got() == b""


@pytest.mark.parametrize("reply", [b"_INBOX.a", b"factory.temp"])
def test_what_came_by_a_stream_import_is_answered_by_the_link_that_brought_it(reply: bytes) -> None:
    """The link is of the exporting account, the client that answers of the importing one."""
    world = World()
    importer = Account("I", world.account.system.outbox)
    StreamImports(importer, [stream_import(world.account, b"svc", b"svc")]).start()
    client, reader = FakePeer(importer, 3), FakePeer(importer, 4)
    client.subscribe(b"svc", b"1")
    reader.subscribe(reply, b"1")
    other = FakePeer(importer, 5, Kind.LEAF)
    other.subscribe(b"_GR_.>", b"_GR_.>")
    assert importer.join(other)
    world.asks(WAY + reply)
    assert client.got() == b"MSG svc 1 %b 1\r\nq\r\n" % reply

    client.says(b"PUB %b 1\r\nr\r\n" % reply)

    assert world.hub.got() == b"LMSG %b%b 1\r\nr\r\n" % (WAY, reply)
    assert reader.got() == other.got() == b""


def test_a_link_that_is_looked_at_for_an_answer_counts_as_work() -> None:
    world = World()

    def work() -> int:
        world.asks()
        world.client.outbox.work_left = limits.TURN_WORK
        world.client.lane.feed(b"PUB _INBOX.a 1\r\nr\r\n")
        assert world.client.lane.next_line() is None
        return limits.TURN_WORK - world.client.outbox.work_left

    alone = work()
    for cid in range(10, 510):
        world.below(cid)

    assert work() == alone + 500 * limits.FOUND_WORK
    assert world.hub.got() == b"LMSG %b_INBOX.a 1\r\nr\r\n" % WAY * 2


def test_the_oldest_makes_room_beyond_the_bound_and_whatever_expired_goes_first() -> None:
    known, count = AwaitedElsewhere(), 0
    while len(known) == count:
        known.add(way(WAY + b"%d" % count))
        count += 1
    assert limits.OPEN_REPLIES_BYTES_MAX - 1000 < known.held_bytes <= limits.OPEN_REPLIES_BYTES_MAX
    assert known.way_to(b"0", 0) is None
    assert known.way_to(b"2", 0) == way(WAY + b"2")

    known.add(way(WAY + b"r" * (limits.OPEN_REPLIES_BYTES_MAX // 2 - 1000)))
    assert 1 <= len(known) < 10
    known.add(way(WAY + b"last", LATER_NS))
    assert len(known) == 1
    assert known.held_bytes < 1000


def test_one_that_comes_again_from_elsewhere_goes_back_there() -> None:
    known = AwaitedElsewhere()
    last = Way(1, b"_GR_.000000.000000.a", account("A"), OTHER)
    known.add(way(WAY + b"a"))
    known.add(last)

    assert known.way_to(b"a", 1) == last
    assert len(known) == 1


@pytest.mark.parametrize("reply", [b"", b"_INBOX.a", b"_GR_.x", WAY, b"_GR_"])
def test_what_no_gateway_has_wrapped_is_what_it_is(reply: bytes) -> None:
    assert unrouted(reply) == reply
