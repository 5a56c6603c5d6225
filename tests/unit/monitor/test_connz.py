"""/connz. Keys, orders and refusals: nats-server 2.15.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from leafnode import limits
from leafnode.clients.facts import PeerCertificate, SubscriptionFacts
from leafnode.monitor.connz import connz
from leafnode.monitor.options import ConnzOptions
from leafnode.monitor.query import BadQuery, Query
from leafnode.slices import finish
from tests.sim.clock import FakeClock
from tests.sim.monitor import closed, open_, views

if TYPE_CHECKING:
    from collections.abc import Iterator


def answer(query: str = "", **changes: Any) -> dict[str, Any]:
    options = ConnzOptions.from_query(Query(query))
    return finish(connz(views(**changes), FakeClock(), options))


def test_certificates_are_shown_of_open_connections_alone() -> None:
    shown = (PeerCertificate("CN=joe", "a", "b"), PeerCertificate("", "c", "d"))
    both = answer(
        "auth=1&state=all&sort=cid",
        connections=lambda: [open_(1, tls_peer_certs=shown)],
        closed=lambda: [closed(2, tls_peer_certs=shown)],
    )
    rows = both["connections"]

    assert rows[0]["tls_peer_certs"] == [
        {"subject": "CN=joe", "spki_sha256": "a", "cert_sha256": "b"},
        {"spki_sha256": "c", "cert_sha256": "d"},
    ]
    assert "tls_peer_certs" not in rows[1]


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


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "offset=-1"])
def test_bounds_are_the_default(query: str) -> None:
    got = answer(query)

    assert got["limit"] == 1024
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
        ("sort=reason&state=all", "sort by reason only valid on closed connections"),
    ],
)
def test_what_is_refused_is_refused_by_name(query: str, text: str) -> None:
    with pytest.raises(BadQuery, match=text):
        answer(query)


def test_a_subject_filter_without_an_account_is_passed_over_in_a_query() -> None:
    # nats-server reads it from `$SYS` requests alone
    assert cids(answer("filter_subject=a")) == [7, 8]
    assert cids(answer("filter_subject=..&acc=$G")) == cids(answer("acc=$G"))
    assert cids(answer("filter_subject=a&auth=1")) == [7, 8]


@pytest.mark.parametrize("state", [3, -1, 2**63 - 1])
def test_in_a_state_that_there_is_not_nobody_is(state: int) -> None:
    got: Any = finish(connz(views(), FakeClock(), ConnzOptions(state=state)))

    assert (got["connections"], got["total"], got["num_connections"]) == ([], 0, 0)


def test_users_and_accounts_are_shown_with_auth_and_can_be_chosen() -> None:
    clients = [open_(1, user="a"), open_(2, user="b", account="B")]

    got = answer("auth=1&user=b", connections=lambda: clients)
    row = got["connections"][0]
    assert (row["authorized_user"], row["account"], row["name_tag"]) == ("b", "B", "B")
    assert got["total"] == 2  # counted before the filter by user, as on nats-server
    assert cids(answer("acc=$G", connections=lambda: clients)) == [1]
    assert "authorized_user" not in answer(connections=lambda: clients)["connections"][0]


def test_subscriptions_stand_before_what_people_call_the_account() -> None:
    (row,) = answer("auth=1&subs=1", connections=lambda: [open_(7, user="b", account="B")])[
        "connections"
    ]
    assert list(row)[-3:] == ["account", "subscriptions_list", "name_tag"]


def test_subscriptions_are_listed_on_request() -> None:
    assert answer("subs=1")["connections"][0]["subscriptions_list"] == ["foo.>", "<script>&"]
    assert answer("subs=detail")["connections"][0]["subscriptions_list_detail"] == [
        {"subject": "foo.>", "qgroup": "q", "sid": "7", "msgs": 4, "cid": 7},
        {"subject": "<script>&", "sid": "2", "msgs": 0, "max": 9, "cid": 7},
    ]


def test_listed_subscriptions_of_one_answer_are_bounded() -> None:
    most = limits.MONITOR_SUBSCRIPTIONS_MAX
    many = [SubscriptionFacts(b"a", b"", b"1", 0)] * (most - 1)

    rows = answer("subs=1", subscriptions=lambda _: many)["connections"]

    assert [len(row["subscriptions_list"]) for row in rows] == [most - 1, 1]


@pytest.mark.parametrize(
    "query", ["subs=1", "subs=detail", "acc=$G&filter_subject=b&limit=1", "subs=1&limit=1"]
)
def test_others_have_a_turn_within_the_subscriptions_of_one_connection(query: str) -> None:
    many = [SubscriptionFacts(b"a", b"", b"1", 0)] * 10_000
    looked_at = 0
    gaps: list[int] = []

    def walk(_: int) -> Iterator[SubscriptionFacts]:
        nonlocal looked_at
        for sub in many:
            looked_at += 1
            yield sub

    options = ConnzOptions.from_query(Query(query))
    for _ in connz(views(subscriptions=walk), FakeClock(), options):
        gaps.append(looked_at - sum(gaps))

    assert looked_at >= 10_000
    assert max(gaps) <= 501


def test_an_account_that_is_not_there_has_null_for_connections() -> None:
    got = answer("acc=NOPE")

    assert (got["server_id"], got["connections"], got["total"]) == ("", None, 0)


def test_closed_connections_have_their_end_and_its_reason() -> None:
    (row,) = answer("state=closed&subs=detail")["connections"]

    assert row["cid"] == 3
    assert (row["stop"], row["reason"]) == ("2027-01-15T08:00:00.000000003Z", "Client Closed")
    assert row["subscriptions_list_detail"] == [
        {
            "account": "$G",
            "account_tag": "$G",
            "subject": "gone.*",
            "sid": "1",
            "msgs": 3,
            "cid": 3,
        }
    ]


def test_all_connections_are_open_and_closed_ones() -> None:
    got = answer("state=ALL")

    assert cids(got) == [3, 7, 8]
    assert got["total"] == 3
    assert cids(answer("state=any&cid=3")) == [3]
    assert cids(answer("cid=3")) == []


def test_closed_connections_sort_by_their_end_and_by_its_reason() -> None:
    gone = [closed(1, "Stale Connection"), closed(2, "Client Closed")]

    assert cids(answer("state=closed&sort=stop", closed=lambda: gone)) == [2, 1]
    assert cids(answer("state=closed&sort=reason", closed=lambda: gone)) == [2, 1]


def test_a_subject_filter_keeps_who_subscribed_to_something_in_common() -> None:
    subs = {7: [SubscriptionFacts(b"a.*", b"", b"1", 0)], 8: []}

    got = answer("acc=$G&filter_subject=*.b", subscriptions=lambda cid: subs[cid])

    assert (cids(got), got["total"]) == ([7], 2)
    assert cids(answer("filter_subject=>")) == [7, 8]


def test_nobody_has_an_mqtt_client_id() -> None:
    assert cids(answer("mqtt_client=x")) == []


def test_only_the_connections_of_the_page_are_looked_at() -> None:
    class Untouched:
        peer = open_(1).peer

        def facts(self) -> None:
            raise AssertionError("nobody asked for it")

    many = [open_(1), *[Untouched()] * 10]

    got = answer("limit=1", connections=lambda: many)

    assert (cids(got), got["total"]) == ([1], 11)


def test_tls_and_jwt_facts_are_shown_where_there_are_any() -> None:
    client = open_(1, tls_version="1.3", tls_cipher="TLS_AES_128_GCM_SHA256", issuer_key="A1")

    (row,) = answer("auth=1", connections=lambda: [client])["connections"]

    assert (row["tls_version"], row["issuer_key"]) == ("1.3", "A1")
    assert row["tls_cipher_suite"] == "TLS_AES_128_GCM_SHA256"
    assert "jwt" not in row
