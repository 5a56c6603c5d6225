"""leafnode.clients.bounds."""

from __future__ import annotations

from leafnode.auth.identity import Identity
from leafnode.clients.bounds import Bounds, bounds_of
from leafnode.config.options import Options
from leafnode.routing.account import Limits
from tests.sim.clients import ClientWorld


def test_the_smallest_bound_holds_and_what_is_unlimited_bounds_nothing() -> None:
    options = Options(max_subscriptions=10, max_payload_bytes=100)

    assert bounds_of(Options(max_payload_bytes=100), None, None) == Bounds(None, 100)
    assert bounds_of(options, Limits(max_subscriptions=5), Identity()) == Bounds(5, 100)
    assert bounds_of(options, Limits(), Identity(max_subscriptions=0)) == Bounds(0, 100)
    assert bounds_of(
        options, Limits(max_payload_bytes=50), Identity(max_payload_bytes=60)
    ) == Bounds(10, 50)


def test_bounds_that_fall_hold_for_a_connected_client_at_once() -> None:
    world = ClientWorld()
    client = world.client()
    client.says(b"SUB a 1\r\nSUB b 2\r\nPUB a 8\r\n12345678\r\n")

    client.handler.peer.account.limits = Limits(max_payload_bytes=4)  # type: ignore[union-attr]
    client.handler.apply_bounds()

    assert client.says(b"PUB a 4\r\n1234\r\n") == b"MSG a 1 4\r\n1234\r\n"
    assert client.says(b"PUB a 8\r\n") == b"-ERR 'Maximum Payload Violation'\r\n"


def test_a_client_with_too_many_subscriptions_is_ended() -> None:
    world = ClientWorld()
    client = world.client()
    client.says(b"SUB a 1\r\nSUB b 2\r\n")
    handler = client.handler

    handler.peer.account.limits = Limits(max_subscriptions=1)  # type: ignore[union-attr]
    handler.apply_bounds()

    assert client.hears() == b"-ERR 'maximum subscriptions exceeded'\r\n"
    assert client.raw.ended
