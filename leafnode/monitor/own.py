"""/uplinkz, /serialz and the key `leafnode` of /varz: what nats-server does not have.

Truth: docs/monitoring.md.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from msgspec import structs

from leafnode.go_time import format_time

if TYPE_CHECKING:
    from leafnode.bridge.devices import Device
    from leafnode.bridge.hotplug import HotplugStatus
    from leafnode.bridge.status import PortStatus
    from leafnode.clock import Clock
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import HttpFaults, OwnCounters, Views
    from leafnode.uplink.status import UplinkStatus


def leafnode(views: Views, http: HttpFaults) -> Steps[dict[str, object]]:
    """Return what /varz says beyond nats-server: version, warnings, and what each bound counts."""
    own = yield from views.own()
    return {
        "version": views.facts.leafnode_version,
        "warnings": views.warnings(),
        "clients": structs.asdict(own.clients),
        "net": structs.asdict(own.net),
        "http": structs.asdict(http),
        "caches": structs.asdict(own.caches),
        "accounts": structs.asdict(own.accounts),
        "leafs": structs.asdict(own.leafs),
        "jetstream": structs.asdict(own.jetstream) if own.jetstream is not None else {},
        "store": _store(own),
        "system": structs.asdict(own.system) if own.system is not None else {},
    }


def uplinkz(views: Views, clock: Clock, account: str = "") -> dict[str, object]:
    """Return the page; with an account only what that one may see: its own uplinks."""
    return {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "uplinks": [asdict(one) for one in views.budgets() if account in ("", one.account)],
        "streams": [uplink_row(one) for one in views.uplinks() if account in ("", one.account)],
        "left": [asdict(one) for one in views.left_durables() if account in ("", one.account)],
        "replies_refused": views.uplinks_refused(),
    }


def serialz(views: Views, clock: Clock) -> dict[str, object]:
    return {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "ports": _port_rows(views.ports()),
        "devices": [_device_row(device, clock) for device in views.devices()],
        "hotplug": _hotplug(views.hotplug()),
        "replies_refused": views.ports_refused(),
        "turns_deferred": views.ports_deferred(),
        "lost": views.ports_lost(),
    }


def _port_rows(ports: list[PortStatus]) -> list[dict[str, object]]:
    if not ports:
        return []
    from leafnode.bridge.status import row_of  # a server without ports has not loaded the bridge

    return [row_of(port) for port in ports]


def _device_row(device: Device, clock: Clock) -> dict[str, object]:
    row = asdict(device)
    silent_ns = clock.monotonic_ns() - row.pop("seen_ns")
    return row | {
        "silent_ns": silent_ns,
        "last_seen": format_time(clock.wall_ns() - silent_ns),
    }


def _hotplug(status: HotplugStatus | None) -> dict[str, object] | None:
    if status is None:
        return None
    row = asdict(status)
    last_ns = row.pop("last_ns")
    return row | {"last_at": format_time(last_ns) if last_ns else ""}


def _store(own: OwnCounters) -> dict[str, object]:
    if own.store is None:
        return {}
    return asdict(own.store.stats) | {"failed": own.store.failed}


def uplink_row(status: UplinkStatus) -> dict[str, object]:
    """Return what is shown of one stream's uplink."""
    row: dict[str, object] = {
        "uplink": status.uplink,
        "account": status.account,
        "stream": status.stream,
        "hub_stream": status.hub_stream,
        "domain": status.domain,
        "prefix": status.prefix,
        "priority": status.priority,
        "order": status.order,
        "state": status.state.value,
        "held": status.held,
        "backlog": status.backlog,
        "protection": status.protection.value,
        "lag_messages": status.lag_messages,
        "lag_bytes": status.lag_bytes,
        "lag_seconds": status.lag_seconds,
        "window_messages": status.window_messages,
        "window_bytes": status.window_bytes,
        "in_flight": status.in_flight,
        "acked_seq": status.acked_seq,
    }
    row |= asdict(status.counters)
    row["last_ack"] = format_time(status.last_ack_ns)
    row["last_error"] = status.last_error
    row["former_error"] = status.former_error
    row["former_error_end"] = format_time(status.former_error_ns)
    return row
