"""A stream may refuse a reading and take the next one of the same burst (nats-server 2.15.1, a full
work queue with discard new while a consumer acks): what is stored must not speak for it.
"""

from __future__ import annotations

from random import Random

import pytest

from leafnode import limits
from leafnode.bridge.publication import Publication
from leafnode.bridge.publisher import Publisher
from leafnode.bridge.reading import Receipt
from leafnode.bridge.status import PortCounters
from leafnode.clock import NS_PER_S
from leafnode.protocol import header
from leafnode.routing import sublist as sublist_module
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from tests.sim.imports import Slices
from tests.sim.peers import FakePeer
from tests.unit.bridge.fake_stream import FakeStream
from tests.unit.bridge.test_publisher import INBOX, World, numbers
from tests.unit.jetstream.world import World as JetStreamWorld


def hub_of(world: World) -> FakeStream:
    link = Peer(9, Kind.LEAF, world.account.system.outbox)
    link.account = world.account
    return FakeStream(world.account, b"s.>", origin=link)


def is_wanted_by(world: World, stream: FakeStream) -> None:
    assert stream.origin is not None
    world.account.insert(Subscription(stream.origin, b"s.>", sid=b"1"))


def unkept(number: int) -> Publication:
    block = header.build([(b"Nats-Msg-Id", b"scale.x.%d" % number)])
    return Publication(b"s.scale", len(block), block + b"%d" % number, None)


def kept(number: int, subject: bytes) -> Publication:
    block = header.build([(b"Nats-Msg-Id", b"node1.7.%d" % number)])
    receipt = Receipt((b"b", 7), number)
    return Publication(subject, len(block), block + b"%d" % number, receipt, is_kept=True)


def test_nothing_of_a_board_is_stored_at_a_hub_behind_a_reading_that_it_refused() -> None:
    world = World()
    hub = hub_of(world)
    is_wanted_by(world, hub)

    world.offer([1, 2, 3])
    assert hub.staged == 1
    hub.refuse_first()
    hub.commit()
    assert numbers(hub) == []
    for _ in range(4):
        world.clock.advance(limits.READING_RETRY_NS)
        hub.commit()

    assert numbers(hub) == [1, 2, 3]
    assert world.resolved == [1, 2, 3]


def test_a_hub_that_answered_gets_one_reading_at_a_time() -> None:
    world = World()
    hub = hub_of(world)
    world.offer([1])
    hub.commit()

    world.offer([2, 3])

    assert hub.staged == 1


def test_what_no_board_keeps_goes_to_a_hub_in_bursts() -> None:
    world = World()
    hub = hub_of(world)
    is_wanted_by(world, hub)

    for number in range(1, 6):
        world.publisher.offer(unkept(number))
    world.publisher.pump()

    assert hub.staged == 5


def test_what_tells_of_a_kept_reading_waits_until_a_hub_has_that() -> None:
    world = World()
    hub = hub_of(world)
    is_wanted_by(world, hub)

    world.publisher.offer(unkept(1))
    world.publisher.offer(unkept(2)._replace(through=b"scale.x.1"))
    world.publisher.pump()

    assert hub.staged == 1


def test_a_leaf_that_listens_slows_nothing_once_this_server_answered() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    is_wanted_by(world, hub_of(world))
    world.offer([1])
    stream.commit()

    world.offer([2, 3, 4])

    assert stream.staged == 3


class Edge:
    """A publisher into a stream of this server, whose COMMIT comes when the test says so."""

    def __init__(self, **config: object) -> None:
        self.jetstream = JetStreamWorld()
        self.jetstream.create_stream("S", discard="new", **config)
        self.resolved: list[int] = []
        self.publisher = Publisher(
            self.jetstream.account,
            self.jetstream.clock,
            Random(1),
            port="hall",
            inbox=b"_INBOX.abc",
            counters=PortCounters(),
            resolved=lambda receipt: self.resolved.append(0 if receipt is None else receipt.seq),
            progressed=lambda: None,
        )
        self.publisher.start()
        self.jetstream.store.hold()

    def offer(self, *readings: tuple[bytes, bytes]) -> None:
        for number, (subject, payload) in enumerate(readings, 1):
            block = header.build([(b"Nats-Msg-Id", b"node1.77.%d" % number)])
            receipt = Receipt((b"b", 77), number)
            made = Publication(subject, len(block), block + payload, receipt, is_kept=True)
            self.publisher.offer(made)
        self.publisher.pump()

    @property
    def stored(self) -> list[bytes]:
        msgs = self.jetstream.js.streams["S"].store.msgs.values()  # type: ignore[attr-defined]
        return [msg.body[msg.header_size :] for msg in msgs]


@pytest.mark.parametrize(
    ("config", "filler", "readings"),
    [
        ({"max_bytes": 700}, b"s.other", [(b"s.a", b"1"), (b"s.a", b"2" * 400), (b"s.a", b"3")]),
        (
            {"max_msgs_per_subject": 1, "discard_new_per_subject": True},
            b"s.full",
            [(b"s.a", b"1"), (b"s.full", b"2"), (b"s.b", b"3")],
        ),
    ],
)
def test_nothing_of_a_board_is_stored_here_behind_a_reading_that_is_refused(
    config: dict[str, object], filler: bytes, readings: list[tuple[bytes, bytes]]
) -> None:
    edge = Edge(**config)
    edge.jetstream.publish(filler.decode(), b"f" * 300)

    edge.offer(*readings)
    edge.jetstream.store.commit()
    assert edge.stored == [b"f" * 300, b"1"]
    assert edge.resolved == [1]
    edge.jetstream.store.holding = False
    edge.jetstream.api("STREAM.PURGE.S", {"filter": filler.decode()})
    edge.jetstream.clock.advance(NS_PER_S)

    assert edge.stored == [payload for _, payload in readings]
    assert edge.resolved == [1, 2, 3]


def test_what_a_full_stream_of_this_server_takes_goes_in_bursts() -> None:
    edge = Edge(max_msgs=1000)

    edge.offer(*[(b"s.a", b"%d" % number) for number in range(100)])

    assert len(edge.stored) == 100


def test_where_very_many_listen_what_a_board_keeps_goes_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    for bound in ("FOUND_MAX", "RECEIVERS_MAX", "_FOUND_FREE"):
        monkeypatch.setattr(sublist_module, bound, 0)
    slices = Slices(world.account.system.outbox)

    world.offer([1, 2])
    slices.all()

    assert stream.staged == 1


def test_the_stream_that_is_named_is_this_servers_or_not() -> None:
    world = World(stream="HUB")
    own = FakeStream(world.account, b"s.>", "OWN")
    hub = hub_of(world)
    hub.name = "HUB"
    is_wanted_by(world, hub)

    world.offer([1, 2])

    assert (own.staged, hub.staged) == (1, 1)


def test_where_an_answer_is_awaited_no_client_is_shown_and_none_answers_for_the_stream() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    client = FakePeer(world.account, 1)
    client.subscribe(b">", b"1")
    answer = b'{"stream":"S","seq":1}'

    world.offer([1])
    assert b"_INBOX" not in client.got()
    for reply in world.publisher._held.by_token:
        client.says(b"PUB %b.%b %d\r\n%b\r\n" % (INBOX, reply, len(answer), answer))
    assert world.resolved == []
    stream.commit()

    assert world.resolved == [1]


def test_where_a_refusal_came_no_answer_is_awaited_any_more() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    client = FakePeer(world.account, 1)
    client.subscribe(b"_INBOX.>", b"1")
    world.offer([1])
    stream.fail()
    seen = client.got().split()[1]
    assert seen.startswith(INBOX)

    world.account.publish(seen, b'{"stream":"OTHER","seq":1}')  # as to a request of the client
    assert world.resolved == []
    world.clock.advance(limits.READING_RETRY_NS)
    stream.commit()

    assert world.resolved == [1]


def test_a_leaf_does_not_answer_for_a_stream_of_this_server() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    below = hub_of(world)
    is_wanted_by(world, below)
    assert below.origin is not None

    world.offer([1])
    for reply in [*world.publisher._held.by_token]:
        answer = b'{"stream":"S","seq":1}'
        world.account.publish(INBOX + b"." + reply, answer, origin=below.origin)
    assert world.resolved == []
    stream.commit()

    assert world.resolved == [1]


def test_what_is_stored_here_does_not_speak_for_what_is_still_on_its_way_to_a_hub() -> None:
    world = World()
    own = FakeStream(world.account, b"s.alarm", "ALARMS")
    link = Peer(9, Kind.LEAF, world.account.system.outbox)
    link.account = world.account
    hub = FakeStream(world.account, b"s.temp", "HUB", origin=link)
    world.account.insert(Subscription(link, b"s.temp", sid=b"1"))
    own.commits_at_once = True

    world.publisher.offer(kept(1, b"s.alarm"))
    world.publisher.offer(kept(2, b"s.temp"))
    world.publisher.offer(kept(3, b"s.alarm"))
    world.publisher.offer(unkept(4)._replace(subject=b"s.alarm", through=b"node1.7.3"))
    world.publisher.pump()
    for _ in range(3):
        world.clock.advance(0)
    assert (numbers(own), hub.staged, world.resolved) == ([1], 1, [1])
    hub.refuse_first()
    assert numbers(own) == [1]
    world.clock.advance(limits.READING_RETRY_NS)
    hub.commit()
    world.clock.advance(0)

    assert (numbers(own), world.resolved) == ([1, 3, 4], [1, 2, 3])


def test_what_no_board_keeps_holds_up_nothing_on_its_way_to_a_hub() -> None:
    world = World()
    hub = hub_of(world)
    is_wanted_by(world, hub)
    own = FakeStream(world.account, b"alarm")

    world.publisher.offer(unkept(1))
    world.publisher.offer(kept(2, b"alarm"))
    world.publisher.pump()

    assert (hub.staged, own.staged) == (1, 1)


def test_whose_stream_it_is_is_asked_anew_when_no_answer_came() -> None:
    world = World()
    stream = FakeStream(world.account, b"s.>")
    world.offer([1])
    stream.commit()
    stream.close()
    hub = hub_of(world)
    is_wanted_by(world, hub)
    world.offer([2])
    world.clock.advance(limits.READING_ACK_TIMEOUT_NS)
    world.offer([3, 4])
    world.clock.advance(limits.READING_RETRY_NS)

    hub.commit()

    assert hub.staged == 0
    assert numbers(hub)[:1] == [2]
    world.clock.advance(0)
    assert hub.staged == 1
