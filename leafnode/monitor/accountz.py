"""/accountz and /accstatz: the accounts, what they are made of and what they did.

Truth: measured on nats-server 2.15.1, server/monitor.go Accountz, server/events.go AccountStat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.go_time import format_time
from leafnode.monitor.query import BadQuery
from leafnode.monitor.steps import ROWS_PER_TURN
from leafnode.monitor.subsz import stats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leafnode.clock import Clock
    from leafnode.metrics import Traffic
    from leafnode.monitor.options import AccountzOptions, AccstatzOptions
    from leafnode.monitor.steps import Steps
    from leafnode.monitor.views import AccountView, Views


def accountz(views: Views, clock: Clock, options: AccountzOptions) -> Steps[dict[str, object]]:
    """Raises BadQuery."""
    answer: dict[str, object] = {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "system_account": views.facts.system_account,
    }
    if not options.account:
        return answer | {"accounts": views.accounts()}
    account = views.account(options.account)
    if account is None:
        raise BadQuery(f"Account {options.account} does not exist")
    claim = (yield from account.claim()) if account.claim is not None else {}
    return answer | {"account_detail": _detail(account, claim)}


def _detail(account: AccountView, claim: Mapping[str, object]) -> dict[str, object]:
    made_of = account.made_of()
    answer: dict[str, object] = {
        "account_name": account.name,
        "update_time": format_time(account.updated_ns),
    }
    if account.is_system:
        answer["is_system"] = True
    answer |= {
        "expired": account.expired,
        "complete": account.complete(),
        "jetstream_enabled": account.jetstream,
        "leafnode_connections": account.leafs,
        "client_connections": account.clients,
        "subscriptions": account.sublist.count,
    }
    optional: dict[str, object] = {
        "mappings": made_of.mappings,
        "exports": made_of.exports,
        "imports": made_of.imports,
        "jwt": account.jwt,
        "issuer_key": account.issuer_key,
        "name_tag": account.name_tag or account.name,
        "tags": list(account.tags),
        "decoded_jwt": claim,
        "revoked_user": {
            key: format_time(since_s * NS_PER_S) for key, since_s in account.revoked_users.items()
        },
    }
    answer |= {key: value for key, value in optional.items() if value}
    return answer | {"sublist_stats": stats([account.sublist])}


def accstatz(views: Views, clock: Clock, options: AccstatzOptions) -> Steps[dict[str, object]]:
    """Return what the accounts did: those with connections, or all of them."""
    rows: list[dict[str, object]] = []
    for number, name in enumerate(options.accounts or views.accounts(), 1):
        account = views.account(name)
        if account is not None and (options.include_unused or account.clients or account.leafs):
            rows.append(account_stat(account))
        if number % ROWS_PER_TURN == 0:
            yield
    return {
        "server_id": views.facts.server_id,
        "now": format_time(clock.wall_ns()),
        "account_statz": rows,
    }


def account_stat(account: AccountView) -> dict[str, object]:
    """Return an account's counters: sent and received as the server sees it."""
    leafs = account.leaf_traffic
    return {
        "acc": account.name,
        "name": account.name_tag or account.name,
        "conns": account.clients,
        "leafnodes": account.leafs,
        "total_conns": account.clients + account.leafs,
        "num_subscriptions": account.sublist.count,
        "sent": _data(account.traffic.out_msgs, account.traffic.out_bytes, _out(leafs)),
        "received": _data(account.traffic.in_msgs, account.traffic.in_bytes, _in(leafs)),
        "slow_consumers": account.slow_consumers,
    }


def _out(traffic: Traffic) -> dict[str, int]:
    return {"msgs": traffic.out_msgs, "bytes": traffic.out_bytes}


def _in(traffic: Traffic) -> dict[str, int]:
    return {"msgs": traffic.in_msgs, "bytes": traffic.in_bytes}


def _data(msgs: int, size: int, leafs: dict[str, int]) -> dict[str, object]:
    return {
        "msgs": msgs,
        "bytes": size,
        "gateways": {"msgs": 0, "bytes": 0},
        "routes": {"msgs": 0, "bytes": 0},
        "leafs": leafs,
    }
