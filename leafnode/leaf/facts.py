"""What /leafz and /connz see of a leaf link, while it is open and once it is over.

Knows a row of /leafz and a peer; not sessions and not who keeps what is over. Truth: nats-server
2.15.1 server/monitor.go ConnInfo, measured on its binary.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from leafnode.clients.facts import ClosedConnection, ConnectionFacts, subscription_facts
from leafnode.leaf.terms import LeafzRow
from leafnode.limits import CLOSED_SUBSCRIPTIONS_MAX

if TYPE_CHECKING:
    from leafnode.routing.peer import Peer


def leafz_row(
    peer: Peer,
    address: str,
    said: dict[str, str],
    *,
    rtt_ns: int,
    compression: str,
    is_websocket: bool,
) -> LeafzRow:
    """Return a link as it is now; what its other side `said` of itself by the names of the row."""
    ip, _, port = address.rpartition(":")
    traffic, side = peer.traffic, peer.leaf
    return LeafzRow(
        id=peer.cid,
        name=peer.name,
        is_spoke=side.is_hub,
        account=peer.account.name if peer.account is not None else "",
        ip=ip,
        port=int(port or 0),
        rtt_ns=rtt_ns,
        in_msgs=traffic.in_msgs,
        out_msgs=traffic.out_msgs,
        in_bytes=traffic.in_bytes,
        out_bytes=traffic.out_bytes,
        subscriptions=len(peer.subs),
        compression=compression,
        is_isolated=side.is_isolated,
        is_websocket=is_websocket,
        **said,
    )


def connection_facts(
    row: LeafzRow, peer: Peer, *, start_ns: int, now_ns: int, began_ns: int, pending_bytes: int
) -> ConnectionFacts:
    """Return a link as it is now. `start_ns` is wall time, `now_ns` and `began_ns` are not."""
    active_ns, active_wall_ns = peer.active
    return ConnectionFacts(
        cid=row.id,
        kind="Leafnode",
        type="",
        ip=row.ip,
        port=row.port,
        account=row.account,
        user=row.user,
        name=row.said_name,  # a link that we dialed has none there; /leafz has the hub's
        lang="",
        version=row.version,
        start_ns=start_ns,
        last_activity_ns=active_wall_ns,
        rtt_ns=row.rtt_ns,
        uptime_ns=now_ns - began_ns,
        idle_ns=now_ns - active_ns,
        pending_bytes=pending_bytes,
        in_msgs=row.in_msgs,
        out_msgs=row.out_msgs,
        in_bytes=row.in_bytes,
        out_bytes=row.out_bytes,
        subscriptions=row.subscriptions,
    )


def closed_connection(
    facts: ConnectionFacts, peer: Peer, stop_ns: int, reason: str
) -> ClosedConnection:
    """Return what is kept of a link that ends, while it has its subscriptions."""
    subs = islice(peer.subs.values(), CLOSED_SUBSCRIPTIONS_MAX)
    listed = tuple(subscription_facts(sub, account=facts.account) for sub in subs)
    return ClosedConnection(facts, stop_ns, reason, listed)
