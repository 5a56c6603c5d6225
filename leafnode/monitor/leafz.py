"""/leafz: the links to hubs.

Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.jetstream.go_time import format_duration, format_time
from leafnode.monitor.connz import Listing
from leafnode.monitor.varz import address

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.leaf.handler import LeafzRow
    from leafnode.monitor.query import Query
    from leafnode.monitor.views import RemoteView, Views


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
        "leafnode": {"remotes": [_remote(remote) for remote in views.remotes()]},
    }


def _remote(remote: RemoteView) -> dict[str, object]:
    """A configured remote, connected or not: ours, because one that fails is in no row above."""
    shown: dict[str, object] = {"url": address(remote.url), "connected": remote.is_connected}
    if remote.disabled:
        shown["disabled"] = True
    if remote.error:
        shown["last_error"] = remote.error
    return shown


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
