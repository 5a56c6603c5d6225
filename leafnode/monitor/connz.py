"""/connz: the connections, open and closed.

Truth: measured on nats-server 2.15.1, server/monitor.go Connz. `filter_subject` is taken from a
query too, where nats-server takes it from a `$SYS` request only.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from leafnode import limits
from leafnode.go_time import format_duration, format_time
from leafnode.monitor.options import ConnectionState, ConnzOptions, page
from leafnode.monitor.query import BadQuery
from leafnode.monitor.steps import ROWS_PER_TURN, consumed, slices
from leafnode.monitor.text import shown, uptime
from leafnode.protocol.subject import collides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from leafnode.clients.facts import ClosedConnection, ConnectionFacts, SubscriptionFacts
    from leafnode.clock import Clock
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import Connection, Views

T = TypeVar("T")
_SUBS_PER_TURN: Final = 500  # looked at in one turn of the loop, of about 2 us each on a PC
_GLOBAL: Final = "$G"  # its name is not shown, as on nats-server


class Shown(NamedTuple):
    """One row in the making: an open connection, or one that is closed."""

    facts: ConnectionFacts
    closed: ClosedConnection | None = None


def _reason(row: Shown) -> str:
    return row.closed.reason if row.closed else ""


# How nats-server orders: cid, start, uptime and reason upward, everything else downward.
_UP: Final[dict[str, Callable[[Shown], int | str]]] = {
    "": lambda row: row.facts.cid,
    "cid": lambda row: row.facts.cid,
    "start": lambda row: row.facts.cid,
    "uptime": lambda row: row.facts.uptime_ns,
    "reason": _reason,
}
_DOWN: Final[dict[str, Callable[[Shown], int]]] = {
    "subs": lambda row: row.facts.subscriptions,
    "pending": lambda row: row.facts.pending_bytes,
    "msgs_to": lambda row: row.facts.out_msgs,
    "msgs_from": lambda row: row.facts.in_msgs,
    "bytes_to": lambda row: row.facts.out_bytes,
    "bytes_from": lambda row: row.facts.in_bytes,
    "last": lambda row: row.facts.last_activity_ns,
    "idle": lambda row: -row.facts.last_activity_ns,
    "stop": lambda row: row.closed.stop_ns if row.closed else 0,
    "rtt": lambda row: row.facts.rtt_ns,
}
_CLOSED_ONLY: Final = frozenset({"stop", "reason"})
_AS_THEY_CAME: Final = frozenset({"", "cid", "start"})  # open connections are in this order


def connz(views: Views, clock: Clock, options: ConnzOptions) -> Steps[dict[str, object]]:
    """Raises BadQuery."""
    _check(options)
    limit, offset = page(options.limit, options.offset, limits.MONITOR_LIMIT_MAX)
    if options.cid:
        limit = 1
    answer: dict[str, object] = {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "num_connections": 0,
        "total": 0,
        "offset": offset,
        "limit": limit,
        "connections": [],
    }
    if options.acc and views.account(options.acc) is None:
        return answer | {"server_id": "", "connections": None}
    open_, closed = yield from _everybody(views, options)
    answer["total"] = len(open_) + len(closed)
    if options.cid:
        open_ = [one for one in open_ if one.peer.cid == options.cid]
        closed = [one for one in closed if one.facts.cid == options.cid] if not open_ else []
    if not closed and _is_as_they_came(options):
        open_, offset = open_[offset : offset + limit], 0  # the others need not be looked at
    rows = yield from _chosen(views, options, open_, closed)
    _sort(rows, options.sort)
    listing = Listing(
        views,
        with_list=options.subscriptions,
        with_detail=options.subscriptions_detail,
    )
    shown_rows: list[dict[str, object]] = []
    rows = rows[offset : offset + limit]
    for piece in consumed(rows):
        for row in piece:
            listed = yield from listing.of(row)
            shown_rows.append(_row(views, row, listed, with_auth=options.auth))
        yield
    answer["connections"] = shown_rows
    answer["num_connections"] = len(shown_rows)
    return answer


def _check(options: ConnzOptions) -> None:
    if options.sort not in _UP and options.sort not in _DOWN:
        raise BadQuery(f"invalid sorting option: {options.sort}")
    if options.sort in _CLOSED_ONLY and options.state != ConnectionState.CLOSED:
        raise BadQuery(f"sort by {options.sort} only valid on closed connections")
    if _filter(options) and not options.acc:
        raise BadQuery("filter by subject only valid with account filtering")


def _filter(options: ConnzOptions) -> str:
    return "" if options.filter_subject == ">" else options.filter_subject


def _is_as_they_came(options: ConnzOptions) -> bool:
    return options.sort in _AS_THEY_CAME and not (
        options.user or options.mqtt_client or _filter(options)
    )


def _everybody(
    views: Views, options: ConnzOptions
) -> Steps[tuple[list[Connection], list[ClosedConnection]]]:
    """Return the connections in this state and of this account, all if there is none."""
    wants_open = options.state in {ConnectionState.OPEN, ConnectionState.ALL}
    open_ = list(views.connections()) if wants_open else []
    if options.acc:
        open_ = [one for one in open_ if _account(one) == options.acc]
    closed: list[ClosedConnection] = []
    if options.state in {ConnectionState.CLOSED, ConnectionState.ALL}:
        past = iter(views.closed())
        while piece := list(islice(past, ROWS_PER_TURN)):
            closed += [one for one in piece if options.acc in {"", one.facts.account}]
            yield
    return open_, closed


def _account(connection: Connection) -> str:
    return connection.peer.account.name if connection.peer.account is not None else ""


def _chosen(
    views: Views,
    options: ConnzOptions,
    open_: Sequence[Connection],
    closed: list[ClosedConnection],
) -> Steps[list[Shown]]:
    """Return those of the connections that the other filters let through."""
    if options.mqtt_client:
        return []  # nobody speaks MQTT here
    rows: list[Shown] = []
    for piece in slices(open_):
        rows += [Shown(connection.facts()) for connection in piece]
        yield
    for past in consumed(closed):
        rows += [Shown(one.facts, one) for one in past]
        yield
    if options.user:
        rows = [row for row in rows if row.facts.authorized_user == options.user]
    if subject := _filter(options):
        rows = yield from _interested(views, rows, subject.encode())
    return rows


def _interested(views: Views, rows: list[Shown], subject: bytes) -> Steps[list[Shown]]:
    """Return the open ones that subscribed to something in common with `subject`."""
    found = []
    looked_at = 0
    for piece in consumed(rows):
        for row in piece:
            if row.closed:
                found.append(row)
                continue
            for sub in views.subscriptions(row.facts.cid):
                if collides(subject, sub.subject):
                    found.append(row)
                    break
                looked_at += 1
                if looked_at % _SUBS_PER_TURN == 0:
                    yield
        yield
    return found


def _sort(rows: list[Shown], order: str) -> None:
    if order in _UP:
        rows.sort(key=_UP[order])
    else:
        rows.sort(key=_DOWN[order], reverse=True)


class Listing:
    """Subscriptions of the connections in one answer, all together bounded."""

    def __init__(self, views: Views, *, with_list: bool, with_detail: bool) -> None:
        self._views = views
        self._with_list = with_list
        self._with_detail = with_detail
        self._left = limits.MONITOR_SUBSCRIPTIONS_MAX

    def of(self, row: Shown) -> Steps[dict[str, object]]:
        if not (self._with_list or self._with_detail):
            return {}
        subs = row.closed.subscriptions if row.closed else self._views.subscriptions(row.facts.cid)
        if self._with_detail:
            found = yield from self._listed(subs, detail)
            return {"subscriptions_list_detail": found} if found else {}
        names = yield from self._listed(subs, _subject)
        return {"subscriptions_list": names} if names else {}

    def subjects(self, cid: int) -> Steps[list[str]]:
        """Return only the subjects of an open connection."""
        if not self._with_list:
            return []
        return (yield from self._listed(self._views.subscriptions(cid), _subject))

    def _listed(
        self, subs: Iterable[SubscriptionFacts], show: Callable[[SubscriptionFacts], T]
    ) -> Steps[list[T]]:
        listed = []
        for sub in islice(subs, self._left):
            listed.append(show(sub))
            self._left -= 1
            if self._left % _SUBS_PER_TURN == 0:
                yield
        return listed


def _subject(sub: SubscriptionFacts) -> str:
    return shown(sub.subject)


def detail(sub: SubscriptionFacts) -> dict[str, object]:
    """Return a subscription as nats-server shows it; with its account where that is told."""
    answer: dict[str, object] = {}
    if sub.account:
        answer = {"account": sub.account, "account_tag": sub.account}
    answer["subject"] = shown(sub.subject)
    if sub.queue:
        answer["qgroup"] = shown(sub.queue)
    answer |= {"sid": shown(sub.sid), "msgs": sub.msgs}
    if sub.max_msgs:
        answer["max"] = sub.max_msgs
    return answer | {"cid": sub.cid}


def _row(
    views: Views, row: Shown, listed: dict[str, object], *, with_auth: bool
) -> dict[str, object]:
    facts = row.facts
    answer: dict[str, object] = {"cid": facts.cid, "kind": facts.kind}
    if facts.type:
        answer["type"] = facts.type
    answer |= {
        "ip": facts.ip,
        "port": facts.port,
        "start": format_time(facts.start_ns),
        "last_activity": format_time(facts.last_activity_ns),
    }
    if row.closed is not None:
        answer |= {"stop": format_time(row.closed.stop_ns), "reason": row.closed.reason}
    answer["rtt"] = round_trip(facts.rtt_ns)
    answer |= {
        "uptime": uptime(facts.uptime_ns),
        "idle": uptime(facts.idle_ns),
        "pending_bytes": facts.pending_bytes,
        "in_msgs": facts.in_msgs,
        "out_msgs": facts.out_msgs,
        "in_bytes": facts.in_bytes,
        "out_bytes": facts.out_bytes,
    }
    if facts.stalls:
        answer["stalls"] = facts.stalls
    answer["subscriptions"] = facts.subscriptions
    named: dict[str, object] = {
        "name": facts.name,
        "lang": facts.lang,
        "version": facts.version,
        "tls_version": facts.tls_version,
        "tls_cipher_suite": facts.tls_cipher,
    }
    if with_auth and row.closed is None:  # as on nats-server
        named["tls_peer_certs"] = _certificates(facts)
    named["tls_first"] = facts.tls_first
    if with_auth:
        named |= _auth(views, facts, listed)
        if row.closed is not None and facts.account in {"", _GLOBAL}:
            del named["name_tag"]  # told of open connections only, as on nats-server
    else:
        named |= listed
    return answer | {key: value for key, value in named.items() if value}


def _certificates(facts: ConnectionFacts) -> list[dict[str, str]]:
    return [
        {
            **({"subject": certificate.subject} if certificate.subject else {}),
            "spki_sha256": certificate.spki_sha256,
            "cert_sha256": certificate.cert_sha256,
        }
        for certificate in facts.tls_peer_certs
    ]


def _auth(views: Views, facts: ConnectionFacts, listed: dict[str, object]) -> dict[str, object]:
    return {
        "authorized_user": facts.authorized_user,
        "account": facts.account if facts.account != _GLOBAL else "",
        **listed,
        "jwt": facts.jwt,
        "issuer_key": facts.issuer_key,
        "name_tag": views.name_tag(facts.account),
        "tags": list(facts.tags),
    }


def round_trip(ns: int) -> str:
    """Return a round trip as nats-server writes it: below a millisecond without nanoseconds."""
    return format_duration(ns // 1000 * 1000 if ns < 1_000_000 else ns)
