"""JetStream in /metrics: the server, its accounts, streams and consumers.

Knows the answer of /jsz, not where it comes from. Truth: prometheus-nats-exporter collector/jsz.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.clock import NS_PER_S
from leafnode.go_time import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.monitor.metrics import Exposition
    from leafnode.monitor.steps import Steps

_ACCOUNT: Final = {
    "max_storage": "reserved_storage",
    "max_memory": "reserved_memory",
    "storage_used": "storage",
    "memory_used": "memory",
}
_STREAM: Final = {
    "total_messages": "messages",
    "total_bytes": "bytes",
    "first_seq": "first_seq",
    "last_seq": "last_seq",
    "consumer_count": "consumer_count",
    "subject_count": "num_subjects",
}
_BOUNDS: Final = {"limit_bytes": "max_bytes", "limit_messages": "max_msgs"}
_CONSUMER: Final = ("num_ack_pending", "num_redelivered", "num_waiting", "num_pending")
_SINCE: Final = {"last_delivery_seconds": "delivered", "last_ack_seconds": "ack_floor"}
_ROWS_PER_TURN: Final = 16  # consumers or sources, of about 60 us each on a PC


def jetstream_metrics(out: Exposition, jsz: Mapping[str, Any], server_name: str) -> Steps[None]:
    """Add what the exporter makes of /jsz with everything asked for, a few rows a turn."""
    server = {
        "server_name": server_name,
        "cluster": "",
        "domain": jsz["config"].get("domain", ""),
        "meta_leader": "",
        "is_meta_leader": "true",
    }
    values = {
        "jetstream_disabled": int(jsz.get("disabled", False)),
        "total_streams": jsz["streams"],
        "total_consumers": jsz["consumers"],
        "total_messages": jsz["messages"],
        "total_message_bytes": jsz["bytes"],
        "max_memory": jsz["config"]["max_memory"],
        "max_storage": jsz["config"]["max_storage"],
    }
    out.add_all("jetstream_server", values, server)
    for account in jsz.get("account_details", ()):
        name = account["name"]
        labels = server | {"account": name, "account_name": name, "account_id": account["id"]}
        for metric, key in _ACCOUNT.items():
            out.add(f"jetstream_account_{metric}", account[key], labels)
        for stream in account.get("stream_detail", ()):
            yield from _stream(out, labels, stream)
            yield


def _stream(out: Exposition, account: Mapping[str, str], stream: Mapping[str, Any]) -> Steps[None]:
    labels = dict(account) | {
        "stream_name": stream["name"],
        "stream_leader": account["server_name"],
        "is_stream_leader": "true",
        "stream_raft_group": "",
    }
    for name, key in _STREAM.items():
        out.add(f"jetstream_stream_{name}", stream["state"].get(key, 0), labels)
    for name, key in _BOUNDS.items():
        out.add(f"jetstream_stream_{name}", stream["config"][key], labels)
    if "mirror" in stream:
        _origin(out, "mirror", stream["mirror"], labels)
    # Two sources may be of one name, with filters that differ; a sample may be told once.
    sources = {_origin_key(one): one for one in reversed(stream.get("sources", ()))}
    for number, source in enumerate(reversed(sources.values()), 1):
        _origin(out, "source", source, labels)
        if number % _ROWS_PER_TURN == 0:
            yield
    for number, consumer in enumerate(stream.get("consumer_detail", ()), 1):
        _consumer(out, consumer, labels)
        if number % _ROWS_PER_TURN == 0:
            yield


def _origin_key(origin: Mapping[str, Any]) -> tuple[str, str, str]:
    external = origin.get("external", {})
    return (origin["name"], external.get("api", ""), external.get("deliver", ""))


def _origin(
    out: Exposition, kind: str, origin: Mapping[str, Any], stream: Mapping[str, str]
) -> None:
    name, api, deliver = _origin_key(origin)
    labels = dict(stream) | {
        f"{kind}_name": name,
        f"{kind}_api": api,
        f"{kind}_deliver": deliver,
    }
    out.add(f"jetstream_stream_{kind}_lag", origin["lag"], labels)
    out.add(f"jetstream_stream_{kind}_active_duration_ns", origin["active"], labels)


def _consumer(out: Exposition, consumer: Mapping[str, Any], stream: Mapping[str, str]) -> None:
    labels = dict(stream) | {
        "consumer_name": consumer["name"],
        "consumer_leader": stream["server_name"],
        "is_consumer_leader": "true",
        "consumer_desc": consumer["config"].get("description", ""),
    }
    now_ns = parse_time(consumer["ts"])
    for name, place in _SINCE.items():
        last_ns = parse_time(consumer[place].get("last_active", ""))
        if now_ns is not None and last_ns is not None:
            out.add(f"jetstream_consumer_{name}", (now_ns - last_ns) / NS_PER_S, labels)
    for name in _CONSUMER:
        out.add(f"jetstream_consumer_{name}", consumer[name], labels)
    for place in ("delivered", "ack_floor"):
        for key in ("consumer_seq", "stream_seq"):
            out.add(f"jetstream_consumer_{place}_{key}", consumer[place][key], labels)
