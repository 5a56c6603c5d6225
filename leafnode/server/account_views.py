"""What monitoring sees of an account: counters, what it is made of, and what its JWT says.

Knows accounts from outside and, in operator mode, their JWTs; not how an answer is written. Truth:
nats-server 2.15.1 server/monitor.go accountInfo.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import structs

from leafnode.config.account_options import AccountOptions
from leafnode.metrics import Traffic
from leafnode.monitor import account_parts
from leafnode.monitor.views import AccountParts, AccountView, SublistView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leafnode.leaf.link import Link
    from leafnode.server.server import Server


def account_view(server: Server, name: str, links: Sequence[Link]) -> AccountView | None:
    """Return an account as it is now; None where there is none. `links` are all that are up."""
    account = server.accounts.get(name)
    if account is None:
        return None
    sublist = account.sublist
    links = [link for link in links if link.peer.account is account]
    leaf_traffic = Traffic()
    for link in links:
        leaf_traffic.add(link.peer.traffic)
    jetstream = server.features.jetstream
    system = server.features.system
    options = server.account_set.options.get(name) or AccountOptions(name)
    return AccountView(
        name=name,
        name_tag=options.name_tag,
        tags=options.tags,
        is_system=name == server.account_set.system_name,
        made_of=partial(_made_of, server, name),
        slow_consumers=sum([link.slow for link in links])
        + (system.tally.slow_consumers(name) if system is not None else 0),
        jetstream=jetstream is not None and account.name in jetstream.by_account,
        clients=len(account.clients),
        leafs=len(links),
        traffic=account.traffic,
        leaf_traffic=leaf_traffic,
        sublist=SublistView(
            count=sublist.count,
            cached=sublist.cached,
            inserts=sublist.inserts,
            removes=sublist.removes,
            matches=sublist.hits + sublist.misses,
            hits=sublist.hits,
            fanout=sublist.fanout,
        ),
        **_signed(server, name),
    )


def _made_of(server: Server, name: str) -> AccountParts:
    options, system_name = server.account_set.in_force(name), server.account_set.system_name
    jetstream = server.features.jetstream is not None
    offered = account_parts.server_exports(jetstream=jetstream) if name == system_name else []
    return AccountParts(
        mappings=account_parts.mappings(options),
        exports=account_parts.exports(options) + offered,
        imports=account_parts.imports(options, server.account_set.service_export)
        + account_parts.server_imports(name, system_name, jetstream=jetstream),
    )


def _is_complete(server: Server, name: str) -> bool:
    """Say whether all that the JWT imports is there."""
    return server.account_set.in_force(name) == server.account_set.options.get(name)


def _signed(server: Server, name: str) -> dict[str, Any]:
    """Return what only an account of operator mode has."""
    operator = server.operator
    account = operator.known.by_name.get(name) if operator is not None else None
    if operator is None or account is None:
        return {"updated_ns": server.started_wall_ns}
    from leafnode.auth.shown import shown_claims

    token = account.token
    return {
        "jwt": token,
        "claim": partial(shown_claims, token) if token else None,
        "limits": structs.asdict(account.claims.nats.limits),
        "issuer_key": account.claims.iss,
        "expired": account.expired or account.removed,
        "complete": partial(_is_complete, server, name),
        "updated_ns": account.updated_ns,
        "revoked_users": account.claims.nats.revocations,
    }
