"""The ports for clients: what a connection passes before it is a client, and who serves it.

Knows how TLS, the PROXY protocol and client handlers are put together; not how any of them works.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from leafnode.clients.handler import ClientHandler, ClientSeams
from leafnode.config.options import HostPort
from leafnode.net.entry import Entrance

if TYPE_CHECKING:
    from leafnode.config.listener_options import ListenerTls
    from leafnode.net.listener import Listener
    from leafnode.net.tls_context import ServerTls
    from leafnode.server.server import Server

log = logging.getLogger(__name__)


async def bind_clients(server: Server) -> Listener:
    """Listen for clients. Raises ListenError, TlsError."""
    options = server.options
    tls = await server_tls(server, options.tls)
    entrance = Entrance(
        server.clock, tls=tls, allow_plain=options.allow_non_tls, proxy=options.proxy_protocol
    )
    server.entrances["clients"] = entrance
    listener = await server.listeners.bind(
        HostPort(options.host, options.port),
        lambda: entrance.session(ClientHandler(seams)),
        write_deadline_ns=options.write_deadline_ns,
    )
    server.port = listener.port
    server.client_seams = seams = client_seams(server, entrance)
    shown = f"[{options.host}]" if ":" in options.host else options.host
    log.info("Listening for client connections on %s:%d", shown, server.port)
    if options.tls is not None:
        _tell_of_tls(server, options.tls)
    return listener


async def server_tls(server: Server, options: ListenerTls | None) -> ServerTls | None:
    """Read the certificates of a listener; None without options. Raises TlsError."""
    if options is None:
        return None
    from leafnode.net.tls_context import ServerTls

    tls = await asyncio.to_thread(ServerTls, options)
    for warning in tls.warnings:
        server.warn(warning)
    return tls


def client_seams(server: Server, entrance: Entrance) -> ClientSeams:
    """Return what the clients of one listener share."""
    return ClientSeams(
        options=server.options,
        info=server.info(),
        clock=server.clock,
        random=server.random,
        token_bytes=server.token_bytes,
        outbox=server.turn.outbox,
        account=server.account,
        authenticator=server.authenticator,
        registry=server.registry,
        next_cid=server.next_cid,
        map_certificate=server.options.tls is not None and server.options.tls.verify_and_map,
        entry_ns=entrance.budget_ns,
    )


def _tell_of_tls(server: Server, tls: ListenerTls) -> None:
    first_only = tls.handshake_first and not tls.fallback_ns
    may_be_plain = server.options.allow_non_tls and not first_only
    log.info("TLS %s for client connections", "available" if may_be_plain else "required")
    if first_only:
        server.warn('Clients that are not using "TLS Handshake First" option will fail to connect')
