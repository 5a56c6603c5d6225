"""/leafz: the links to hubs.

Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.jetstream.go_time import format_duration, format_time
from leafnode.monitor.connz import Listing

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.leaf.handler import LeafzRow
    from leafnode.monitor.query import Query
    from leafnode.monitor.views import Views


def leafz(views: Views, clock: Clock, query: Query) -> dict[str, object]:
    """Raises BadQuery."""
    listing = Listing(views, with_list=query.flag("subs"), with_detail=False)
    account = query.text("acc")
    rows = [
        _row(leaf) | listing.of(leaf.id) | {"compression": leaf.compression}
        for leaf in views.leafs()
        if account in {"", leaf.account}
    ]
    return {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "leafnodes": len(rows),
        "leafs": rows,
    }


def _row(leaf: LeafzRow) -> dict[str, object]:
    row: dict[str, object] = {
        "id": leaf.id,
        "name": leaf.name,
        "is_spoke": leaf.is_spoke,
        "account": leaf.account,
        "ip": leaf.ip,
        "port": leaf.port,
    }
    if leaf.rtt_ns:
        row["rtt"] = format_duration(leaf.rtt_ns // 1000 * 1000)
    return row | {
        "in_msgs": leaf.in_msgs,
        "out_msgs": leaf.out_msgs,
        "in_bytes": leaf.in_bytes,
        "out_bytes": leaf.out_bytes,
        "subscriptions": leaf.subscriptions,
    }
