"""/varz: the server as a whole.

Truth: measured on nats-server 2.15.1. docs/monitoring.md says what its keys of Go mean here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.monitor import own, process
from leafnode.monitor.jsz import server_config, server_limits, server_stats
from leafnode.monitor.text import number, uptime

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import (
        HttpFaults,
        JetStreamView,
        RemoteFacts,
        ServerCounters,
        ServerFacts,
        Views,
    )

_CORES_USED: Final = 1  # by one interpreter, however many there are
# Those of nats-server: none of the features is here, whatever a file asks for.
_FEATURE_FLAGS: Final = (
    *("js_ack_fc_v2", "js_api_reply_v2", "js_raft_delete_range", "js_snapshot_sources"),
)
# Nothing waits for a turn at the disk but acknowledgements, which /varz counts as `store`.
_NO_WAITS: Final = dict.fromkeys(("waiters", "waits", "wait_time", "max_wait_time"), 0)


def varz(
    views: Views, clock: Clock, http_req_stats: dict[str, int], http: HttpFaults
) -> Steps[dict[str, object]]:
    facts = views.facts
    counters = yield from views.counters()
    uptime_ns = clock.monotonic_ns() - facts.start_monotonic_ns
    answer = _constants(facts)
    answer["leaf"] = _leaf(facts)
    answer["mqtt"] = {}
    answer["websocket"] = dict(facts.websocket)
    answer["jetstream"] = _jetstream((yield from views.jetstream()))
    answer |= {
        "tls_timeout": number(facts.tls_timeout_ns / NS_PER_S),
        "write_deadline": facts.write_deadline_ns,
        **({"write_timeout": facts.write_timeout} if facts.write_timeout else {}),
        "start": format_time(facts.start_ns),
        "now": format_time(clock.wall_ns()),
        "uptime": uptime(uptime_ns),
        "mem": process.memory_bytes(),
        "cores": process.cores(),
        "gomaxprocs": _CORES_USED,
        "cpu": number(process.cpu_percent(uptime_ns)),
    }
    answer |= _counted(counters)
    answer["http_req_stats"] = dict(sorted(http_req_stats.items()))
    answer["config_load_time"] = format_time(facts.config_loaded_ns or facts.start_ns)
    answer["config_digest"] = facts.config_digest
    if facts.tags:
        answer["tags"] = list(facts.tags)
    if facts.metadata:
        answer["metadata"] = dict(facts.metadata)
    answer["feature_flags"] = dict.fromkeys(_FEATURE_FLAGS, False)
    if facts.system_account:
        answer["system_account"] = facts.system_account
    if facts.trusted_operators:
        answer["trusted_operators_jwt"] = list(facts.trusted_operators)
        answer["trusted_operators_claim"] = list(facts.trusted_claims)
    if facts.trusted_proxies:
        answer["proxies"] = {"trusted": [{"key": key} for key in facts.trusted_proxies]}
    if facts.tls_not_after_s:
        answer["tls_cert_not_after"] = format_time(facts.tls_not_after_s * NS_PER_S)
    answer |= _per_kind(counters)
    answer["disk_io_wait_stats"] = dict(_NO_WAITS)
    answer["leafnode"] = yield from own.leafnode(views, http)
    return answer


def _constants(facts: ServerFacts) -> dict[str, object]:
    answer: dict[str, object] = {
        "server_id": facts.server_id,
        "server_name": facts.server_name,
        "version": facts.version,
        "proto": facts.proto,
        "go": "",  # there is none, as INFO says
        "host": facts.host,
        "port": facts.port,
    }
    if facts.auth_required:
        answer["auth_required"] = True
    if facts.tls_required:
        answer["tls_required"] = True
    if facts.tls_verify:
        answer["tls_verify"] = True
    answer["max_connections"] = facts.max_connections
    if facts.max_subscriptions:
        answer["max_subscriptions"] = facts.max_subscriptions
    return answer | {
        "ping_interval": facts.ping_interval_ns,
        "ping_max": facts.ping_max,
        "http_host": facts.http_host,
        "http_port": facts.http_port,
        "http_base_path": facts.http_base_path,
        "https_port": facts.https_port,
        "auth_timeout": number(facts.auth_timeout_ns / NS_PER_S),
        "max_control_line": facts.max_control_line,
        "max_payload": facts.max_payload,
        "max_pending": facts.max_pending,
        "cluster": {},
        "gateway": {},
    }


def _leaf(facts: ServerFacts) -> dict[str, object]:
    shown: dict[str, object] = {}
    port = facts.leaf_port
    if port is not None:
        shown = {
            "host": port.host,
            "port": port.port,
            "auth_timeout": number(port.auth_timeout_ns / NS_PER_S),
            "tls_timeout": number(port.tls_timeout_ns / NS_PER_S),
        }
        if port.tls_required:
            shown["tls_required"] = True
        if port.tls_verify:
            shown["tls_verify"] = True
    if facts.remotes:
        shown["remotes"] = [_remote(remote) for remote in facts.remotes]
    if port is not None and port.tls_not_after_s:
        shown["tls_cert_not_after"] = format_time(port.tls_not_after_s * NS_PER_S)
    return shown


def _remote(remote: RemoteFacts) -> dict[str, object]:
    answer: dict[str, object] = {
        "local_account": remote.local_account,
        **(_tls_timeout(remote.tls_timeout_ns) if remote.tls_timeout_ns else {}),
        "urls": [address(url) for url in remote.urls],
    }
    if remote.deny_exports or remote.deny_imports:
        answer["deny"] = {
            "exports": list(remote.deny_exports),
            "imports": list(remote.deny_imports),
        }
    return answer


def _tls_timeout(timeout_ns: int) -> dict[str, object]:
    return {"tls_timeout": number(timeout_ns / NS_PER_S)}


def address(url: str) -> str:
    """Return host:port of a URL, never its user and password."""
    return urlsplit(url if "//" in url else f"//{url}").netloc.rpartition("@")[2]


def _jetstream(jetstream: JetStreamView | None) -> dict[str, object]:
    if jetstream is None:
        return {}
    return {
        "config": server_config(jetstream),
        "stats": server_stats(jetstream),
        "limits": server_limits(jetstream),
    }


def _counted(counters: ServerCounters) -> dict[str, object]:
    return {
        "connections": counters.connections,
        "total_connections": counters.total_connections,
        "routes": 0,
        "remotes": 0,
        "leafnodes": counters.leafnodes,
        "in_msgs": counters.in_msgs,
        "in_bytes": counters.in_bytes,
        "in_client_msgs": counters.in_client_msgs,
        "in_client_bytes": counters.in_client_bytes,
        "out_msgs": counters.out_msgs,
        "out_bytes": counters.out_bytes,
        "out_client_msgs": counters.out_client_msgs,
        "out_client_bytes": counters.out_client_bytes,
        "slow_consumers": counters.slow_clients + counters.slow_leafs,
        "stale_connections": counters.stale_clients + counters.stale_leafs,
        "stalled_clients": counters.stalls,
        "subscriptions": counters.subscriptions,
    }


def _per_kind(counters: ServerCounters) -> dict[str, object]:
    slow = {"clients": counters.slow_clients, "leafs": counters.slow_leafs}
    stale = {"clients": counters.stale_clients, "leafs": counters.stale_leafs}
    nothing = {"routes": 0, "gateways": 0}
    return {"slow_consumer_stats": slow | nothing, "stale_connection_stats": stale | nothing}
