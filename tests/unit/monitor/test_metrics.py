"""/metrics, read by the parser of prometheus_client. Names: prometheus-nats-exporter."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from leafnode.monitor.metrics import Exposition, metrics
from leafnode.monitor.monitor import Monitor
from leafnode.monitor.steps import finish
from tests.sim.clock import FakeClock
from tests.sim.monitor import SECRET, open_, port, views

HOSTILE = 'a"} 1\nevil{x="\\'
STREAM = {"stream_name": "EV", "account": "$G", "stream_leader": "edge", "is_stream_leader": "true"}


def text(**changes: Any) -> str:
    return b"".join(finish(metrics(Monitor(views(**changes), FakeClock())))).decode()


def samples(**changes: Any) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text(**changes)):
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
    assert found["gnatsd_varz_version"] == [({"server_id": "NSERVER", "value": "2.15.1"}, 1)]


def test_connections_are_summed() -> None:
    found = samples(connections=lambda: [open_(1, in_msgs=3), open_(2, in_msgs=4)])

    assert found["gnatsd_connz_in_msgs_total"][0][1] == 7  # the parser names counters so
    assert found["gnatsd_connz_num_connections"][0][1] == 2
    assert found["gnatsd_connz_limit"][0][1] == 1024


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gnatsd_subsz_num_subscriptions", 4),
        ("gnatsd_subsz_cache_hit_rate", 0.5),
        ("gnatsd_leafz_conn_nodes_total", 1),
        ("gnatsd_leafz_conn_rtt", 421e-6),
        ("gnatsd_leafz_conn_in_msgs", 1),
        ("gnatsd_leafz_conn_subscriptions_total", 1),
        ("gnatsd_accstatz_current_connections", 2),
        ("gnatsd_accstatz_leaf_nodes", 1),
        ("gnatsd_healthz_status", 0),
        ("jetstream_server_total_streams", 1),
        ("jetstream_server_jetstream_disabled", 0),
        ("jetstream_server_max_storage", -1),
        ("jetstream_stream_total_messages", 1),
        ("jetstream_stream_last_seq", 1),
        ("jetstream_consumer_num_pending", 4),
        ("jetstream_consumer_delivered_stream_seq", 3),
        ("jetstream_consumer_ack_floor_consumer_seq", 1),
        ("leafnode_clients_auth_failures", 2),
        ("leafnode_store_commits", 15),
        ("leafnode_store_is_failed", 1),
        ("leafnode_uplink_lag_messages", 3),
        ("leafnode_serial_open", 1),
    ],
)
def test_a_metric_has_its_value(name: str, value: float) -> None:
    assert samples()[name][0][1] == value


def test_streams_and_consumers_have_the_labels_of_the_exporter() -> None:
    found = samples()

    labels = found["jetstream_stream_total_bytes"][0][0]
    assert STREAM.items() <= labels.items()
    assert (labels["domain"], labels["is_meta_leader"]) == ("edge", "true")
    consumer = found["jetstream_consumer_num_waiting"][0][0]
    assert labels.items() <= consumer.items()
    assert (consumer["consumer_name"], consumer["is_consumer_leader"]) == ("D1", "true")


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
