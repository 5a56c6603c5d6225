"""/uplinkz and /serialz: what nats-server does not have.

Truth: docs/monitoring.md.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from leafnode.jetstream.go_time import format_time

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.monitor.views import Views
    from leafnode.uplink.status import UplinkStatus


def uplinkz(views: Views, clock: Clock) -> dict[str, object]:
    return {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "streams": [_uplink(status) for status in views.uplinks()],
    }


def serialz(views: Views, clock: Clock) -> dict[str, object]:
    return {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "ports": [asdict(port) for port in views.ports()],
    }


def _uplink(status: UplinkStatus) -> dict[str, object]:
    row: dict[str, object] = {
        "stream": status.stream,
        "hub_stream": status.hub_stream,
        "domain": status.domain,
        "prefix": status.prefix,
        "state": status.state.value,
        "protection": status.protection.value,
        "lag_messages": status.lag_messages,
        "window_messages": status.window_messages,
        "window_bytes": status.window_bytes,
        "in_flight": status.in_flight,
        "acked_seq": status.acked_seq,
    }
    row |= asdict(status.counters)
    row["last_ack"] = format_time(status.last_ack_ns)
    row["last_error"] = status.last_error
    return row
