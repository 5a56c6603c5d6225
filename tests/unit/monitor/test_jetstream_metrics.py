"""JetStream in /metrics. Names and labels: prometheus-nats-exporter."""

from __future__ import annotations

import pytest

from tests.unit.monitor.test_metrics import samples

SERVER = ("server_id", "server_name", "cluster", "domain", "meta_leader", "is_meta_leader")
ACCOUNT = (*SERVER, "account", "account_name", "account_id")
STREAM = (*ACCOUNT, "stream_name", "stream_leader", "is_stream_leader", "stream_raft_group")
CONSUMER = (*STREAM, "consumer_name", "consumer_leader", "is_consumer_leader", "consumer_desc")
SOURCE = (*STREAM, "source_name", "source_api", "source_deliver")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server_total_streams", 1),
        ("server_jetstream_disabled", 0),
        ("server_max_storage", -1),
        ("account_max_memory", 2**64 - 1),
        ("account_max_storage", 2**64 - 1),
        ("account_memory_used", 0),
        ("account_storage_used", 39),
        ("stream_total_messages", 1),
        ("stream_last_seq", 1),
        ("stream_subject_count", 1),
        ("stream_limit_bytes", -1),
        ("stream_limit_messages", 7),
        ("stream_source_lag", 5),
        ("stream_source_active_duration_ns", -1),
        ("consumer_num_pending", 4),
        ("consumer_delivered_stream_seq", 3),
        ("consumer_ack_floor_consumer_seq", 1),
        ("consumer_last_delivery_seconds", 2),
    ],
)
def test_a_metric_has_its_value(name: str, value: float) -> None:
    assert samples()[f"jetstream_{name}"][0][1] == value


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("server_max_memory", SERVER),
        ("account_storage_used", ACCOUNT),
        ("stream_total_bytes", STREAM),
        ("consumer_num_waiting", CONSUMER),
        ("stream_source_lag", SOURCE),
    ],
)
def test_a_metric_has_the_labels_of_the_exporter(name: str, labels: tuple[str, ...]) -> None:
    shown = samples()[f"jetstream_{name}"][0][0]

    assert sorted(shown) == sorted(labels)
    assert (shown["domain"], shown["is_meta_leader"]) == ("edge", "true")


def test_sources_of_one_name_are_told_once() -> None:
    found = samples()["jetstream_stream_source_lag"]

    assert [(labels["source_api"], value) for labels, value in found] == [
        ("", 5),
        ("$JS.hub.API", 1),
    ]


def test_who_was_never_acknowledged_has_no_time_since() -> None:
    assert "jetstream_consumer_last_ack_seconds" not in samples()
