"""The port for clients over WebSocket, and how a reload changes it.

Knows how TLS, frames and client handlers are put together; not how any of them works.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from leafnode.auth.authenticator import Authenticator
from leafnode.auth.identity import ConnectionType
from leafnode.auth.users import Users
from leafnode.clients.handler import ClientHandler
from leafnode.config.options import HostPort
from leafnode.net.entry import Entrance
from leafnode.net.interfaces import shown
from leafnode.server import leaf_port
from leafnode.server.client_ports import client_seams, cut_unpinned, read_certificates, server_tls
from leafnode.server.listeners import FOR_WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clients.seams import ClientSeams
    from leafnode.config.listener_options import Websocket
    from leafnode.config.options import Options
    from leafnode.net.listener import Listener
    from leafnode.net.websocket_handshake import HandshakeRules
    from leafnode.server.server import Server

log = logging.getLogger(__name__)


async def bind_websocket(server: Server, websocket: Websocket) -> Listener:
    """Listen for clients over WebSocket. Raises ListenError, TlsError."""
    from leafnode.clients.websocket import close_code, has_own_login, websocket_options
    from leafnode.net.websocket import WebSocketPort

    tls = await server_tls(server, websocket.tls)
    entrance = Entrance(server.clock, tls=tls, tls_before_all=True, counters=server.entry_counters)
    server.entrances["websocket"] = entrance
    options = websocket_options(server.options, websocket)
    if has_own_login(websocket) and server.operator is None:  # an operator goes before it
        server.websocket_authenticator = Authenticator(
            options, secrets=server.authenticator.secrets
        )
    port = WebSocketPort(
        turn=server.turn,
        rules=_handshake_rules(websocket, leafs=leaf_port.is_wanted(server.options)),
        handshake_timeout_ns=websocket.handshake_timeout_ns,
        message_bytes_max=options.max_payload_bytes + options.max_control_line_bytes,
        close_code=close_code,
        leaf=lambda wire, deflates: leaf_port.websocket_guest(server, wire, deflates=deflates),
    )
    server.websocket_port = port
    listener = await server.listeners.bind(
        HostPort(websocket.host, websocket.port),
        lambda: entrance.session(
            leaf_port.below_websocket(server, port.session(lambda: ClientHandler(seams)))
        ),
        write_rules=server.write_rules,
        problem=FOR_WEBSOCKET,
    )
    server.websocket_seams = seams = _seams(server, websocket, options, listener.port)
    scheme = "wss" if tls is not None else "ws"
    log.info(
        "Listening for websocket clients on %s://%s:%d",
        scheme,
        shown(websocket.host),
        listener.port,
    )
    if tls is None:
        server.warn("Websocket not configured with TLS. DO NOT USE IN PRODUCTION!")
    return listener


async def prepare_tls(server: Server, options: Options) -> Callable[[], None]:
    """Read the certificates that these options name; the call returned puts them in force.

    As for plain clients: who is not pinned any more is cut. Raises TlsError.
    """
    entrance = server.entrances.get("websocket")
    wanted = options.websocket.tls if options.websocket is not None else None
    present = entrance.tls if entrance is not None else None
    if wanted is None or present is None:
        return _nothing  # the listener itself does not change without a restart
    context = await read_certificates(server, partial(present.prepare, wanted))

    def rotate() -> None:
        present.apply(wanted, context)
        cut_unpinned(server, present, ConnectionType.WEBSOCKET)
        leaf_port.cut_unpinned(server, present, over_websocket=True)

    return rotate


async def prepare_users(server: Server, options: Options) -> Users | None:
    """Return the users of a listener with a login of its own, None where it has none."""
    if server.websocket_authenticator is None or options.websocket is None:
        return None
    from leafnode.clients.websocket import websocket_options

    own = websocket_options(options, options.websocket)
    return await asyncio.to_thread(Users, own.authorization, own.accounts)


def refresh(server: Server, users: Users | None = None) -> None:
    """Let what these clients share follow the options, for those that come and those that are.

    `users` are the listener's own by those, where they changed.
    """
    seams, port, websocket = server.websocket_seams, server.websocket_port, server.options.websocket
    if seams is None or port is None or websocket is None or server.websocket is None:
        return
    from leafnode.clients.websocket import websocket_info, websocket_options

    options = seams.options = websocket_options(server.options, websocket)
    seams.info = websocket_info(server.info(), websocket, port=server.websocket.port)
    seams.map_certificate = websocket.tls is not None and websocket.tls.verify_and_map
    if server.websocket_authenticator is not None:
        known = users or server.websocket_authenticator.users
        server.websocket_authenticator.apply(options, known)
    seams.refresh()
    port.message_bytes_max = options.max_payload_bytes + options.max_control_line_bytes


def _seams(server: Server, websocket: Websocket, options: Options, port: int) -> ClientSeams:
    from leafnode.clients.websocket import websocket_info

    shared = client_seams(server)
    return replace(
        shared,
        options=options,
        info=websocket_info(shared.info, websocket, port=port),
        authenticator=server.websocket_authenticator or server.authenticator,
        kind=ConnectionType.WEBSOCKET,
        map_certificate=websocket.tls is not None and websocket.tls.verify_and_map,
        no_auth_user=websocket.no_auth_user,
    )


def _nothing() -> None:
    """Put nothing in force: there is no TLS here."""


def _handshake_rules(websocket: Websocket, *, leafs: bool) -> HandshakeRules:
    from leafnode.config.websocket import origin_of
    from leafnode.net.websocket_handshake import HandshakeRules

    cookies = {
        websocket.jwt_cookie: "jwt",
        websocket.user_cookie: "user",
        websocket.pass_cookie: "password",
        websocket.token_cookie: "auth_token",
    }
    cookies.pop("", None)
    return HandshakeRules(
        is_tls=websocket.tls is not None,
        same_origin=websocket.same_origin,
        allowed_origins=frozenset(map(origin_of, websocket.allowed_origins)),
        compression=websocket.compression,
        cookies=cookies,
        headers=websocket.headers,
        leafs=leafs,
    )
