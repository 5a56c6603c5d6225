"""What is told of a client to whom it sends a request, and to the system account.

Knows connection facts and nats-server's shape of them; not who asks. Truth: nats-server 2.15.1
server/client.go getClientInfo (measured).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.go_time import format_time
from leafnode.protocol.client_info import ClientInfo
from leafnode.routing.peer import Kind

if TYPE_CHECKING:
    from leafnode.clients.registry import Registry
    from leafnode.routing.peer import Peer


def client_info(
    peer: Peer, registry: Registry, server_name: str, *, detailed: bool
) -> ClientInfo | None:
    """Return what may be told; without `detailed` only the account and the round trip."""
    account = peer.account.name if peer.account is not None else ""
    if peer.kind is not Kind.CLIENT:
        return _other_info(peer, account, server_name if detailed else "")
    handler = registry.open.get(peer.cid)
    if handler is None:
        return None
    if not detailed:
        return ClientInfo(acc=account, rtt=handler.rtt_ns)
    facts = handler.plain_facts()
    return ClientInfo(
        start=format_time(facts.start_ns),
        host=facts.ip,
        id=facts.cid,
        acc=account,
        user=facts.user,
        name=facts.name,
        lang=facts.lang,
        ver=facts.version,
        rtt=facts.rtt_ns,
        server=server_name,
        jwt=facts.jwt,
        issuer_key=facts.issuer_key,
        name_tag=facts.name_tag,
        tags=list(facts.tags),
        kind="Client",
        client_type=facts.type,
    )


def _other_info(peer: Peer, account: str, server_name: str) -> ClientInfo:
    if not server_name:
        return ClientInfo(acc=account)
    kind = "Leafnode" if peer.is_leaf else "Account"
    return ClientInfo(id=peer.cid, acc=account, name=peer.name, server=server_name, kind=kind)
