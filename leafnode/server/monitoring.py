"""Where monitoring listens: plain HTTP, HTTPS, or nowhere, which `$SYS` requests do not mind.

Knows how views, endpoints, TLS and a listener are put together; not how any of them works.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from leafnode.config.options import HostPort
from leafnode.errors import TlsError
from leafnode.monitor.monitor import Monitor
from leafnode.net.backlog import WriteRules
from leafnode.net.entry import Entrance
from leafnode.net.interfaces import shown
from leafnode.server.client_ports import read_certificates, server_tls
from leafnode.server.listeners import FOR_MONITORING
from leafnode.server.views import views_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.config.listener_options import ListenerTls
    from leafnode.config.options import Options
    from leafnode.net.listener import Listener
    from leafnode.server.server import Server

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bound:
    """A listener for monitoring that nobody is accepted by yet, and what comes in passes first."""

    listener: Listener
    entrance: Entrance


def start_monitor(server: Server) -> None:
    """Make what answers for HTTP and for `$SYS` requests alike."""
    server.features.monitor = Monitor(views_of(server, HostPort("", 0)), server.clock)


async def bind_monitor(server: Server, wanted: Options) -> Bound | None:
    """Listen where these options ask for it; `Server.replace_monitor` puts it in force.

    Raises ListenError, TlsError.
    """
    address = wanted.http or wanted.https
    if address is None:
        return None
    from leafnode.monitor.endpoints import Endpoints
    from leafnode.monitor.http_server import HttpServer

    monitor = server.features.monitor
    assert monitor is not None, "made as the server starts"
    http = HttpServer(Endpoints(monitor, wanted.http_base_path), server.clock, monitor.http)
    entrance = await _entrance(server, wanted)
    listener = await server.listeners.bind(
        address,
        lambda: entrance.session(http.session()),
        write_rules=WriteRules(wanted.write_deadline_ns),
        problem=FOR_MONITORING,
        is_for_messages=False,
    )
    scheme = "https" if wanted.https is not None else "http"
    log.info("Starting %s monitor on %s:%d", scheme, shown(address.host), listener.port)
    return Bound(listener, entrance)


async def prepare_tls(server: Server, wanted: Options) -> Callable[[], None]:
    """Read the certificate that https shows; the call returned puts it in force.

    Where https is off, or begins with these options, there is nothing to do. Raises TlsError.
    """
    entrance = server.entrances.get("monitoring")
    if wanted.https is None or wanted.tls is None or entrance is None or entrance.tls is None:
        return lambda: None
    present, options = entrance.tls, _one_sided(wanted.tls)
    context = await read_certificates(server, partial(present.prepare, options))
    return lambda: present.apply(options, context)


async def _entrance(server: Server, wanted: Options) -> Entrance:
    """Return what a connection passes first: for https TLS with the clients' certificate."""
    if wanted.https is None:
        return Entrance(server.clock, counters=server.entry_counters)
    if wanted.tls is None:
        raise TlsError("", "TLS cert and key required for HTTPS")
    tls = await server_tls(server, _one_sided(wanted.tls))
    return Entrance(server.clock, tls=tls, tls_before_all=True, counters=server.entry_counters)


def _one_sided(tls: ListenerTls) -> ListenerTls:
    """Nobody who watches needs a certificate, as on nats-server."""
    return replace(tls, verify=False, verify_and_map=False, pinned_certs=frozenset(), rate_limit=0)
