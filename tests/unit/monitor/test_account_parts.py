"""leafnode.monitor.account_parts. Keys and values: probed on nats-server 2.15.1."""

from __future__ import annotations

from leafnode.config.account_options import (
    AccountOptions,
    Destination,
    LatencyOptions,
    Mapping,
    ServiceExport,
    ServiceImport,
    StreamExport,
    StreamImport,
)
from leafnode.monitor.account_parts import (
    exports,
    imports,
    mappings,
    server_exports,
    server_imports,
)

A = AccountOptions(
    "A",
    stream_exports=(StreamExport("s.>"),),
    service_exports=(ServiceExport("q.x", ("B",), latency=LatencyOptions("lat.x", 50)),),
    mappings=(
        Mapping("m.a", (Destination("m.b"),)),
        Mapping("w.a", (Destination("w.c", 70), Destination("w.b", 30))),
    ),
)
B = AccountOptions(
    "B",
    stream_imports=(StreamImport("A", "s.>", prefix="fromA"),),
    service_imports=(ServiceImport("A", "q.x", to="local.q", share=True),),
)


def test_exports_are_shown_with_who_may_import_them() -> None:
    assert exports(A) == [
        {
            "subject": "q.x",
            "type": "service",
            "response_type": "Singleton",
            "service_latency": {"sampling": 50, "results": "lat.x"},
            "approved_accounts": ["B"],
        },
        {"subject": "s.>", "type": "stream"},
    ]


def test_a_service_that_measures_what_headers_ask_for_says_so() -> None:
    measured = ServiceExport("q", latency=LatencyOptions("lat", 0))

    (shown,) = exports(AccountOptions("A", service_exports=(measured,)))

    assert shown["service_latency"] == {"sampling": "headers", "results": "lat"}


def test_imports_are_shown_with_their_local_subject_and_the_exporters_latency() -> None:
    assert imports(B, lambda *one: {("A", "q.x"): A.service_exports[0]}.get(one)) == [
        {
            "subject": "s.>",
            "account": "A",
            "local_subject": "fromA.s.>",
            "type": "stream",
            "invalid": False,
            "share": False,
            "tracking": False,
        },
        {
            "subject": "q.x",
            "account": "A",
            "to": "local.q",
            "local_subject": "local.q",
            "type": "service",
            "invalid": False,
            "share": True,
            "tracking": False,
            "latency": {"sampling": 50, "results": "lat.x"},
        },
    ]


def test_a_stream_whose_wildcards_change_places_is_shown_with_wildcards() -> None:
    streams = (
        StreamImport("A", "e.*.*", to="r.$2.{{wildcard(1)}}"),
        StreamImport("A", "s", to="t"),
    )
    shown = imports(AccountOptions("B", stream_imports=streams), lambda *_: None)

    assert [one["local_subject"] for one in shown] == ["r.*.*", "t"]


def test_what_the_server_offers_is_imported_by_everybody_else() -> None:
    offered = {row["subject"]: row["response_type"] for row in server_exports(jetstream=False)}
    own = server_imports("SYS", "SYS", jetstream=True)
    rows = server_imports("A", "SYS", jetstream=False)

    assert offered == {
        "$SYS.REQ.ACCOUNT.*.CONNZ": "Streamed",
        "$SYS.REQ.ACCOUNT.*.STATZ": "Streamed",
        "$SYS.DEBUG.SUBSCRIBERS": "Singleton",
        "$SYS.REQ.USER.*.INFO": "Singleton",
    }
    assert own == [
        {
            "subject": "$SYS.REQ.USER.SYS.INFO",
            "account": "SYS",
            "to": "$SYS.REQ.USER.INFO",
            "local_subject": "$SYS.REQ.USER.INFO",
            "type": "service",
            "invalid": False,
            "share": True,
            "tracking": False,
        }
    ]
    assert [(row["subject"], row["to"]) for row in rows] == [
        ("$SYS.REQ.USER.A.INFO", "$SYS.REQ.USER.INFO"),
        ("$SYS.REQ.ACCOUNT.A.CONNZ", "$SYS.REQ.ACCOUNT.PING.CONNZ"),
        ("$SYS.REQ.ACCOUNT.A.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ"),
        ("$SYS.REQ.ACCOUNT.A.STATZ", "$SYS.REQ.ACCOUNT.PING.STATZ"),
    ]
    assert server_exports(jetstream=True)[-1]["subject"] == "$JS.API.>"
    assert server_imports("A", "SYS", jetstream=True)[-1]["share"] is True


def test_weights_of_a_mapping_add_up_from_the_smallest() -> None:
    assert mappings(A) == {
        "m.a": [{"subject": "m.b", "weight": 100}],
        "w.a": [{"subject": "w.b", "weight": 30}, {"subject": "w.c", "weight": 100}],
    }
