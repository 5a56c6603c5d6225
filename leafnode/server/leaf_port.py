"""The port for leafs below us, what leaf links share, and how a reload changes both.

Knows how TLS, logins and links are put together; not how any of them works.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode.auth.identity import ConnectionType
from leafnode.config.options import HostPort
from leafnode.limits import AUTH_TIMEOUT_NS, TLS_TIMEOUT_NS
from leafnode.monitor.views import LeafPortFacts
from leafnode.net.entry import Entrance
from leafnode.net.interfaces import shown
from leafnode.protocol.leaf_compression import NOT_SUPPORTED, OFF, Compression
from leafnode.server.client_ports import client_seams, read_certificates, server_tls
from leafnode.server.listeners import FOR_LEAFS

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.auth.leafs import LeafAuthenticator
    from leafnode.config.listener_options import LeafListener
    from leafnode.config.options import Options
    from leafnode.leaf.accepted import AcceptedLink, LeafSeams
    from leafnode.leaf.registry import LeafRegistry
    from leafnode.leaf.terms import LeafEnvironment
    from leafnode.net.entry import Guest
    from leafnode.net.listener import Listener
    from leafnode.net.tls_context import ServerTls
    from leafnode.net.transport import Transport
    from leafnode.net.websocket_stream import WebSocketTerms
    from leafnode.protocol.leaf_acceptor import AcceptRules
    from leafnode.server.server import Server

log = logging.getLogger(__name__)

_LOOPBACK: Final = ("127.", "::1", "localhost")


class LeafPort:
    """The listener, and what its connections share."""

    def __init__(
        self, listener: Listener, seams: LeafSeams, authenticator: LeafAuthenticator
    ) -> None:
        self.listener = listener
        self.seams = seams
        self.authenticator = authenticator


async def bind_leafs(server: Server, options: LeafListener) -> LeafPort:
    """Listen for leafs. Raises ListenError, TlsError."""
    from leafnode.auth.leafs import LeafAuthenticator
    from leafnode.leaf.registry import LeafRegistry

    tls = await server_tls(server, options.tls)
    entrance = Entrance(server.clock, tls=tls, counters=server.entry_counters)
    server.entrances["leafnodes"] = entrance
    listener = await server.listeners.bind(
        HostPort(options.host, options.port),
        lambda: entrance.session(_guest(port.seams)),
        write_rules=server.link_write_rules,
        problem=FOR_LEAFS,
    )
    authenticator = LeafAuthenticator(server.authenticator, server.options, options.authorization)
    seams = _seams(server, options, listener, authenticator, LeafRegistry(server.clock))
    port = LeafPort(listener, seams, authenticator)
    log.info("Listening for leafnode connections on %s:%d", shown(options.host), listener.port)
    return port


def is_wanted(options: Options) -> bool:
    """Say whether leafs are let in."""
    return options.leafnodes is not None and options.leafnodes.listener is not None


def _guest(seams: LeafSeams) -> Guest:
    """Return what serves a leaf: its link, or what may pack below it."""
    from leafnode.leaf.accepted import AcceptedLink

    link = AcceptedLink(seams)
    if not seams.rules.compression.is_wanted:
        return link
    from leafnode.net.s2_layer import AcceptedS2Layer

    layer = link.packer = AcceptedS2Layer(link)
    return layer


def below_websocket(server: Server, guest: Guest) -> Guest:
    """Return what lies below a WebSocket, which may become a leaf's."""
    port = server.leaf_port
    if port is None or not port.seams.rules.compression.is_wanted:
        return guest
    from leafnode.net.s2_layer import AcceptedS2Layer

    return AcceptedS2Layer(guest)


def websocket_guest(server: Server, wire: Transport, *, deflates: bool) -> AcceptedLink:
    """Return what serves a leaf that came over WebSocket.

    `wire` is what lies below the frames; `deflates`: their messages are packed already.
    """
    from leafnode.leaf.accepted import AcceptedLink
    from leafnode.net.s2_layer import S2Layer

    port, websocket = server.leaf_port, server.options.websocket
    assert port is not None, "else its path is refused"
    tls = websocket.tls if websocket is not None else None
    login = replace(
        port.seams.login,
        kind=ConnectionType.LEAFNODE_WS,
        map_certificate=tls is not None
        and tls.verify_and_map
        and port.authenticator.maps_certificates,
        no_auth_user=websocket.no_auth_user if websocket is not None else "",
    )
    seams = replace(port.seams, login=login)
    if websocket is not None and websocket.ping_interval_ns:
        pings = replace(seams.rules.pings, interval_ns=websocket.ping_interval_ns)
        seams.rules = replace(seams.rules, pings=pings)
    packer = wire if isinstance(wire, S2Layer) and not deflates else None
    if packer is None:
        none = NOT_SUPPORTED if deflates else OFF
        seams.rules = replace(seams.rules, compression=Compression(none))
    link = AcceptedLink(seams)
    link.packer = packer
    return link


async def prepare_tls(server: Server, options: Options) -> Callable[[], None]:
    """Read the certificates that these options name; the call returned puts them in force.

    Who is not pinned any more is cut. Raises TlsError.
    """
    entrance = server.entrances.get("leafnodes")
    listener = options.leafnodes.listener if options.leafnodes is not None else None
    wanted = listener.tls if listener is not None else None
    present = entrance.tls if entrance is not None else None
    if entrance is None or (wanted is None and present is None):
        return _nothing
    if wanted is None or present is None:
        fresh = await server_tls(server, wanted)

        def swap() -> None:
            entrance.tls = fresh

        return swap
    context = await read_certificates(server, partial(present.prepare, wanted))

    def rotate() -> None:
        present.apply(wanted, context)
        cut_unpinned(server, present, over_websocket=False)

    return rotate


def cut_unpinned(server: Server, tls: ServerTls, *, over_websocket: bool) -> None:
    """End the leafs that came in here with a certificate that is not pinned any more."""
    if not tls.options.pinned_certs or server.leafs is None:
        return
    for link in list(server.leafs.open.values()):
        facts = link.tls() if link.is_websocket is over_websocket else None
        if facts is not None and not tls.accepts(facts.certificate()):
            link.close("TLS Handshake Failure")


def refresh(server: Server) -> None:
    """Let what leafs share follow the options, for those that come."""
    port, leafnodes = server.leaf_port, server.options.leafnodes
    if port is None or leafnodes is None or leafnodes.listener is None:
        return
    port.authenticator.apply(server.options)
    server.features.leaf_environment = None  # for those that come, by the options of now
    before = port.seams.rules.compression
    port.seams = _seams(
        server, leafnodes.listener, port.listener, port.authenticator, port.seams.registry
    )
    if port.seams.rules.compression != before:
        # They come again, and both sides agree anew. Who never packs has nothing to agree to.
        for link in list(port.seams.registry.links()):
            if link.leafz().compression != NOT_SUPPORTED:
                link.close("Client Closed")


def leaf_environment(server: Server) -> LeafEnvironment:
    """Return what links share by the options of now."""
    from leafnode.leaf.loop import LoopSubjects
    from leafnode.leaf.terms import LeafEnvironment
    from leafnode.net.dial import TcpDialer

    features, options = server.features, server.options.leafnodes
    if features.leaf_environment is not None:
        return features.leaf_environment
    if features.loop_subjects is None:
        features.loop_subjects = LoopSubjects(server.random)
    websocket = server.options.websocket
    environment = features.leaf_environment = LeafEnvironment(
        clock=server.clock,
        random=server.random,
        dial=TcpDialer(
            server.turn,
            random=server.random,
            write_rules=server.link_write_rules,
            websocket_terms=_websocket_terms(server),
        ),
        outbox=server.turn.outbox,
        loop_subjects=features.loop_subjects,
        next_cid=server.next_cid,
        remember=server.registry.keep,
        server_name=server.name,
        server_id=server.id,
        domain=server.domain,
        jetstream=server.features.jetstream is not None,
        max_payload_bytes=server.options.max_payload_bytes,
        max_pending_bytes=server.options.max_pending_bytes,
        ping_interval_ns=server.options.ping_interval_ns,
        ping_max=server.options.ping_max,
        traces=not server.options.no_system_account,
        system_account="" if server.options.no_system_account else server.options.system_account,
        isolates=options is not None and options.isolates,
        without_domain=frozenset(
            account for account, domain in server.options.default_js_domains or () if not domain
        ),
        websocket_ping_interval_ns=websocket.ping_interval_ns if websocket is not None else 0,
    )
    return environment


def _websocket_terms(server: Server) -> WebSocketTerms | None:
    """Return what WebSockets that are dialed share; None: none is."""
    leafnodes = server.options.leafnodes
    if leafnodes is None or not any(remote.is_websocket for remote in leafnodes.remotes):
        return None
    from leafnode.clients.websocket import close_code
    from leafnode.net.websocket_stream import WebSocketTerms

    return WebSocketTerms(server.turn, server.options.max_payload_bytes, close_code)


def _seams(
    server: Server,
    options: LeafListener,
    listener: Listener,
    authenticator: LeafAuthenticator,
    registry: LeafRegistry,
) -> LeafSeams:
    from leafnode.leaf.accepted import LeafSeams
    from leafnode.leaf.greeting import leaf_info

    tls = options.tls
    login = replace(
        client_seams(server),
        authenticator=authenticator,
        kind=ConnectionType.LEAFNODE,
        map_certificate=tls is not None and tls.verify_and_map and authenticator.maps_certificates,
    )
    return LeafSeams(
        environment=leaf_environment(server),
        login=login,
        info=leaf_info(
            server.info(),
            options,
            port=listener.port,
            cluster=cluster(server),
            traces=not server.options.no_system_account,
        ),
        rules=_rules(server, options),
        registry=registry,
    )


def _rules(server: Server, options: LeafListener) -> AcceptRules:
    from leafnode.protocol.leaf_acceptor import AcceptRules
    from leafnode.protocol.leaf_session import PingRules

    return AcceptRules(
        cluster=cluster(server),
        min_version=options.min_version,
        auth_timeout_ns=options.authorization.timeout_ns or AUTH_TIMEOUT_NS,
        entry_ns=server.entrances["leafnodes"].budget_ns,
        compression=options.compression,
        pings=PingRules(
            server.options.ping_interval_ns,
            server.options.ping_max,
            server.random.random(),
            may_skip=True,
        ),
    )


def cluster(server: Server) -> str:
    """Return what our cluster is called: who dials hubs has one, named like itself."""
    leafnodes = server.options.leafnodes
    return server.name if leafnodes is not None and leafnodes.remotes else ""


def slips(server: Server) -> list[str]:
    """Return what may surprise: a port that lets everybody in who reaches it."""
    port, leafnodes = server.leaf_port, server.options.leafnodes
    options = leafnodes.listener if leafnodes is not None else None
    if port is None or options is None or port.authenticator.required:
        return []
    if options.host.startswith(_LOOPBACK):
        return []
    return [
        f"Every leaf that reaches {options.host}:{port.listener.port} may publish and subscribe: "
        "set leafnodes.authorization, or listen on 127.0.0.1"
    ]


def facts(server: Server, not_after_s: int) -> LeafPortFacts | None:
    """Return what /varz shows of the port; None where there is none.

    `not_after_s` is until when its certificate holds, 0 for none.
    """
    port, leafnodes = server.leaf_port, server.options.leafnodes
    if port is None or leafnodes is None or leafnodes.listener is None:
        return None
    options = leafnodes.listener
    tls = options.tls
    return LeafPortFacts(
        host=options.host,
        port=port.listener.port,
        auth_timeout_ns=options.authorization.timeout_ns or AUTH_TIMEOUT_NS,
        tls_timeout_ns=tls.timeout_ns if tls is not None else TLS_TIMEOUT_NS,
        tls_required=tls is not None,
        tls_verify=tls is not None and tls.verify,
        tls_not_after_s=not_after_s,
    )


def _nothing() -> None:
    """Put nothing in force: there is no TLS here."""
