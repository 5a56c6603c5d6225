"""/leafz: the links to hubs, and to leafs below us.

Truth: measured on nats-server 2.15.1, server/monitor.go Leafz. The key `leafnode` is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.go_time import format_time
from leafnode.monitor.connz import Listing, round_trip
from leafnode.monitor.varz import address

if TYPE_CHECKING:
    from leafnode.clock import Clock
    from leafnode.leaf.terms import LeafzRow
    from leafnode.monitor.options import LeafzOptions
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import RemoteView, Views


def leafz(views: Views, clock: Clock, options: LeafzOptions) -> Steps[dict[str, object]]:
    """Links of dialed remotes and of accepted leafs; their subscriptions can be many."""
    listing = Listing(views, with_list=options.subscriptions, with_detail=False)
    rows = []
    for leaf in views.leafs():
        if options.account in {"", leaf.account}:
            subjects = yield from listing.subjects(leaf.id)
            rows.append(_row(leaf, subjects))
            yield
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


def _row(leaf: LeafzRow, subjects: list[str]) -> dict[str, object]:
    row: dict[str, object] = {
        "id": leaf.id,
        "name": leaf.name,
        "is_spoke": leaf.is_spoke,
        **({"is_isolated": True} if leaf.is_isolated else {}),
        "account": leaf.account,
        "ip": leaf.ip,
        "port": leaf.port,
        "rtt": round_trip(leaf.rtt_ns),
        "in_msgs": leaf.in_msgs,
        "out_msgs": leaf.out_msgs,
        "in_bytes": leaf.in_bytes,
        "out_bytes": leaf.out_bytes,
        "subscriptions": leaf.subscriptions,
    }
    if subjects:
        row["subscriptions_list"] = subjects
    row["compression"] = leaf.compression
    if leaf.proxy:
        row["proxy"] = {"key": leaf.proxy}
    return row | ({"websocket": True} if leaf.is_websocket else {})
