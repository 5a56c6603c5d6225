"""/metrics: what the endpoints say, as Prometheus text.

The names and labels are those of prometheus-nats-exporter with everything asked for (`-varz -connz
-subz -routez -leafz -accstatz -accountz -healthz -jsz=all`; `-connz_detailed` by a query), so that
its dashboards hold; what it does not have is `leafnode_…`. Knows the answers, not where they come
from. Truth: prometheus-nats-exporter collector/*.go; the text format of Prometheus 0.0.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leafnode.clock import NS_PER_MS, NS_PER_S
from leafnode.go_time import parse_duration, parse_time
from leafnode.monitor.accountz import accstatz
from leafnode.monitor.connz import connz
from leafnode.monitor.healthz import healthz
from leafnode.monitor.jetstream_metrics import jetstream_metrics
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
from leafnode.monitor.text import uptime_ns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.monitor.monitor import Monitor
    from leafnode.monitor.options import MetricsOptions
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import AccountView, Views

_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
# Texts of these keys are told as a label, and as milliseconds where they are a time.
_TOLD_TEXTS: Final = frozenset(
    {"server_id", "server_name", "version", "domain", "leader", "name", "start", "config_load_time"}
)
_NOT_TOLD: Final = frozenset({"leaf", "leafnode", "metadata"})  # ours comes as `leafnode_…`
_COUNTED: Final = ("pending_bytes", "subscriptions", "in_bytes", "out_bytes", "in_msgs", "out_msgs")
_COUNTERS: Final = frozenset({"in_bytes", "out_bytes", "in_msgs", "out_msgs"})
_NAMED: Final = ("kind", "type", "ip", "port", "name", "name_tag", "account")
_SOFTWARE: Final = ("lang", "version", "tls_version", "tls_cipher_suite")
_LEAF: Final = ("in_msgs", "out_msgs", "in_bytes", "out_bytes")
_LIMITS: Final = ("subs", "data", "payload", "imports", "exports", "wildcards", "conn", "leaf")
_NS_PER_US: Final = 1_000
_ACCOUNTS_PER_TURN: Final = 8  # of up to 100 us each on a PC
_HEALTH: Final = {
    "healthz": HealthzOptions(),
    "healthz_js_enabled_only": HealthzOptions(js_enabled_only=True),
    "healthz_js_server_only": HealthzOptions(js_server_only=True),
}


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

    def add_all(self, prefix: str, values: Mapping[str, float], labels: Mapping[str, str]) -> None:
        """Add a sample of each value; its name goes behind the prefix."""
        for name, value in values.items():
            self.add(f"{prefix}_{name}", value, labels)

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


def metrics(monitor: Monitor, options: MetricsOptions) -> Steps[list[bytes]]:
    """Return the text in pieces. Of connections it tells as many as a page has."""
    views, clock = monitor.views, monitor.clock
    out = Exposition(views.facts.server_id)
    varz = yield from monitor.varz()
    _object(out, "gnatsd_varz", varz)
    answer = yield from connz(views, clock, ConnzOptions(auth=options.connz_detailed))
    yield from _connz(out, answer, detailed=options.connz_detailed)
    _object(out, "gnatsd_subsz", (yield from subsz(views, clock, SubszOptions())))
    _object(out, "gnatsd_routez", monitor.routez())
    leafs = yield from leafz(views, clock, LeafzOptions(subscriptions=options.subscriptions))
    yield from _leafz(out, leafs)
    accounts = yield from accstatz(views, clock, AccstatzOptions(include_unused=True))
    yield from _accstatz(out, accounts)
    yield from _accountz(out, views)
    for name, asked in _HEALTH.items():
        health = yield from healthz(views, asked)
        is_well = health["status"] == "ok"
        out.add(f"gnatsd_{name}_status", int(not is_well))
        out.add(f"gnatsd_{name}_status_value", int(is_well), {"value": str(health["status"])})
        yield
    jetstream: Any = yield from jsz(views, clock, JszOptions(consumer=True, config=True))
    yield from jetstream_metrics(out, jetstream, views.facts.server_name)
    _own(out, varz, uplinkz(views, clock), serialz(views, clock))
    return (yield from out.text())


def _object(out: Exposition, prefix: str, answer: Mapping[str, Any]) -> None:
    """Add every number; those of objects within get the name of the object before their own."""
    for key, value in answer.items():
        # A path is a key of http_req_stats: that of `/` is left with the name of the object.
        name = f"{prefix}_{key}".replace("/", "_").rstrip("_").replace("__", "_")
        if isinstance(value, dict):
            if key not in _NOT_TOLD:
                _object(out, name, value)
        elif isinstance(value, str):
            if key in _TOLD_TEXTS:
                _text(out, name, value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            out.add(name, value)


def _text(out: Exposition, name: str, value: str) -> None:
    at_ns = parse_time(value)
    if at_ns is None:
        out.add(name, 1, {"value": value})
    else:
        out.add(name, at_ns // NS_PER_MS)


def _connz(out: Exposition, connz: Mapping[str, Any], *, detailed: bool) -> Steps[None]:
    for name in ("num_connections", "total", "offset", "limit"):
        out.add(f"gnatsd_connz_{name}", connz[name])
    for name in _COUNTED:
        kind = "counter" if name in _COUNTERS else "gauge"
        total = sum(row[name] for row in connz["connections"])
        out.add(f"gnatsd_connz_{name}", total, kind=kind)
    yield
    if detailed:
        for number, row in enumerate(connz["connections"], 1):
            _connection(out, row)
            if number % ROWS_PER_TURN == 0:
                yield


def _connection(out: Exposition, row: Mapping[str, Any]) -> None:
    labels = {"cid": str(row["cid"])} | {name: str(row.get(name, "")) for name in _NAMED}
    labels["account_id"] = labels["account"]
    labels |= {name: row.get(name, "") for name in _SOFTWARE}
    for name in _COUNTED:
        out.add(f"gnatsd_connz_{name}", row[name], labels)
    for name in ("start", "last_activity"):
        at_ms = (parse_time(row[name]) or 0) // NS_PER_MS
        out.add(f"gnatsd_connz_{name}", at_ms, labels, "untyped")
    out.add("gnatsd_connz_rtt", (parse_duration(row["rtt"]) or 0) // _NS_PER_US, labels)
    out.add("gnatsd_connz_uptime", uptime_ns(row["uptime"]) // NS_PER_MS, labels, "untyped")
    out.add("gnatsd_connz_idle", uptime_ns(row["idle"]) // NS_PER_MS, labels)


def _leafz(out: Exposition, leafz: Mapping[str, Any]) -> Steps[None]:
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
        # One subject may be subscribed to by several, but a sample may be told once.
        for number, subject in enumerate(dict.fromkeys(leaf.get("subscriptions_list", ())), 1):
            out.add("gnatsd_leafz_conn_subscriptions", 0, labels | {"subscription": subject})
            if number % ROWS_PER_TURN == 0:
                yield
    out.add("gnatsd_leafz_conn_nodes_total", leafz["leafnodes"])


def _accountz(out: Exposition, views: Views) -> Steps[None]:
    for number, name in enumerate(views.accounts(), 1):
        account = views.account(name)
        if account is not None:
            _account(out, account)
        if number % _ACCOUNTS_PER_TURN == 0:
            yield


def _account(out: Exposition, account: AccountView) -> None:
    labels = {"account_id": account.name, "account_name": account.name_tag or account.name}
    values = {
        "client_connections": account.clients,
        "leafnode_connections": account.leafs,
        "subscriptions": account.sublist.count,
        "is_system": account.is_system,
        "expired": account.expired,
        "complete": account.complete(),
        "jetstream_enabled": account.jetstream,
    }
    values |= {f"limit_{name}": account.limits.get(name, 0) for name in _LIMITS}
    out.add_all("gnatsd_accountz", values, labels)


def _accstatz(out: Exposition, accstatz: Mapping[str, Any]) -> Steps[None]:
    for number, account in enumerate(accstatz["account_statz"], 1):
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
        out.add_all("gnatsd_accstatz", values, labels)
        if number % ROWS_PER_TURN == 0:
            yield


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
    _object(out, "leafnode", {k: value for k, value in own.items() if k != "version"})
    failed = own["store"].get("failed", "")
    out.add("leafnode_store_is_failed", int(bool(failed)))
    out.add("leafnode_uplink_replies_refused", uplinkz["replies_refused"])
    out.add("leafnode_uplink_left", len(uplinkz["left"]))
    out.add("leafnode_serial_replies_refused", serialz["replies_refused"])
    out.add("leafnode_serial_turns_deferred", serialz["turns_deferred"])
    out.add("leafnode_serial_lost", serialz["lost"])
    for row in uplinkz["streams"]:
        labels = {"uplink": row["uplink"], "stream": row["stream"]}
        out.add("leafnode_uplink_info", 1, labels | {"state": row["state"]})
        _with(out, "leafnode_uplink", row, labels)
    for row in uplinkz["uplinks"]:
        labels = {"uplink": row["name"]}
        out.add("leafnode_uplink_connected", int(row["connected"]), labels)
        _with(out, "leafnode_uplink_link", row, labels)
    for row in serialz["ports"]:
        out.add("leafnode_serial_open", int(row["open"]), {"port": row["name"]})
        _with(out, "leafnode_serial", row, {"port": row["name"]})
        for slave in row.get("slaves", ()):
            labels = {"port": row["name"], "slave": slave["name"]}
            out.add("leafnode_serial_slave_failing", int(slave["failing"]), labels)
            _with(out, "leafnode_serial_slave", slave, labels)
    for row in serialz["devices"]:
        labels = {"port": row["port"], "device": row["name"]}
        out.add("leafnode_device_up", int(row["up"]), labels)
        out.add("leafnode_device_readings", row["readings"], labels)


def _with(out: Exposition, prefix: str, row: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    for key, value in row.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            out.add(f"{prefix}_{key}", value, labels)
