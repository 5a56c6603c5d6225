"""leafnode.monitor.options: from a query, and from the JSON of a `$SYS` request."""

from __future__ import annotations

import msgspec
import pytest

from leafnode.monitor.options import (
    AccstatzOptions,
    ConnectionState,
    ConnzOptions,
    GatewayzOptions,
    HealthzOptions,
    IpqueueszOptions,
    JszOptions,
    RoutezOptions,
    SubszOptions,
    page,
)
from leafnode.monitor.query import BadQuery, Query


def test_a_query_and_json_say_the_same_of_connz() -> None:
    query = "auth=1&subs=detail&state=closed&cid=7&acc=A&limit=3&offset=2&sort=stop&user=u"
    json = b"""{"auth":true,"subscriptions_detail":true,"state":1,"cid":7,"acc":"A","limit":3,
    "offset":2,"sort":"stop","user":"u","unknown":1}"""

    options = ConnzOptions.from_query(Query(query))

    assert options == msgspec.json.decode(json, type=ConnzOptions)
    assert options.state is ConnectionState.CLOSED


def test_a_query_and_json_say_the_same_of_healthz() -> None:
    query = "js-enabled-only=1&js-server-only=true&js-meta-only=t&js-enabled=1&details=1"
    json = b"""{"js-enabled-only":true,"js-server-only":true,"js-meta-only":true,
    "js-enabled":true,"details":true}"""

    assert HealthzOptions.from_query(Query(query)) == msgspec.json.decode(json, type=HealthzOptions)


def test_a_query_and_json_say_the_same_of_jsz() -> None:
    query = "acc=A&consumers=1&direct-consumers=1&leader-only=1&stream-leader-only=1&raft=1"
    json = b"""{"account":"A","consumer":true,"direct_consumer":true,"leader_only":true,
    "stream_leader_only":true,"raft":true}"""

    assert JszOptions.from_query(Query(query)) == msgspec.json.decode(json, type=JszOptions)


def test_names_in_a_query_differ_from_those_in_json() -> None:
    assert GatewayzOptions.from_query(Query("gw_name=x&accs=1&acc_name=A")) == GatewayzOptions(
        name="x", accounts=True, account_name="A"
    )
    assert IpqueueszOptions.from_query(Query("all=1&queues=JetStream")) == IpqueueszOptions(
        all=True, filter="JetStream"
    )
    assert SubszOptions.from_query(Query("subs=1&acc=A&test=a")) == SubszOptions(
        subscriptions=True, account="A", test="a"
    )
    assert AccstatzOptions.from_query(Query("unused=1")).include_unused


@pytest.mark.parametrize("options", [ConnzOptions, RoutezOptions, GatewayzOptions])
def test_subs_is_a_boolean_or_detail(options: type[ConnzOptions]) -> None:
    assert options.from_query(Query("subs=Detail")).subscriptions_detail
    assert options.from_query(Query("subs=T")).subscriptions
    with pytest.raises(BadQuery, match="Error decoding boolean for 'subs'"):
        options.from_query(Query("subs=details"))


@pytest.mark.parametrize(
    ("limit", "offset", "used"),
    [(0, 0, (1024, 0)), (-1, -5, (1024, 0)), (7, 3, (7, 3)), (9999, 0, (5000, 0))],
)
def test_a_page_is_the_default_or_what_is_asked_for_up_to_the_most(
    limit: int, offset: int, used: tuple[int, int]
) -> None:
    assert page(limit, offset, 5000) == used
