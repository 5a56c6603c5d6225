"""leafnode.system.user: what a user may know of itself."""

from __future__ import annotations

from leafnode.auth.identity import Identity
from leafnode.clock import NS_PER_S
from leafnode.routing.permissions import Permissions, ResponseRule, Rules
from leafnode.system.user import user_info
from tests.sim.peers import FakePeer, account

JOE = Identity(user="joe")


def test_a_user_without_restrictions_has_no_permissions_field() -> None:
    assert user_info(FakePeer(account("A")), JOE, 0, user="joe") == {
        "user": "joe",
        "account": "A",
        "account_name": "A",
    }


def test_permissions_are_shown_as_nats_server_shows_them() -> None:
    peer = FakePeer(account("A"))
    publish, subscribe = Rules(deny=[b"x.>"]), Rules(allow=[b"a", b"b q.*"])
    peer.permissions = Permissions(publish, subscribe, ResponseRule(5, 1_000))

    shown = user_info(peer, JOE, 0, user="joe")["permissions"]

    assert shown == {
        "publish": {"deny": ["x.>"]},
        "subscribe": {"allow": ["a", "b q.*"]},
        "responses": {"max": 5, "ttl": 1000},
    }


def test_a_name_and_an_expiry_are_shown_where_there_are_any() -> None:
    identity = Identity(user="UABC", name_tag="joe", expires_ns=5 * NS_PER_S)

    shown = user_info(FakePeer(account("A")), identity, 2 * NS_PER_S - 1, user="UABC")
    last = user_info(FakePeer(account("A")), identity, 4 * NS_PER_S + 1, user="UABC")

    assert (shown["user_name"], shown["expires"]) == ("joe", 3 * NS_PER_S)
    assert "expires" not in last


def test_who_nobody_asked_for_a_name_is_shown_as_it_calls_itself() -> None:
    assert user_info(FakePeer(account("A")), Identity(), 0, user="zed")["user"] == "zed"
