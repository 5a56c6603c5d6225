"""What is published about a measured request, as JSON.

Knows measurements and nats-server's shape of them; not how they came about. Truth: nats-server
2.15.1 server/accounts.go ServiceLatency, sendTrackingLatency (measured).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, UnsetType

from leafnode import go_json
from leafnode.go_time import format_time
from leafnode.protocol.client_info import ClientInfo  # noqa: TC001 -- msgspec reads it

if TYPE_CHECKING:
    from leafnode.routing.latency import Measurement

METRIC_TYPE: Final = "io.nats.server.metric.v1.service_latency"


class Metric(msgspec.Struct):
    """One measurement, in the order of nats-server's fields. Spans are nanoseconds."""

    type: str
    id: str
    timestamp: str
    status: int
    description: str | UnsetType
    requestor: ClientInfo | UnsetType
    responder: ClientInfo | UnsetType
    header: dict[str, list[str]] | UnsetType
    start: str
    service: int
    system: int
    total: int


def encode(measurement: Measurement, *, event_id: str, now_wall_ns: int) -> bytes:
    """Return the JSON text.

    A client's round trip is estimated, so what is left for the service is never below zero.
    """
    status, description = measurement.outcome
    requester_rtt_ns = measurement.requester.rtt if measurement.requester else 0
    responder_rtt_ns = measurement.responder.rtt if measurement.responder else 0
    is_answered = measurement.responder is not None
    metric = Metric(
        type=METRIC_TYPE,
        id=event_id,
        timestamp=format_time(now_wall_ns),
        status=status,
        description=description or UNSET,
        requestor=measurement.requester or UNSET,
        responder=measurement.responder or UNSET,
        header=measurement.headers or UNSET,
        start=format_time(measurement.started_wall_ns - requester_rtt_ns),
        service=max(0, measurement.service_ns - responder_rtt_ns),
        system=0,
        total=requester_rtt_ns + measurement.service_ns if is_answered else 0,
    )
    return go_json.encode(metric)
