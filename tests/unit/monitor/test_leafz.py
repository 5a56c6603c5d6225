"""/leafz. Keys: nats-server 2.15.1."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leafnode.monitor.leafz import leafz
from leafnode.monitor.options import LeafzOptions
from leafnode.monitor.query import Query
from leafnode.slices import finish
from tests.sim.clock import FakeClock
from tests.sim.monitor import views


def answer(query: str = "") -> dict[str, Any]:
    options = LeafzOptions.from_query(Query(query))
    return finish(leafz(views(), FakeClock(), options))


def test_a_link_is_shown_as_nats_server_shows_it() -> None:
    assert answer()["leafs"] == [
        {
            "id": 5,
            "name": "hub",
            "is_spoke": True,
            "account": "$G",
            "ip": "127.0.0.1",
            "port": 7422,
            "rtt": "421µs",
            "in_msgs": 1,
            "out_msgs": 2,
            "in_bytes": 3,
            "out_bytes": 4,
            "subscriptions": 1,
            "compression": "off",
        }
    ]


def test_the_proxy_that_vouched_for_a_leaf_is_shown() -> None:
    (row,) = views().leafs()
    shown = views(leafs=lambda: [replace(row, proxy="UPROXY")])

    found: dict[str, Any] = finish(leafz(shown, FakeClock(), LeafzOptions.from_query(Query(""))))

    assert found["leafs"][0]["proxy"] == {"key": "UPROXY"}


def test_interest_is_listed_on_request_and_accounts_can_be_chosen() -> None:
    assert answer("subs=1")["leafs"][0]["subscriptions_list"] == ["foo.>", "<script>&"]
    assert answer("acc=X")["leafs"] == []
    assert answer("acc=X")["leafnodes"] == 0
