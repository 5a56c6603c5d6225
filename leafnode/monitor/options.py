"""What may be asked of each endpoint: the fields of a query, or of the JSON of a `$SYS` request.

A field is named as in nats-server's JSON; some have another name in a query, which `from_query`
knows. Pure. Truth: nats-server 2.15.1 server/monitor.go, the Options types and their Handle
functions, measured.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Self

import msgspec

from leafnode.monitor.query import BadQuery
from leafnode.protocol.subject import is_valid

if TYPE_CHECKING:
    from leafnode.monitor.query import Query

PAGE: Final = 1024  # nats-server's DefaultConnListSize and DefaultSubListSize


class ConnectionState(IntEnum):
    """Which connections /connz shows; by any other number none."""

    OPEN = 0
    CLOSED = 1
    ALL = 2


class Nothing(msgspec.Struct, frozen=True):
    """Options of an endpoint that has none."""

    @classmethod
    def from_query(cls, query: Query) -> Self:
        del query
        return cls()


class ConnzOptions(msgspec.Struct, frozen=True):
    """Options of /connz. `limit` 0 is the default; `auth` shows users and accounts."""

    sort: str = ""
    auth: bool = False
    subscriptions: bool = False
    subscriptions_detail: bool = False
    offset: int = 0
    limit: int = 0
    cid: int = 0
    mqtt_client: str = ""
    state: int = ConnectionState.OPEN
    user: str = ""
    acc: str = ""
    filter_subject: str = ""

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        auth = query.flag("auth")
        subscriptions, detail = _subscriptions(query)
        acc, subject = query.text("acc"), query.text("filter_subject")
        return cls(
            sort=query.text("sort"),
            auth=auth,
            subscriptions=subscriptions,
            subscriptions_detail=detail,
            offset=query.number("offset"),
            limit=query.number("limit"),
            cid=query.unsigned("cid"),
            state=_state(query),
            mqtt_client=query.text("mqtt_client"),
            user=query.text("user"),
            acc=acc,
            # Nats-server does not read it from a query: what it refuses elsewhere passes here.
            filter_subject=subject if acc and is_valid(subject.encode()) else "",
        )


class SubszOptions(msgspec.Struct, frozen=True):
    """Options of /subsz. `test`: only what a message on this subject would reach."""

    offset: int = 0
    limit: int = 0
    subscriptions: bool = False
    account: str = ""
    test: str = ""

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        return cls(
            subscriptions=query.flag("subs"),
            offset=query.number("offset"),
            limit=query.number("limit"),
            test=query.text("test"),
            account=query.text("acc"),
        )


class RoutezOptions(msgspec.Struct, frozen=True):
    """Options of /routez. There are no routes, so only their syntax counts."""

    subscriptions: bool = False
    subscriptions_detail: bool = False

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        subscriptions, detail = _subscriptions(query)
        return cls(subscriptions=subscriptions, subscriptions_detail=detail)


class GatewayzOptions(msgspec.Struct, frozen=True):
    """Options of /gatewayz. There are no gateways, so only their syntax counts."""

    name: str = ""
    accounts: bool = False
    account_name: str = ""
    subscriptions: bool = False
    subscriptions_detail: bool = False

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        subscriptions, detail = _subscriptions(query)
        return cls(
            name=query.text("gw_name"),
            accounts=query.flag("accs"),
            account_name=query.text("acc_name"),
            subscriptions=subscriptions,
            subscriptions_detail=detail,
        )


class LeafzOptions(msgspec.Struct, frozen=True):
    """Options of /leafz."""

    subscriptions: bool = False
    account: str = ""

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        return cls(subscriptions=query.flag("subs"), account=query.text("acc"))


class AccountzOptions(msgspec.Struct, frozen=True):
    """Options of /accountz."""

    account: str = ""

    @classmethod
    def from_query(cls, query: Query) -> Self:
        return cls(account=query.text("acc"))


class AccstatzOptions(msgspec.Struct, frozen=True):
    """Options of /accstatz. `accounts` can be asked for by `$SYS` requests only."""

    accounts: tuple[str, ...] | None = None
    include_unused: bool = False

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        return cls(include_unused=query.flag("unused"))


class JszOptions(msgspec.Struct, frozen=True):
    """Options of /jsz. `limit` 0 is the default, below it there is no page."""

    account: str = ""
    accounts: bool = False
    streams: bool = False
    consumer: bool = False
    direct_consumer: bool = False
    config: bool = False
    leader_only: bool = False
    offset: int = 0
    limit: int = 0
    raft: bool = False
    stream_leader_only: bool = False

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        return cls(
            accounts=query.flag("accounts"),
            streams=query.flag("streams"),
            consumer=query.flag("consumers"),
            direct_consumer=query.flag("direct-consumers"),
            config=query.flag("config"),
            offset=query.number("offset"),
            limit=query.number("limit"),
            leader_only=query.flag("leader-only"),
            raft=query.flag("raft"),
            stream_leader_only=query.flag("stream-leader-only"),
            account=query.text("acc"),
        )


class HealthzOptions(
    msgspec.Struct,
    frozen=True,
    rename={
        "js_enabled": "js-enabled",
        "js_enabled_only": "js-enabled-only",
        "js_server_only": "js-server-only",
        "js_meta_only": "js-meta-only",
    },
):
    """Options of /healthz. `leafnode`, ours: ask for what leads outside, too."""

    js_enabled: bool = False
    js_enabled_only: bool = False
    js_server_only: bool = False
    js_meta_only: bool = False
    account: str = ""
    stream: str = ""
    consumer: str = ""
    details: bool = False
    leafnode: bool = False

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        return cls(
            js_enabled=query.flag("js-enabled"),
            js_enabled_only=query.flag("js-enabled-only"),
            js_server_only=query.flag("js-server-only"),
            js_meta_only=query.flag("js-meta-only"),
            details=query.flag("details"),
            leafnode=query.flag("leafnode"),
            account=query.raw("account"),
            stream=query.raw("stream"),
            consumer=query.raw("consumer"),
        )


class MetricsOptions(msgspec.Struct, frozen=True):
    """Options of /metrics, ours: what can be many, and so is told only to who asks for it."""

    connz_detailed: bool = False
    subscriptions: bool = False

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        detailed, subscriptions = query.flag("connz_detailed"), query.flag("subs")
        return cls(connz_detailed=detailed, subscriptions=subscriptions)


class IpqueueszOptions(msgspec.Struct, frozen=True):
    """Options of /ipqueuesz. `filter` is a part of a queue's name."""

    all: bool = False
    filter: str = ""

    @classmethod
    def from_query(cls, query: Query) -> Self:
        """Raises BadQuery."""
        return cls(all=query.flag("all"), filter=query.text("queues"))


def page(limit: int, offset: int, most: int) -> tuple[int, int]:
    """Return (limit, offset) as they are used: a limit of 0 and less means the default."""
    return (min(limit, most) if limit > 0 else min(PAGE, most)), max(0, offset)


def _subscriptions(query: Query) -> tuple[bool, bool]:
    """Return (list, detailed list)."""
    if query.text("subs").lower() == "detail":
        return False, True
    return query.flag("subs"), False


def _state(query: Query) -> ConnectionState:
    match query.text("state").lower():
        case "" | "open":
            return ConnectionState.OPEN
        case "closed":
            return ConnectionState.CLOSED
        case "any" | "all":
            return ConnectionState.ALL
        case _:
            raise BadQuery(f"Error decoding state for {query.text('state')}")
