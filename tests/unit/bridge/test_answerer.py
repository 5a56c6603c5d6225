"""A hub's stream may refuse a reading and take the next one of the same burst (nats-server 2.15.1,
a full work queue with discard new while a consumer acks): what is stored must not speak for it.
"""

from __future__ import annotations

from leafnode import limits
from leafnode.bridge.publication import Publication
from leafnode.protocol import header
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from tests.unit.bridge.fake_stream import FakeStream
from tests.unit.bridge.test_publisher import World, numbers


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
