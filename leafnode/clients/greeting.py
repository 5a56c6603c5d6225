"""What the server says of itself in INFO, to every client alike, and in the first one.

Knows options and a few facts of the running server; `handler` adds what is one connection's own.
Truth: nats-server 2.15.1 server/server.go New, server/server.go startup of the client listener.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from leafnode import __version__
from leafnode.auth.identity import ConnectionType
from leafnode.limits import API_LEVEL
from leafnode.protocol.info import COMPATIBLE_VERSION, PROTOCOL_VERSION, ServerInfo

if TYPE_CHECKING:
    from leafnode.config.options import Options


def server_info(
    options: Options,
    *,
    server_id: str,
    server_name: str,
    port: int,
    auth_required: bool,
    xkey: str = "",
) -> ServerInfo:
    """Return INFO as it starts for every connection. `port` is the one that is listened on.

    `client_advertise` tells another address than that.
    """
    advertised = options.client_advertise
    return ServerInfo(
        server_id=server_id,
        server_name=server_name,
        version=COMPATIBLE_VERSION,
        proto=PROTOCOL_VERSION,
        git_commit="",
        go="",
        host=advertised.host if advertised else options.host,
        port=(advertised.port if advertised else 0) or port,
        headers=not options.no_header_support,
        max_payload=options.max_payload_bytes,
        client_id=0,
        api_lvl=API_LEVEL,
        leafnode_version=__version__,
        auth_required=auth_required,
        xkey=xkey,
        tls_required=options.tls is not None and not options.allow_non_tls,
        tls_verify=options.tls is not None and options.tls.verify,
        tls_available=options.tls is not None and options.allow_non_tls,
        jetstream=options.jetstream is not None,
        domain=options.jetstream.domain if options.jetstream else "",
    )


def first_info(
    info: ServerInfo, options: Options, *, kind: ConnectionType, nonce: bytes, is_tls: bool
) -> ServerInfo:
    """Return the INFO that a connection begins with.

    What is signed is told once. Where there is a no_auth_user nobody needs credentials, which
    nats-server says in this INFO alone, and not over WebSocket. `is_tls`: it is encrypted already.
    """
    is_named = bool(options.no_auth_user) and not options.admits_guests
    is_open = is_named and kind is ConnectionType.STANDARD
    return msgspec.structs.replace(
        info,
        nonce=nonce.decode(),
        auth_required=info.auth_required and not is_open,
        tls_required=info.tls_required or is_tls,
    )
