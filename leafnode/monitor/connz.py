"""/connz: the open client connections.

Truth: measured on nats-server 2.15.1. Leaf links are in /leafz only; closed connections are not
kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.jetstream.go_time import format_duration, format_time
from leafnode.monitor.query import BadQuery
from leafnode.monitor.text import shown, uptime

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clients.facts import ConnectionFacts
    from leafnode.clock import Clock
    from leafnode.monitor.query import Query
    from leafnode.monitor.views import SubscriptionView, Views

# How nats-server orders: cid, start and uptime upward, everything else downward.
_ORDERS: Final[dict[str, Callable[[ConnectionFacts], int]]] = {
    "cid": lambda facts: facts.cid,
    "start": lambda facts: facts.start_ns,
    "subs": lambda facts: -facts.subscriptions,
    "pending": lambda facts: -facts.pending_bytes,
    "msgs_to": lambda facts: -facts.out_msgs,
    "msgs_from": lambda facts: -facts.in_msgs,
    "bytes_to": lambda facts: -facts.out_bytes,
    "bytes_from": lambda facts: -facts.in_bytes,
    "last": lambda facts: -facts.last_activity_ns,
    "idle": lambda facts: -facts.idle_ns,
    "uptime": lambda facts: facts.uptime_ns,
    "rtt": lambda facts: -facts.rtt_ns,
}
_CLOSED_ONLY: Final = ("stop", "reason")
_NOT_BUILT: Final = ("filter_subject", "mqtt_client")


def connz(views: Views, clock: Clock, query: Query) -> dict[str, object]:
    """Raises BadQuery."""
    order = _order(query)
    _check_state(query)
    for name in _NOT_BUILT:
        if query.text(name):
            raise BadQuery(f"{name} is not supported")
    subscriptions, detailed = subscription_flags(query)
    with_auth = query.flag("auth")
    cid = query.unsigned("cid")
    limit, offset = page(query)
    chosen = [
        facts
        for facts in views.connections()
        if query.text("acc") in {"", facts.account} and query.text("user") in {"", facts.user}
    ]
    total = len(chosen)
    if cid:
        limit, offset = 1, 0
        chosen = [facts for facts in chosen if facts.cid == cid]
    chosen.sort(key=order)
    listing = Listing(views, with_list=subscriptions, with_detail=detailed)
    rows = [
        _row(facts, with_auth=with_auth) | listing.of(facts.cid)
        for facts in chosen[offset : offset + limit]
    ]
    return {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "num_connections": len(rows),
        "total": total,
        "offset": offset,
        "limit": limit,
        "connections": rows,
    }


def page(query: Query) -> tuple[int, int]:
    """Return (limit, offset); 0 and less mean the default, which is also the most."""
    limit = query.number("limit")
    if not 0 < limit <= limits.MONITOR_LIMIT_MAX:
        limit = limits.MONITOR_LIMIT_MAX
    return limit, max(0, query.number("offset"))


def subscription_flags(query: Query) -> tuple[bool, bool]:
    """Return (list, detailed list)."""
    if query.text("subs") == "detail":
        return False, True
    return query.flag("subs"), False


class Listing:
    """Subscriptions of the connections in one answer, all together bounded."""

    def __init__(self, views: Views, *, with_list: bool, with_detail: bool) -> None:
        self._views = views
        self._with_list = with_list
        self._with_detail = with_detail
        self._left = limits.MONITOR_SUBSCRIPTIONS_MAX

    def of(self, cid: int) -> dict[str, object]:
        if not (self._with_list or self._with_detail) or self._left == 0:
            return {}
        found = self._views.subscriptions(cid)[: self._left]
        self._left -= len(found)
        if self._with_list:
            return {"subscriptions_list": [shown(sub.subject) for sub in found]}
        return {"subscriptions_list_detail": [_detail(cid, sub) for sub in found]}


def _detail(cid: int, sub: SubscriptionView) -> dict[str, object]:
    answer: dict[str, object] = {"subject": shown(sub.subject)}
    if sub.queue:
        answer["qgroup"] = shown(sub.queue)
    answer |= {"sid": shown(sub.sid), "msgs": sub.msgs}
    if sub.max_msgs:
        answer["max"] = sub.max_msgs
    return answer | {"cid": cid}


def _order(query: Query) -> Callable[[ConnectionFacts], int]:
    name = query.text("sort") or "cid"
    if name in _CLOSED_ONLY:
        raise BadQuery(f"sort by {name} only valid on closed connections")
    if name not in _ORDERS:
        raise BadQuery(f"invalid sorting option: {name}")
    return _ORDERS[name]


def _check_state(query: Query) -> None:
    state = query.text("state").lower()
    if state == "closed":
        raise BadQuery("state=closed is not supported: closed connections are not kept")
    if state not in {"", "open", "all", "any"}:
        raise BadQuery(f"Error decoding state for {query.text('state')}")


def _row(facts: ConnectionFacts, *, with_auth: bool) -> dict[str, object]:
    row: dict[str, object] = {
        "cid": facts.cid,
        "kind": "Client",
        "type": "nats",
        "ip": facts.ip,
        "port": facts.port,
        "start": format_time(facts.start_ns),
        "last_activity": format_time(facts.last_activity_ns),
    }
    if facts.rtt_ns:
        row["rtt"] = format_duration(facts.rtt_ns // 1000 * 1000)
    row |= {
        "uptime": uptime(facts.uptime_ns),
        "idle": uptime(facts.idle_ns),
        "pending_bytes": facts.pending_bytes,
        "in_msgs": facts.in_msgs,
        "out_msgs": facts.out_msgs,
        "in_bytes": facts.in_bytes,
        "out_bytes": facts.out_bytes,
        "subscriptions": facts.subscriptions,
    }
    named = {"name": facts.name, "lang": facts.lang, "version": facts.version}
    if with_auth:
        named |= {"authorized_user": facts.user, "account": facts.account}
    return row | {key: value for key, value in named.items() if value}
