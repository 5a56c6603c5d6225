"""leafnode.clients.registry: limits and counters."""

from __future__ import annotations

from leafnode.config.options import Authorization, Options
from tests.sim.clients import ClientWorld


def test_a_connection_at_the_maximum_is_admitted_and_the_next_is_refused() -> None:
    world = ClientWorld(Options(max_connections=2))
    registry = world.server.registry
    clients = [world.client() for _ in range(2)]

    refused = world.client(b"")

    assert refused.raw.ended
    assert (len(registry.open), registry.total, registry.refused) == (2, 3, 1)
    assert not any(client.raw.ended for client in clients)


def test_a_connection_that_ended_makes_room() -> None:
    world = ClientWorld(Options(max_connections=1))
    world.client().end.close()
    world.settle()

    second = world.client()

    assert not second.raw.ended
    assert world.server.registry.closed == 1


def test_a_refused_connection_does_not_count_as_closed() -> None:
    world = ClientWorld(Options(max_connections=0))
    world.client(b"")

    assert world.server.registry.closed == 0


def test_why_connections_ended_is_counted() -> None:
    options = Options(authorization=Authorization(user="u", password="p"), ping_max=1)
    world = ClientWorld(options)
    world.client(b"").says(b"CONNECT {}\r\n")
    world.client(b"")
    silent = world.client(b'{"user":"u","pass":"p","verbose":false}')
    assert not silent.raw.ended
    world.clock.advance(4 * options.ping_interval_ns)

    registry = world.server.registry
    assert registry.auth_failures == 2
    assert registry.stale == 1
    assert registry.slow_consumers == 0
    assert registry.open == {}


def test_facts_come_in_the_order_of_connecting() -> None:
    world = ClientWorld()
    for name in (b"one", b"two", b"three"):
        world.client(b'{"verbose":false,"name":"' + name + b'"}')

    assert [facts.name for facts in world.server.registry.facts()] == ["one", "two", "three"]


def test_closing_all_ends_every_connection() -> None:
    world = ClientWorld()
    clients = [world.client() for _ in range(3)]

    ended = [client.cid for client in clients]
    for _ in world.server.registry.close_all("Server Shutdown"):
        del ended[0]
        assert list(world.server.registry.open) == ended  # one in each step
    world.settle()

    assert all(client.raw.ended for client in clients)
    assert world.server.registry.open == {}


def test_what_clients_did_is_told_one_by_one_and_of_those_that_are_gone_together() -> None:
    world = ClientWorld()
    for _ in range(2):
        gone = world.client()
        gone.says(b"PUB a 2\r\nhi\r\n")
        gone.end.close()
    world.settle()
    client = world.client()
    client.says(b"PUB a 3\r\nabc\r\n")

    before, each = world.server.registry.traffic()
    client.end.close()
    world.settle()

    assert (before.in_msgs, before.in_bytes) == (2, 4)
    assert [(one.in_msgs, one.in_bytes) for one in each] == [(1, 3)]
