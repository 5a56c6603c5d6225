"""The ports for clients: what a connection passes before it is a client, and who serves it.

Knows how TLS, the PROXY protocol and client handlers are put together; not how any of them works.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from leafnode.auth.identity import ConnectionType
from leafnode.clients.handler import ClientHandler
from leafnode.clients.seams import ClientSeams
from leafnode.config.options import HostPort
from leafnode.limits import RELOAD_FILES_TIMEOUT_NS
from leafnode.net.entry import Entrance
from leafnode.net.interfaces import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.listener_options import ListenerTls
    from leafnode.config.options import Options
    from leafnode.net.listener import Listener
    from leafnode.net.tls_context import ServerTls
    from leafnode.net.transport import Session
    from leafnode.protocol.errors import PermissionsViolation
    from leafnode.routing.peer import Peer
    from leafnode.server.server import Server

T = TypeVar("T")

log = logging.getLogger(__name__)

FIRST_ONLY: Final = 'Clients that are not using "TLS Handshake First" option will fail to connect'


async def bind_clients(server: Server) -> Listener:
    """Listen for clients. Raises ListenError, TlsError."""
    options = server.options
    tls = await server_tls(server, options.tls)
    entrance = Entrance(
        server.clock,
        tls=tls,
        allow_plain=options.allow_non_tls,
        proxy=options.proxy_protocol,
        counters=server.entry_counters,
    )
    server.entrances["clients"] = entrance

    def new_session() -> Session:
        handler = ClientHandler(seams)
        return entrance.session(handler, handler.turned_away)

    listener = await server.listeners.bind(
        HostPort(options.host, options.port),
        new_session,
        write_rules=server.write_rules,
        on_gone=server.registry.count_gone,
    )
    server.turn.outbox.on_violation = partial(_tell_violation, server)
    server.port = listener.port
    server.client_seams = seams = replace(client_seams(server), entry_ns=entrance.budget_ns)
    log.info("Listening for client connections on %s:%d", shown(options.host), server.port)
    if options.tls is not None:
        _tell_of_tls(server, options.tls)
    return listener


async def read_certificates(server: Server, work: Callable[[], T]) -> T:
    """Do what reads the certificates of a listener. Raises TlsError, HungError."""
    return await server.files.run(work, "certificates", RELOAD_FILES_TIMEOUT_NS)


async def server_tls(server: Server, options: ListenerTls | None) -> ServerTls | None:
    """Read the certificates of a listener; None without options. Raises TlsError, HungError."""
    if options is None:
        return None
    from leafnode.net.tls_context import ServerTls

    return await read_certificates(server, partial(ServerTls, options))


async def prepare_tls(server: Server, options: Options) -> Callable[[], None]:
    """Read the certificates that these options name; the call returned puts them in force.

    Handshakes from then on use them, connections that are open stay as they are, but for those
    whose certificate is not pinned any more. Raises TlsError.
    """
    entrance = server.entrances["clients"]
    wanted, present = options.tls, entrance.tls
    if wanted is None or present is None:
        fresh = await server_tls(server, wanted)

        def swap() -> None:
            entrance.tls = fresh
            entrance.allow_plain = options.allow_non_tls

        return swap
    context = await read_certificates(server, partial(present.prepare, wanted))

    def rotate() -> None:
        present.apply(wanted, context)
        entrance.allow_plain = options.allow_non_tls
        cut_unpinned(server, present, ConnectionType.STANDARD)

    return rotate


def cut_unpinned(server: Server, tls: ServerTls, kind: ConnectionType) -> None:
    """End the clients that came in here with a certificate that is not pinned any more."""
    if not tls.options.pinned_certs:
        return
    for client in list(server.registry.open.values()):
        facts = client.tls() if client.kind is kind else None
        if facts is not None and not tls.accepts(facts.certificate()):
            client.close("TLS Handshake Failure")


def refresh(server: Server) -> bool:
    """Let what connections share follow the options, for those that come and those that are.

    Says whether INFO is another one now.
    """
    seams = server.client_seams
    assert seams is not None, "the server runs"
    options = seams.options = server.options
    server.write_rules.deadline_ns = server.link_write_rules.deadline_ns = options.write_deadline_ns
    server.write_rules.retries = options.write_timeout == "retry"
    before, seams.info = seams.info, server.info()
    seams.map_certificate = options.tls is not None and options.tls.verify_and_map
    seams.entry_ns = server.entrances["clients"].budget_ns
    seams.refresh()
    return seams.info != before


def slips(server: Server) -> list[str]:
    """Return what may surprise in the TLS that is in force at the listeners."""
    found: dict[str, None] = {}  # once, however many listeners have it
    for name, entrance in server.entrances.items():
        tls = entrance.tls
        if tls is None:
            continue
        found |= dict.fromkeys(tls.warnings)
        if name == "clients" and _is_first_only(tls.options):
            found[FIRST_ONLY] = None
    return list(found)


def client_seams(server: Server) -> ClientSeams:
    """Return what the connections of a listener share; each listener replaces what is its own."""
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
    )


def mapping_kinds(options: Options) -> list[ConnectionType]:
    """Return the ways in where a certificate names the user."""
    websocket = options.websocket
    blocks = {
        ConnectionType.STANDARD: options.tls,
        ConnectionType.WEBSOCKET: websocket.tls if websocket is not None else None,
    }
    return [kind for kind, tls in blocks.items() if tls is not None and tls.verify_and_map]


def _tell_violation(server: Server, peer: Peer, violation: PermissionsViolation) -> None:
    server.registry.tell_violation(peer, violation, server.clock.monotonic_ns())


def _tell_of_tls(server: Server, tls: ListenerTls) -> None:
    may_be_plain = server.options.allow_non_tls and not _is_first_only(tls)
    log.info("TLS %s for client connections", "available" if may_be_plain else "required")


def _is_first_only(tls: ListenerTls) -> bool:
    return tls.handshake_first and not tls.fallback_ns
