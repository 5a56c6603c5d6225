"""/metrics: what the endpoints say, as Prometheus text.

The names and labels are those of prometheus-nats-exporter (`-varz -connz -subz -leafz -accstatz
-healthz -jsz=all`), so that its dashboards hold; what it does not have is `leafnode_…`. Knows the
answers, not where they come from. Truth: prometheus-nats-exporter collector/*.go; the text format
of Prometheus 0.0.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.clock import NS_PER_S
from leafnode.jetstream.go_time import parse_duration
from leafnode.monitor.accountz import accstatz
from leafnode.monitor.connz import connz
from leafnode.monitor.healthz import healthz
from leafnode.monitor.jsz import jsz
from leafnode.monitor.leafz import leafz
from leafnode.monitor.options import (
    AccstatzOptions,
    ConnzOptions,
    HealthzOptions,
    JszOptions,
    LeafzOptions,
    SubszOptions,
)
from leafnode.monitor.own import serialz, uplinkz
from leafnode.monitor.steps import ROWS_PER_TURN
from leafnode.monitor.subsz import subsz

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.monitor.monitor import Monitor
    from leafnode.monitor.steps import Steps

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_LABELS_OF_VARZ: Final = ("server_id", "server_name", "version")
_SUMMED: Final = ("pending_bytes", "subscriptions", "in_bytes", "out_bytes", "in_msgs", "out_msgs")
_COUNTERS: Final = frozenset({"in_bytes", "out_bytes", "in_msgs", "out_msgs"})
_STREAM: Final = {
    "total_messages": "messages",
    "total_bytes": "bytes",
    "first_seq": "first_seq",
    "last_seq": "last_seq",
    "consumer_count": "consumer_count",
}
_CONSUMER: Final = ("num_ack_pending", "num_redelivered", "num_waiting", "num_pending")
_LEAF: Final = ("in_msgs", "out_msgs", "in_bytes", "out_bytes")


class Exposition:
    """Gathers samples, one family after another, whatever the order in which they come."""

    def __init__(self, server_id: str) -> None:
        self._families: dict[str, list[str]] = {}
        self._server = {"server_id": server_id}

    def add(
        self, name: str, value: float, labels: Mapping[str, str] | None = None, kind: str = "gauge"
    ) -> None:
        """Add a sample; `server_id` is put before its labels."""
        lines = self._families.get(name)
        if lines is None:
            lines = self._families[name] = [f"# HELP {name} {name}\n# TYPE {name} {kind}\n"]
        pairs = self._server | dict(labels or {})
        shown = ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in pairs.items())
        lines.append(f"{name}{{{shown}}} {_number(value)}\n")

    def text(self) -> Steps[list[bytes]]:
        """Return the text in pieces, one for each family, made in as many slices."""
        pieces = []
        for lines in self._families.values():
            pieces.append("".join(lines).encode())
            if len(lines) > ROWS_PER_TURN:
                yield
        return pieces


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def metrics(monitor: Monitor) -> Steps[list[bytes]]:
    """Return the text in pieces. Of connections and accounts it tells as many as a page has."""
    views, clock = monitor.views, monitor.clock
    out = Exposition(views.facts.server_id)
    varz = yield from monitor.varz()
    _varz(out, varz)
    _connz(out, (yield from connz(views, clock, ConnzOptions())))
    numbers = yield from subsz(views, clock, SubszOptions())
    _numbers(out, "gnatsd_subsz", numbers)
    _leafz(out, (yield from leafz(views, clock, LeafzOptions())))
    accounts = yield from accstatz(views, clock, AccstatzOptions(include_unused=True))
    _accstatz(out, accounts)
    health = yield from healthz(views, HealthzOptions())
    out.add("gnatsd_healthz_status", int(health["status"] != "ok"))
    yield
    jetstream: Any = yield from jsz(views, clock, JszOptions(consumer=True, config=True))
    yield from _jetstream(out, jetstream, varz)
    _own(out, varz, uplinkz(views, clock), serialz(views, clock))
    return (yield from out.text())


def _varz(out: Exposition, varz: Mapping[str, Any]) -> None:
    for name in _LABELS_OF_VARZ:
        out.add(f"gnatsd_varz_{name}", 1, {"value": str(varz[name])})
    _numbers(out, "gnatsd_varz", {k: value for k, value in varz.items() if k != "leafnode"})


def _numbers(out: Exposition, prefix: str, answer: Mapping[str, Any]) -> None:
    """Add every number; those of objects within get the name of the object before their own."""
    for key, value in answer.items():
        if isinstance(value, dict) and key not in {"http_req_stats", "metadata"}:
            _numbers(out, f"{prefix}_{key}", value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            out.add(f"{prefix}_{key}", value)
    for path, count in answer.get("http_req_stats", {}).items():
        out.add(f"{prefix}_http_req_stats", count, {"path": path})


def _connz(out: Exposition, connz: Mapping[str, Any]) -> None:
    for name in ("num_connections", "total", "offset", "limit"):
        out.add(f"gnatsd_connz_{name}", connz[name])
    for name in _SUMMED:
        kind = "counter" if name in _COUNTERS else "gauge"
        total = sum(row[name] for row in connz["connections"])
        out.add(f"gnatsd_connz_{name}", total, kind=kind)


def _leafz(out: Exposition, leafz: Mapping[str, Any]) -> None:
    for leaf in leafz["leafs"]:
        labels = {
            "account": leaf["account"],
            "account_id": leaf["account"],
            "ip": leaf["ip"],
            "port": str(leaf["port"]),
            "name": leaf["name"],
        }
        out.add("gnatsd_leafz_info", 1, labels)
        out.add("gnatsd_leafz_conn_rtt", (parse_duration(leaf["rtt"]) or 0) / NS_PER_S, labels)
        for name in _LEAF:
            out.add(f"gnatsd_leafz_conn_{name}", leaf[name], labels)
        out.add("gnatsd_leafz_conn_subscriptions_total", leaf["subscriptions"], labels)
    out.add("gnatsd_leafz_conn_nodes_total", leafz["leafnodes"])


def _accstatz(out: Exposition, accstatz: Mapping[str, Any]) -> None:
    for account in accstatz["account_statz"]:
        labels = {
            "account": account["acc"],
            "account_id": account["acc"],
            "account_name": account["name"],
        }
        values = {
            "current_connections": account["conns"],
            "total_connections": account["total_conns"],
            "subscriptions": account["num_subscriptions"],
            "leaf_nodes": account["leafnodes"],
            "sent_messages": account["sent"]["msgs"],
            "sent_bytes": account["sent"]["bytes"],
            "received_messages": account["received"]["msgs"],
            "received_bytes": account["received"]["bytes"],
            "slow_consumers": account["slow_consumers"],
        }
        for name, value in values.items():
            out.add(f"gnatsd_accstatz_{name}", value, labels)


def _jetstream(out: Exposition, jsz: Mapping[str, Any], varz: Mapping[str, Any]) -> Steps[None]:
    server = {
        "server_name": str(varz["server_name"]),
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
    for name, value in values.items():
        out.add(f"jetstream_server_{name}", value, server)
    for account in jsz.get("account_details", ()):
        for stream in account.get("stream_detail", ()):
            _stream(out, server, account, stream)
            yield


def _stream(
    out: Exposition,
    server: Mapping[str, str],
    account: Mapping[str, Any],
    stream: Mapping[str, Any],
) -> None:
    labels = dict(server) | {
        "account": account["name"],
        "account_id": account["id"],
        "stream_name": stream["name"],
        "stream_leader": server["server_name"],
        "is_stream_leader": "true",
    }
    for name, key in _STREAM.items():
        out.add(f"jetstream_stream_{name}", stream["state"][key], labels)
    for consumer in stream.get("consumer_detail", ()):
        own = labels | {
            "consumer_name": consumer["name"],
            "consumer_leader": server["server_name"],
            "is_consumer_leader": "true",
            "consumer_desc": consumer.get("config", {}).get("description", ""),
            "consumer_created": consumer.get("created", ""),
        }
        for name in _CONSUMER:
            out.add(f"jetstream_consumer_{name}", consumer[name], own)
        for place in ("delivered", "ack_floor"):
            for number in ("consumer_seq", "stream_seq"):
                name = f"jetstream_consumer_{place}_{number}"
                out.add(name, consumer[place][number], own)


def _own(
    out: Exposition,
    varz: Mapping[str, Any],
    uplinkz: Mapping[str, Any],
    serialz: Mapping[str, Any],
) -> None:
    """Add what nats-server does not have, as in /varz, /uplinkz and /serialz."""
    own = varz["leafnode"]
    out.add("leafnode_info", 1, {"version": own["version"]})
    out.add("leafnode_warnings", len(own["warnings"]))
    _numbers(out, "leafnode", own)
    failed = own["store"].get("failed", "")
    out.add("leafnode_store_is_failed", int(bool(failed)))
    for row in uplinkz["streams"]:
        labels = {"stream": row["stream"], "state": row["state"]}
        out.add("leafnode_uplink_info", 1, labels)
        _with(out, "leafnode_uplink", row, {"stream": row["stream"]})
    for row in serialz["ports"]:
        out.add("leafnode_serial_open", int(row["open"]), {"port": row["name"]})
        _with(out, "leafnode_serial", row, {"port": row["name"]})


def _with(out: Exposition, prefix: str, row: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    for key, value in row.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            out.add(f"{prefix}_{key}", value, labels)
