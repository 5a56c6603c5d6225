"""/subsz. Keys, refusals and paging: nats-server 2.15.1."""

from __future__ import annotations

from typing import Any

import pytest

from leafnode.monitor.options import SubszOptions
from leafnode.monitor.query import BadQuery, Query
from leafnode.monitor.subsz import subsz
from leafnode.routing.account import Account
from leafnode.routing.imports import StreamImports
from leafnode.routing.peer import Kind, Peer
from leafnode.routing.subscription import Subscription
from leafnode.slices import finish
from tests.sim.clock import FakeClock
from tests.sim.imports import stream_import
from tests.sim.monitor import OUTBOX, views
from tests.sim.peers import FakePeer

PEER = Peer(9, Kind.CLIENT, OUTBOX)


def subs(count: int) -> list[Subscription]:
    return [Subscription(PEER, b"a.%d" % index, sid=b"%d" % index) for index in range(count)]


def answer(query: str = "", **changes: Any) -> dict[str, Any]:
    listed = {"$G": subs(3), "$SYS": [Subscription(PEER, b"a.*", queue=b"q", sid=b"5")]}
    changes = {"all_subscriptions": lambda name: iter(listed[name])} | changes
    options = SubszOptions.from_query(Query(query))
    return finish(subsz(views(**changes), FakeClock(), options))


def test_numbers_are_those_of_all_accounts_together() -> None:
    assert answer() == {
        "server_id": "NSERVER",
        "now": "2027-01-15T08:00:00Z",
        "num_subscriptions": 4,
        "num_cache": 8,
        "num_inserts": 6,
        "num_removes": 2,
        "num_matches": 20,
        "cache_hit_rate": 0.5,
        "max_fanout": 2,
        "avg_fanout": 1.5,
        "total": 0,
        "offset": 0,
        "limit": 1024,
    }


def test_what_an_import_brings_is_listed_where_it_comes_from_and_as_whose_it_is() -> None:
    exporter, importer = Account("E", OUTBOX), Account("I", OUTBOX)
    StreamImports(importer, [stream_import(exporter, b"s.>", b"i.s.>")]).start()
    FakePeer(importer, 7).subscribe(b"i.s.a", b"4")

    got = answer("subs=1&acc=$SYS", all_subscriptions=lambda _: iter(exporter.sublist))

    (one,) = got["subscriptions_list"]
    assert (one["subject"], one["account"], one["account_tag"]) == ("s.a", "I", "I")
    assert (one["sid"], one["cid"]) == ("4", 7)


def test_subscriptions_are_listed_with_their_account() -> None:
    got = answer("subs=1&acc=$SYS")

    assert (got["total"], got["num_subscriptions"]) == (1, 2)
    assert got["subscriptions_list"] == [
        {
            "account": "$SYS",
            "account_tag": "$SYS",
            "subject": "a.*",
            "qgroup": "q",
            "sid": "5",
            "msgs": 0,
            "cid": 9,
        }
    ]


def test_a_page_may_reach_over_accounts() -> None:
    got = answer("subs=1&limit=2&offset=2")

    assert [sub["subject"] for sub in got["subscriptions_list"]] == ["a.2", "a.*"]
    assert (got["total"], got["limit"], got["offset"]) == (4, 2, 2)
    assert "subscriptions_list" not in answer("subs=1&offset=4")


def test_a_test_subject_leaves_what_a_message_on_it_would_reach() -> None:
    got = answer("subs=1&test=a.1")

    assert [sub["subject"] for sub in got["subscriptions_list"]] == ["a.1", "a.*"]
    assert got["total"] == 2


def test_a_test_subject_with_a_blank_reaches_nobody() -> None:
    assert answer("subs=1&test=b+c")["total"] == 0


@pytest.mark.parametrize("subject", ["a.*", "a..b", "a.>"])
def test_a_test_subject_must_be_one_that_can_be_published_to(subject: str) -> None:
    with pytest.raises(BadQuery, match="invalid test subject, must be valid publish subject: a"):
        answer(f"test={subject.replace(' ', '%20')}")


def test_an_account_that_is_not_there_has_no_subscriptions() -> None:
    got = answer("subs=1&acc=NOPE")

    assert (got["num_subscriptions"], got["total"], got["cache_hit_rate"]) == (0, 0, 0)


def test_many_accounts_take_several_turns() -> None:
    many = views(accounts=lambda: ["$G"] * 65)

    assert len(list(subsz(many, FakeClock(), SubszOptions()))) == 65 // 8


def test_many_subscriptions_take_several_turns() -> None:
    many = views(all_subscriptions=lambda _: iter(subs(5000)))

    turns = list(subsz(many, FakeClock(), SubszOptions(subscriptions=True, account="$G")))

    assert len(turns) == 25
