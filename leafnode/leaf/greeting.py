"""What the server says of itself to every leaf below it, before `accepted` adds what is one's own.

Knows options and the INFO of clients; not connections. Truth: nats-server 2.15.1
server/leafnode.go startLeafNodeAcceptLoop, setLeafNodeInfoHostPortAndIP (measured).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.net.interfaces import reachable_at
from leafnode.protocol.leaf_greeting import LeafServerInfo
from leafnode.protocol.leaf_op import LEAF_PROTOCOL, TRACING_PROTOCOL

if TYPE_CHECKING:
    from leafnode.config.listener_options import LeafListener
    from leafnode.protocol.info import ServerInfo

_LOCAL: Final = ("127.", "::1", "fe80:")


def leaf_info(
    base: ServerInfo, listener: LeafListener, *, port: int, cluster: str, traces: bool
) -> LeafServerInfo:
    """Return INFO as it starts for every leaf. `port` is the one that is listened on.

    `cluster` is our own, empty for none. `traces`: messages are traced on here.
    """
    advertised = listener.advertise
    if advertised is not None:
        host, port = advertised.host, advertised.port or port
    else:
        host = _reached(listener.host)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return LeafServerInfo(
        server_id=base.server_id,
        server_name=base.server_name,
        version=base.version,
        proto=TRACING_PROTOCOL if traces else LEAF_PROTOCOL,
        git_commit="",
        go="",
        host=host,
        port=port,
        headers=base.headers,
        auth_required=True,
        tls_required=listener.tls is not None,
        tls_verify=listener.tls is not None and listener.tls.verify,
        max_payload=base.max_payload,
        jetstream=base.jetstream,
        ip=address,
        cluster=cluster,
        domain=base.domain,
        api_lvl=base.api_lvl,
        info_on_connect=True,
        leafnode_urls=[address],
    )


def _reached(host: str) -> str:
    """Return the address that others reach: of a listener on all the first that is not local."""
    found = reachable_at(host)
    if found == [host]:
        return host
    return next((one for one in found if not one.startswith(_LOCAL)), host)
