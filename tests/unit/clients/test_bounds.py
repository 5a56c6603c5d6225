"""leafnode.clients.bounds."""

from __future__ import annotations

import pytest

from leafnode.auth.identity import Identity
from leafnode.clients.bounds import Bounds, bounds_of
from leafnode.clients.handler import ClientHandler
from leafnode.clients.renewal import renew_all
from leafnode.config.account_options import AccountLimits, AccountOptions
from leafnode.config.options import Options, User
from leafnode.routing.account import Limits
from tests.sim.clients import ClientWorld


def test_the_smallest_bound_holds_and_what_is_unlimited_bounds_nothing() -> None:
    options = Options(max_subscriptions=10, max_payload_bytes=100)

    assert bounds_of(Options(max_payload_bytes=100), None, None) == Bounds(None, 100)
    assert bounds_of(options, Limits(max_subscriptions=5), Identity()) == Bounds(5, 100)
    assert bounds_of(options, Limits(), Identity(max_subscriptions=0)) == Bounds(0, 100)
    assert bounds_of(Options(max_subscription_tokens=3), None, None).max_subscription_tokens == 3
    assert bounds_of(
        options, Limits(max_payload_bytes=50), Identity(max_payload_bytes=60)
    ) == Bounds(10, 50)


def test_bounds_that_fall_hold_for_a_connected_client_at_once() -> None:
    world = ClientWorld()
    client = world.client()
    client.says(b"SUB a 1\r\nSUB b 2\r\nPUB a 8\r\n12345678\r\n")

    client.handler.peer.account.limits = Limits(max_payload_bytes=4)  # type: ignore[union-attr]
    client.handler.hold_to_bounds()

    assert client.says(b"PUB a 4\r\n1234\r\n") == b"MSG a 1 4\r\n1234\r\n"
    assert client.says(b"PUB a 8\r\n") == b"-ERR 'Maximum Payload Violation'\r\n"


@pytest.mark.parametrize(("bound", "is_ended"), [(1, True), (2, True), (3, False)])
def test_a_client_with_as_many_subscriptions_as_its_account_has_now_is_ended(
    bound: int, is_ended: bool
) -> None:
    world = ClientWorld()
    client = world.client()
    client.says(b"SUB a 1\r\nSUB b 2\r\n")
    handler = client.handler

    handler.peer.account.limits = Limits(max_subscriptions=bound)  # type: ignore[union-attr]
    list(renew_all([handler], ClientHandler.again))

    text = b"-ERR 'maximum subscriptions exceeded'\r\n"
    assert (client.hears(), client.raw.ended) == (text if is_ended else b"", is_ended)


def test_who_may_have_no_subscription_at_all_is_ended_at_its_login() -> None:
    limits = AccountLimits(max_subscriptions=0)
    account = AccountOptions("A", users=(User("a", "x"),), limits=limits)
    client = ClientWorld(Options(accounts=(account,))).client(b"")

    said = client.says(b'CONNECT {"user":"a","pass":"x","verbose":false}\r\n')

    assert said == b"-ERR 'maximum subscriptions exceeded'\r\n"
    assert client.raw.ended
