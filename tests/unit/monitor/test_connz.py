"""/connz. Keys, orders and refusals: nats-server 2.15.1."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode import limits
from leafnode.monitor.connz import connz
from leafnode.monitor.query import BadQuery, Query
from leafnode.monitor.views import SubscriptionView
from tests.sim.clock import FakeClock
from tests.sim.monitor import connection, views


def answer(query: str = "", **changes: Any) -> dict[str, Any]:
    return connz(views(**changes), FakeClock(), Query(query))


def cids(got: dict[str, Any]) -> list[int]:
    return [row["cid"] for row in got["connections"]]


def test_a_connection_is_shown_as_nats_server_shows_it() -> None:
    assert answer()["connections"][0] == {
        "cid": 7,
        "kind": "Client",
        "type": "nats",
        "ip": "127.0.0.1",
        "port": 40007,
        "start": "2027-01-15T08:00:00Z",
        "last_activity": "2027-01-15T08:00:00.000000007Z",
        "rtt": "416µs",
        "uptime": "1m1s",
        "idle": "1s",
        "pending_bytes": 0,
        "in_msgs": 70,
        "out_msgs": 0,
        "in_bytes": 0,
        "out_bytes": 0,
        "subscriptions": 93,
        "name": "client 7",
        "lang": "python3",
        "version": "2.16.0",
    }


def test_limit_and_offset_choose_a_page() -> None:
    got = answer("limit=1&offset=1")

    assert cids(got) == [8]
    assert (got["num_connections"], got["total"], got["offset"], got["limit"]) == (1, 2, 1, 1)


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=1025", "offset=-1"])
def test_bounds_are_the_default(query: str) -> None:
    got = answer(query)

    assert got["limit"] == limits.MONITOR_LIMIT_MAX
    assert got["offset"] == 0
    assert cids(got) == [7, 8]


def test_a_cid_is_one_connection_or_none() -> None:
    assert cids(answer("cid=8")) == [8]
    missing = answer("cid=99")
    assert (missing["connections"], missing["total"], missing["limit"]) == ([], 2, 1)


@pytest.mark.parametrize(
    ("sort", "first"), [("cid", 7), ("msgs_from", 8), ("subs", 7), ("last", 8)]
)
def test_orders(sort: str, first: int) -> None:
    assert cids(answer(f"sort={sort}"))[0] == first


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("sort=bogus", "invalid sorting option: bogus"),
        ("sort=stop", "sort by stop only valid on closed connections"),
        ("state=bogus", "Error decoding state for bogus"),
        ("state=closed", "state=closed is not supported: closed connections are not kept"),
        ("filter_subject=a", "filter_subject is not supported"),
    ],
)
def test_what_is_refused_is_refused_by_name(query: str, text: str) -> None:
    with pytest.raises(BadQuery, match=text):
        answer(query)


def test_users_and_accounts_are_shown_with_auth_and_can_be_chosen() -> None:
    clients = [connection(1, user="a"), connection(2, user="b", account="B")]

    got = answer("auth=1&user=b", connections=lambda: clients)
    assert got["connections"][0]["authorized_user"] == "b"
    assert cids(answer("acc=$G", connections=lambda: clients)) == [1]
    assert "authorized_user" not in answer(connections=lambda: clients)["connections"][0]


def test_subscriptions_are_listed_on_request() -> None:
    assert answer("subs=1")["connections"][0]["subscriptions_list"] == ["foo.>", "<script>&"]
    assert answer("subs=detail")["connections"][0]["subscriptions_list_detail"] == [
        {"subject": "foo.>", "qgroup": "q", "sid": "7", "msgs": 4, "cid": 7},
        {"subject": "<script>&", "sid": "2", "msgs": 0, "max": 9, "cid": 7},
    ]


def test_listed_subscriptions_of_one_answer_are_bounded() -> None:
    most = limits.MONITOR_SUBSCRIPTIONS_MAX
    many = [SubscriptionView(b"a", b"", b"1", 0)] * (most - 1)

    rows = answer("subs=1", subscriptions=lambda _: many)["connections"]

    assert [len(row["subscriptions_list"]) for row in rows] == [most - 1, 1]
