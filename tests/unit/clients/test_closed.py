"""leafnode.clients.closed: connections that are gone, and how many of them are kept."""

from __future__ import annotations

from dataclasses import replace

from leafnode.clients.closed import ClosedRing
from leafnode.clients.handler import ClientHandler
from leafnode.config.options import Authorization, Options
from leafnode.limits import CLOSED_BYTES_MAX, CLOSED_SUBSCRIPTIONS_MAX
from leafnode.routing.account import Limits
from tests.sim.clients import HOST, PORT, ClientWorld, RawClient
from tests.sim.monitor import closed


def test_the_newest_are_kept_and_the_oldest_is_forgotten() -> None:
    ring = ClosedRing(2)

    for cid in (1, 2, 3):
        ring.add(closed(cid))

    assert [one.facts.cid for one in ring] == [2, 3]
    assert ring.forgotten == 1
    assert next(iter(ring)) == closed(2)


def test_bytes_are_bounded_too() -> None:
    ring = ClosedRing(10)
    half = closed(1)
    half = replace(half, facts=replace(half.facts, name="x" * (CLOSED_BYTES_MAX // 2)))

    ring.add(half)
    ring.add(half)

    assert (len(ring), ring.forgotten) == (1, 1)
    assert ring.bytes < CLOSED_BYTES_MAX


def test_a_ring_without_room_keeps_nothing() -> None:
    ring = ClosedRing(0)

    ring.add(closed(1))

    assert (list(ring), ring.bytes) == ([], 0)


def test_a_smaller_ring_forgets_when_it_is_told() -> None:
    ring = ClosedRing(3)
    for cid in (1, 2, 3):
        ring.add(closed(cid))

    ring.max_count = 1
    ring.shrink()

    assert [one.facts.cid for one in ring] == [3]


def test_a_client_that_left_is_remembered_with_its_subscriptions_and_the_reason() -> None:
    world = ClientWorld()
    client = world.client(b'{"verbose":false,"name":"joe"}')
    client.says(b"SUB a.* q 7\r\n")

    client.end.close()
    world.settle()

    (gone,) = world.server.registry.closed_ring
    assert (gone.facts.name, gone.facts.account, gone.reason) == ("joe", "$G", "Client Closed")
    assert gone.facts.subscriptions == 1
    assert gone.stop_ns == world.clock.wall_ns()
    (sub,) = gone.subscriptions
    assert (sub.subject, sub.queue, sub.sid, sub.account) == (b"a.*", b"q", b"7", "$G")


def test_a_refused_login_is_remembered_without_its_secret() -> None:
    world = ClientWorld(Options(authorization=Authorization(user="u", password="p")))
    world.client(b'{"verbose":false,"user":"u","pass":"wrong-canary"}')
    world.settle()

    (gone,) = world.server.registry.closed_ring
    assert gone.reason == "Authentication Failure"
    assert "wrong-canary" not in repr(gone)


def test_what_was_pending_when_a_connection_was_ended_is_remembered() -> None:
    world = ClientWorld()
    client = world.client()

    error = client.says(b"FOO\r\n")

    (gone,) = world.server.registry.closed_ring
    assert error == b"-ERR 'Unknown Protocol Operation'\r\n"
    assert gone.facts.pending_bytes == len(error)


def test_subscriptions_that_are_remembered_are_bounded() -> None:
    world = ClientWorld()
    client = world.client()
    for sid in range(CLOSED_SUBSCRIPTIONS_MAX + 1):
        client.says(b"SUB a.%d %d\r\n" % (sid, sid))

    client.end.close()
    world.settle()

    (gone,) = world.server.registry.closed_ring
    assert len(gone.subscriptions) == CLOSED_SUBSCRIPTIONS_MAX
    assert gone.facts.subscriptions == CLOSED_SUBSCRIPTIONS_MAX + 1


def test_who_came_when_there_were_enough_is_remembered() -> None:
    world = ClientWorld(Options(max_connections=0))

    world.client(b"")

    (gone,) = world.server.registry.closed_ring
    assert (gone.facts.account, gone.reason) == ("", "Maximum Connections Exceeded")


def test_who_failed_before_it_was_greeted_was_a_connection_and_is_remembered() -> None:
    world = ClientWorld()
    transport, _ = world.network.connect(RawClient(), HOST, PORT)
    handler = ClientHandler(world.server.seams)

    handler.turned_away(transport, "TLS Handshake Failure")

    registry = world.server.registry
    (gone,) = registry.closed_ring
    assert (gone.facts.cid, gone.reason) == (handler.peer.cid, "TLS Handshake Failure")
    assert (gone.facts.ip, gone.facts.account) == (transport.peer.rpartition(":")[0], "")
    assert (registry.total, handler.peer.cid in registry.open) == (2, False)


def test_who_found_an_account_full_is_remembered_with_it() -> None:
    world = ClientWorld(Options(authorization=Authorization(user="u", password="p")))
    world.server.account("$G").limits = Limits(max_connections=0)

    world.client(b'{"user":"u","pass":"p"}')

    (gone,) = world.server.registry.closed_ring
    assert (gone.facts.account, gone.facts.user) == ("$G", "u")
    assert gone.reason == "Maximum Account Connections Exceeded"
