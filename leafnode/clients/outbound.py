"""What a client connection writes through: traced where the options ask for it.

Knows which options make an Outbound; not what is sent. Truth: nats-server 2.15.1 server/client.go
initClient, traceMsg; server/opts.go.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from leafnode.clients.log_lines import label
from leafnode.clients.trace import Trace, TracedOutbound
from leafnode.net.outbound import SLOW_DEADLINE, Outbound

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clients.handler import ClientHandler
    from leafnode.clients.registry import Registry
    from leafnode.clients.seams import ClientSeams
    from leafnode.config.options import Options
    from leafnode.net.backlog import Late
    from leafnode.net.transport import Transport
    from leafnode.routing.peer import Peer


log = logging.getLogger(__name__)


def new_outbound(
    client: ClientHandler, transport: Transport, seams: ClientSeams, on_slow: Callable[[], None]
) -> tuple[Outbound, Trace | None]:
    """Return what a client writes through, and its trace where there is one."""
    peer, options = client.peer, seams.options
    transport.on_late = partial(_note_late, client, seams.registry)
    if not options.trace:
        outbound = Outbound(
            peer,
            transport,
            max_pending_bytes=options.max_pending_bytes,
            on_slow=on_slow,
            holds_back=not options.no_fast_producer_stall,
        )
        return outbound, None
    trace = Trace(
        lambda: label(client),
        max_bytes=options.max_traced_msg_bytes,
        headers_only=options.trace_headers,
        is_hidden=lambda: _is_hidden(peer, options),
    )
    traced = TracedOutbound(
        peer,
        transport,
        max_pending_bytes=options.max_pending_bytes,
        on_slow=on_slow,
        holds_back=not options.no_fast_producer_stall,
        trace=trace,
    )
    return traced, trace


def _note_late(client: ClientHandler, registry: Registry, late: Late) -> None:
    """Say and count that a client does not read in time, and end it where that is over; say that
    it does again.

    What is pending is remembered with it. Who has not logged in is not told of, as there.
    """
    if client.is_gone:
        return  # it ends already, and does not take its last bytes
    if client.identity is not None:
        if not late.is_recovered:
            registry.note_late(client)
        log.info("%s - %s", label(client), late.text)
    if late.is_over:
        client.close(SLOW_DEADLINE)


def _is_hidden(peer: Peer, options: Options) -> bool:
    """Clients of the system account are traced only where the trace is verbose."""
    account = peer.account
    is_system = account is not None and account.name == options.system_account
    return is_system and not options.trace_verbose
