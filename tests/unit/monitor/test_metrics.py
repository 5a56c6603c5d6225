"""/metrics, read by the parser of prometheus_client. Names: prometheus-nats-exporter."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from leafnode.monitor.metrics import Exposition, _accstatz, metrics
from leafnode.monitor.monitor import Monitor
from leafnode.monitor.options import MetricsOptions
from leafnode.monitor.query import Query
from leafnode.monitor.steps import ROWS_PER_TURN
from leafnode.slices import finish
from tests.sim.clock import WALL_START_NS, FakeClock
from tests.sim.monitor import SECRET, account, open_, port, views

HOSTILE = 'a"} 1\nevil{x="\\'
DETAILED = (
    *("server_id", "cid", "kind", "type", "ip", "port", "name", "name_tag", "account"),
    *("account_id", "lang", "version", "tls_version", "tls_cipher_suite"),
)


Samples = dict[str, list[tuple[dict[str, str], float]]]


def text(query: str = "", **changes: Any) -> str:
    monitor = Monitor(views(**changes), FakeClock())
    monitor.http_req_stats |= {"/": 1, "/connz": 2}
    return b"".join(finish(metrics(monitor, MetricsOptions.from_query(Query(query))))).decode()


def samples(query: str = "", **changes: Any) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text(query, **changes)):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_every_family_is_told_once_and_every_sample_has_the_server() -> None:
    lines = text().splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]

    assert len(types) == len(set(types))
    assert all('{server_id="NSERVER"' in line for line in lines if not line.startswith("#"))


def test_numbers_of_varz_are_there_and_its_names_as_labels() -> None:
    found = samples()

    assert found["gnatsd_varz_connections"] == [({"server_id": "NSERVER"}, 2)]
    assert found["gnatsd_varz_slow_consumer_stats_clients"][0][1] == 1
    assert found["gnatsd_varz_jetstream_stats_storage"][0][1] == 39
    assert found["gnatsd_varz_server_name"][0][0]["value"] == "edge"
    assert found["gnatsd_varz_start"][0][1] == WALL_START_NS // 1_000_000
    assert found["gnatsd_varz_config_load_time"][0][1] == WALL_START_NS // 1_000_000
    assert found["gnatsd_varz_http_req_stats"] == [({"server_id": "NSERVER"}, 1)]
    assert found["gnatsd_varz_http_req_stats_connz"][0][1] == 2
    assert found["gnatsd_varz_version"] == [({"server_id": "NSERVER", "value": "2.15.1"}, 1)]


def test_connections_are_summed() -> None:
    found = samples(connections=lambda: [open_(1, in_msgs=3), open_(2, in_msgs=4)])

    assert found["gnatsd_connz_in_msgs_total"][0][1] == 7  # the parser names counters so
    assert found["gnatsd_connz_num_connections"][0][1] == 2
    assert found["gnatsd_connz_limit"][0][1] == 1024


def test_each_connection_is_told_to_who_asks_for_it() -> None:
    found = samples("connz_detailed=1", connections=lambda: [open_(7), open_(8)])
    first = {labels["cid"]: (labels, value) for labels, value in found["gnatsd_connz_rtt"]}["7"]

    assert first[1] == 416
    assert sorted(first[0]) == sorted(DETAILED)
    assert (first[0]["name"], first[0]["port"], first[0]["lang"]) == (
        "client 7",
        "40007",
        "python3",
    )
    assert found["gnatsd_connz_uptime"][0][1] == 61_000
    assert found["gnatsd_connz_idle"][0][1] == 1_000
    assert found["gnatsd_connz_start"][0][1] == WALL_START_NS // 1_000_000
    assert [value for _, value in found["gnatsd_connz_in_msgs_total"]] == [150, 70, 80]
    assert "gnatsd_connz_rtt" not in samples()


def test_subscriptions_of_a_link_are_told_to_who_asks_for_them() -> None:
    found = samples("subs=1")["gnatsd_leafz_conn_subscriptions"]

    assert [labels["subscription"] for labels, _ in found] == ["foo.>", "<script>&"]
    assert "gnatsd_leafz_conn_subscriptions" not in samples()


def test_limits_of_an_account_are_those_of_its_jwt() -> None:
    limits = {"subs": -1, "wildcards": True, "conn": 5}
    shown = account("A", limits=limits, name_tag="Site", is_system=True)
    found = samples(accounts=lambda: ["A", "gone"], account={"A": shown}.get)

    labels = {"server_id": "NSERVER", "account_id": "A", "account_name": "Site"}
    assert found["gnatsd_accountz_limit_subs"] == [(labels, -1)]
    assert found["gnatsd_accountz_limit_conn"] == [(labels, 5)]
    assert found["gnatsd_accountz_limit_wildcards"] == [(labels, 1)]
    assert found["gnatsd_accountz_limit_data"] == [(labels, 0)]
    assert found["gnatsd_accountz_is_system"] == [(labels, 1)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gnatsd_routez_num_routes", 0),
        ("gnatsd_accountz_client_connections", 2),
        ("gnatsd_accountz_leafnode_connections", 1),
        ("gnatsd_accountz_subscriptions", 2),
        ("gnatsd_accountz_expired", 0),
        ("gnatsd_accountz_complete", 1),
        ("gnatsd_accountz_jetstream_enabled", 0),
        ("gnatsd_healthz_status_value", 1),
        ("gnatsd_healthz_js_enabled_only_status", 0),
        ("gnatsd_healthz_js_server_only_status_value", 1),
        ("gnatsd_subsz_num_subscriptions", 4),
        ("gnatsd_subsz_cache_hit_rate", 0.5),
        ("gnatsd_leafz_conn_nodes_total", 1),
        ("gnatsd_leafz_conn_rtt", 421e-6),
        ("gnatsd_leafz_conn_in_msgs", 1),
        ("gnatsd_leafz_conn_subscriptions_total", 1),
        ("gnatsd_accstatz_current_connections", 2),
        ("gnatsd_accstatz_leaf_nodes", 1),
        ("gnatsd_healthz_status", 0),
        ("leafnode_clients_auth_failures", 2),
        ("leafnode_store_commits", 15),
        ("leafnode_store_is_failed", 1),
        ("leafnode_uplink_lag_messages", 3),
        ("leafnode_uplink_lag_seconds", 1.5),
        ("leafnode_uplink_connected", 1),
        ("leafnode_uplink_link_bytes_today", 120),
        ("leafnode_uplink_link_bytes_month", 900),
        ("leafnode_uplink_replies_refused", 0),
        ("leafnode_serial_replies_refused", 0),
        ("leafnode_serial_turns_deferred", 0),
        ("leafnode_serial_lost", 0),
        ("leafnode_net_turns_yielded", 59),
        ("leafnode_net_reads_deferred", 60),
        ("leafnode_serial_open", 1),
        ("leafnode_serial_modbus_polls", 9),
        ("leafnode_serial_slave_failing", 0),
        ("leafnode_serial_slave_timeouts", 3),
    ],
)
def test_a_metric_has_its_value(name: str, value: float) -> None:
    assert samples()[name][0][1] == value


def test_what_very_many_accounts_sent_is_told_in_slices() -> None:
    """As many samples in a turn as of so many accounts: 500 held everybody up for 18 ms."""

    class Counted(Exposition):
        added = 0

        def add(self, *args: Any, **more: Any) -> None:
            self.added += 1
            super().add(*args, **more)

    row = {"acc": "A", "name": "A", "conns": 1, "total_conns": 1, "num_subscriptions": 0}
    row |= {"leafnodes": 0, "slow_consumers": 0}
    row |= {key: {"msgs": 1, "bytes": 1} for key in ("sent", "received")}
    out, most, before = Counted("N"), 0, 0

    for _ in _accstatz(out, {"account_statz": [row] * 3 * ROWS_PER_TURN}):
        most, before = max(most, out.added - before), out.added

    assert most == out.added // 3


def test_a_hostile_name_stays_a_label() -> None:
    found = samples(ports=lambda: [port(name=HOSTILE)])

    assert found["leafnode_serial_open"] == [({"server_id": "NSERVER", "port": HOSTILE}, 1)]
    assert "evil" not in found


def test_a_server_without_jetstream_says_so() -> None:
    found = samples(jetstream=lambda: None)

    assert found["jetstream_server_jetstream_disabled"][0][1] == 1
    assert "jetstream_stream_total_messages" not in found


def test_no_secret_is_in_it() -> None:
    assert SECRET not in text()


def test_fractions_and_large_numbers_are_exact() -> None:
    out = Exposition("S")
    out.add("a", 2**63)
    out.add("b", 0.25, kind="counter")

    large, fraction = finish(out.text())
    assert large.endswith(b'a{server_id="S"} 9223372036854775808\n')
    assert fraction == b'# HELP b b\n# TYPE b counter\nb{server_id="S"} 0.25\n'
