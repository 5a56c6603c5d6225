"""What CONSUMER.INFO says of a consumer.

Knows a consumer and the order of fields; changes nothing but what a look at who waits does. Truth:
nats-server 2.15.1 server/consumer.go (infoWithSnap), measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leafnode.go_time import format_time
from leafnode.jetstream import wire
from leafnode.jetstream.stream import with_dynamic

if TYPE_CHECKING:
    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.pending import Position


def shown(consumer: Consumer, *, dynamic: bool) -> dict[str, Any]:
    """Return ConsumerInfo, field by field as the server orders it."""
    waiting = consumer.outlet.waiting()
    delivered, _ = consumer.pending.kept()
    acks_all = consumer.config.ack_policy in {"all", "flow_control"}
    floor = consumer.pending.shown_floor(acks_all=acks_all)
    config = wire.to_dict(consumer.config)
    if dynamic:
        config["metadata"] = with_dynamic(consumer.config.metadata)
    out: dict[str, Any] = {
        "stream_name": consumer.stream.name,
        "name": consumer.name,
        "created": format_time(consumer.created_ns),
        "config": config,
        "delivered": _shown(delivered, consumer.delivered_ts_ns),
        "ack_floor": _shown(floor, consumer.acks.acked_ts_ns),
        "num_ack_pending": len(consumer.pending),
        # With one delivery nothing is delivered again, whatever is remembered.
        "num_redelivered": consumer.pending.redelivered if consumer.config.max_deliver != 1 else 0,
        "num_waiting": waiting,
        "num_pending": consumer.num_pending(),
    }
    if consumer.config.deliver_subject and consumer.outlet.is_used():
        out["push_bound"] = True
    left_ns = consumer.pause.remaining_ns()
    if left_ns:
        out["paused"] = True
        out["pause_remaining"] = left_ns
    out["ts"] = format_time(consumer.context.clock.wall_ns())
    groups = consumer.groups.shown()
    if groups:
        out["priority_groups"] = groups
    return out


def _shown(position: Position, active_ns: int) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "consumer_seq": position.consumer_seq,
        "stream_seq": position.stream_seq,
    }
    if active_ns:
        shown["last_active"] = format_time(active_ns)
    return shown
