"""/accountz and /accstatz. Keys and refusals: nats-server 2.15.1."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.metrics import Traffic
from leafnode.monitor.accountz import accountz, accstatz
from leafnode.monitor.options import AccountzOptions, AccstatzOptions
from leafnode.monitor.query import BadQuery
from leafnode.monitor.steps import at_once
from leafnode.monitor.views import AccountParts
from leafnode.slices import finish
from tests.sim.clock import WALL_START_NS, FakeClock
from tests.sim.monitor import account, views


def one(**changes: Any) -> dict[str, Any]:
    view = account("$G", updated_ns=WALL_START_NS, **changes)
    options = AccountzOptions(account="$G")
    answer = finish(accountz(views(account=lambda _: view), FakeClock(), options))
    detail: dict[str, Any] = answer["account_detail"]  # type: ignore[assignment]
    return detail


def statz(options: AccstatzOptions, **changes: Any) -> list[str]:
    rows: Any = finish(accstatz(views(**changes), FakeClock(), options))["account_statz"]
    return [row["acc"] for row in rows]


def test_without_a_name_the_accounts_are_listed() -> None:
    answer = finish(accountz(views(), FakeClock(), AccountzOptions()))

    assert (answer["system_account"], answer["accounts"]) == ("$SYS", ["$G", "$SYS"])
    assert "account_detail" not in answer


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadQuery, match="Account NOPE does not exist"):
        finish(accountz(views(), FakeClock(), AccountzOptions(account="NOPE")))


def test_an_account_is_shown_as_nats_server_shows_it() -> None:
    assert one() == {
        "account_name": "$G",
        "update_time": "2027-01-15T08:00:00Z",
        "expired": False,
        "complete": True,
        "jetstream_enabled": False,
        "leafnode_connections": 1,
        "client_connections": 2,
        "subscriptions": 2,
        "name_tag": "$G",
        "sublist_stats": {
            "num_subscriptions": 2,
            "num_cache": 4,
            "num_inserts": 3,
            "num_removes": 1,
            "num_matches": 10,
            "cache_hit_rate": 0.5,
            "max_fanout": 2,
            "avg_fanout": 1.5,
        },
    }


def test_what_an_account_is_made_of_is_shown_where_there_is_any() -> None:
    made_of = AccountParts(
        mappings={"a": [{"subject": "b", "weight": 100}]},
        exports=[{"subject": "s", "type": "stream"}],
    )
    shown = one(
        is_system=True,
        made_of=lambda: made_of,
        issuer_key="OKEY",
        tags=("eu",),
    )

    assert shown["is_system"] is True
    assert shown["mappings"] == {"a": [{"subject": "b", "weight": 100}]}
    assert shown["exports"] == [{"subject": "s", "type": "stream"}]
    assert (shown["issuer_key"], shown["tags"]) == ("OKEY", ["eu"])
    assert "jwt" not in shown


def test_what_a_jwt_says_of_an_account_is_shown() -> None:
    shown = one(
        jwt="eyJ", claim=lambda: at_once({"sub": "A1"}), revoked_users={"U1": 1}, expired=True
    )

    assert (shown["jwt"], shown["decoded_jwt"], shown["expired"]) == ("eyJ", {"sub": "A1"}, True)
    assert shown["revoked_user"] == {"U1": "1970-01-01T00:00:01Z"}


def test_accounts_without_connections_are_left_out_unless_asked_for() -> None:
    idle = {"account": lambda name: account(name, clients=0, leafs=int(name == "$SYS"))}

    assert statz(AccstatzOptions(), **idle) == ["$SYS"]
    assert statz(AccstatzOptions(include_unused=True), **idle) == ["$G", "$SYS"]
    assert statz(AccstatzOptions(accounts=("$G",), include_unused=True), **idle) == ["$G"]
    assert statz(AccstatzOptions(accounts=("$SYS", "NOPE"))) == ["$SYS"]


def test_counters_are_those_of_everybody_and_of_leafs_among_them() -> None:
    view = account("$G", traffic=Traffic(9, 90, 8, 80), leaf_traffic=Traffic(3, 30, 2, 20))

    options = AccstatzOptions(accounts=("$G",))
    answer: Any = finish(accstatz(views(account=lambda _: view), FakeClock(), options))

    nothing = {"msgs": 0, "bytes": 0}
    (row,) = answer["account_statz"]
    assert row == {
        "acc": "$G",
        "name": "$G",
        "conns": 2,
        "leafnodes": 1,
        "total_conns": 3,
        "num_subscriptions": 2,
        "sent": {
            "msgs": 8,
            "bytes": 80,
            "gateways": nothing,
            "routes": nothing,
            "leafs": {"msgs": 2, "bytes": 20},
        },
        "received": {
            "msgs": 9,
            "bytes": 90,
            "gateways": nothing,
            "routes": nothing,
            "leafs": {"msgs": 3, "bytes": 30},
        },
        "slow_consumers": 0,
    }
