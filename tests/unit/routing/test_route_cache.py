"""leafnode.routing.route_cache: what routes take, held against the interpreter's own count."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from leafnode.limits import MAX_CONTROL_LINE_BYTES, ROUTES_ALL_BYTES_MAX, ROUTES_BYTES_MAX
from leafnode.routing.match import WIDE
from tests.sim.peers import FakePeer, account

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.route_cache import RouteCache

HPUB = b"HPUB %b 12 12\r\nNATS/1.0\r\n\r\n\r\n"


def cache_of(peer: FakePeer) -> RouteCache:
    return peer.lane._routes


def publish(peer: FakePeer, subjects: list[bytes], line: bytes = b"PUB %b 0\r\n\r\n") -> None:
    """Each twice, for a subject seen once gets no route; nobody reads what comes."""
    for subject in subjects:
        peer.lane.feed(line % subject * 2)
        while peer.lane.next_line() is None and peer.lane.starved:
            peer.outbox.renew_work()
        peer.outbox.renew_work()
        peer.outbox.flush()


def subscribers(world: Account, count: int, *, sids: int = 1, queue: bytes = b"") -> None:
    for number in range(count):
        peer = FakePeer(world, 100 + number)
        peer.flush = peer.take
        peer.subscribe(b"s.>", b"%d" % (number % sids), queue=queue)


@pytest.mark.parametrize(
    ("receivers", "sids", "queue", "count", "pad"),
    [
        (0, 1, b"", 2000, 5),
        (1, 1, b"", 2000, 5),
        (1, 1, b"", 300, 3900),
        (10, 1, b"", 1000, 20),
        (10, 10, b"", 1000, 20),
        (300, 1, b"", 500, 20),
        (300, 300, b"", 30, 20),
        (300, 7, b"", 200, 300),
        (60, 3, b"q", 100, 20),
    ],
)
def test_what_is_counted_is_what_routes_and_results_take(
    receivers: int, sids: int, queue: bytes, count: int, pad: int
) -> None:
    world = account()
    subscribers(world, receivers, sids=sids, queue=queue)
    publisher = FakePeer(world, 1)
    publisher.lane.limit_line(MAX_CONTROL_LINE_BYTES)
    subjects = [b"s.%d.%b" % (number, b"y" * pad) for number in range(count)]
    publish(publisher, [b"warm.up"])
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        publish(publisher, [b"".join([subject]) for subject in subjects])
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    counted = cache_of(publisher).held_bytes

    assert len(cache_of(publisher).plain) > 0.9 * count  # a mark may be taken for another
    assert counted * 0.5 < taken < counted * 1.3 + 20_000


def test_a_connection_holds_so_much_however_long_its_subjects_are() -> None:
    world = account()
    publisher = FakePeer(world, 1)
    publisher.lane.limit_line(MAX_CONTROL_LINE_BYTES)
    subjects = [b"s.%d.%b" % (number, b"y" * 3900) for number in range(2000)]

    publish(publisher, subjects)
    publish(publisher, subjects, HPUB)

    assert 0 < cache_of(publisher).held_bytes <= ROUTES_BYTES_MAX
    assert cache_of(publisher).held_bytes == publisher.outbox.routes.held_bytes


def test_all_connections_together_hold_so_much_and_none_is_shut_out() -> None:
    world = account()
    subscribers(world, 300, sids=300)
    publishers = [FakePeer(world, number) for number in range(1, 9)]
    budget = publishers[0].outbox.routes

    for number, publisher in enumerate(publishers):
        publish(publisher, [b"s.%d.%d" % (number, one) for one in range(60)])
        assert budget.held_bytes <= ROUTES_ALL_BYTES_MAX
        assert cache_of(publisher).held_bytes > 0

    assert budget.evicted > 0
    assert cache_of(publishers[0]).held_bytes == len(cache_of(publishers[0]).plain) == 0


def test_a_route_that_is_decided_anew_counts_once() -> None:
    world = account()
    publisher = FakePeer(world, 1)
    publisher.lane.limit_line(MAX_CONTROL_LINE_BYTES)
    publish(publisher, [b"a"])
    held = cache_of(publisher).held_bytes

    for number in range(50):
        FakePeer(world, 10 + number).subscribe(b"b.%d.*" % number, b"1")
        publish(publisher, [b"a"])

    assert cache_of(publisher).held_bytes == held


def test_a_connection_that_ends_holds_nothing() -> None:
    world = account()
    publisher = FakePeer(world, 1)
    publisher.lane.limit_line(MAX_CONTROL_LINE_BYTES)
    publish(publisher, [b"a", b"b"])

    publisher.lane.end()

    assert publisher.outbox.routes.held_bytes == 0


def test_who_shows_its_lines_alike_gets_the_same_bytes() -> None:
    world = account()
    readers = [FakePeer(world, number) for number in range(2, 6)]
    for reader in readers:
        reader.subscribe(b"s.>", b"7" if reader.cid < 5 else b"8")
    publisher = FakePeer(world, 1)
    publisher.lane.limit_line(MAX_CONTROL_LINE_BYTES)

    publish_line = b"PUB s.1 2\r\nhi\r\n"
    publisher.says(publish_line * 3)

    assert [reader.got() for reader in readers] == [
        *[b"MSG s.1 7 2\r\nhi\r\n" * 3] * 3,
        b"MSG s.1 8 2\r\nhi\r\n" * 3,
    ]


def test_a_route_that_is_replaced_lets_go_of_its_long_list() -> None:
    world = account()
    publisher, reader = FakePeer(world), FakePeer(world, 9)
    reader.flush = reader.take
    cache = cache_of(publisher)
    held = []
    for round_ in range(5):
        sids = range(round_ * WIDE, (round_ + 1) * WIDE)
        subs = [reader.subscribe(b"s.*", b"%02d" % sid) for sid in sids]
        publish(publisher, [b"s.a"])
        held.append((cache.held_bytes, len(cache._wide._used)))
        for sub in subs:
            world.remove(sub)

    assert held == [held[0]] * 5
    assert held[0][1] == 1
