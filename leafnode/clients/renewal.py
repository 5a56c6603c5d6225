"""What a reload, or another JWT of its account, does to a client that is connected.

Knows one client's peer, login and subscriptions; not which options changed. Truth: nats-server
2.15.1 server/reload.go reloadAuthorization, server/client.go processSubsOnConfigReload,
applyAccountLimits.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode.auth.identity import LoginRefused, UserRemoved
from leafnode.clients import interest
from leafnode.clients.log_lines import withdrawn
from leafnode.errors import ProtocolError
from leafnode.protocol import errors
from leafnode.protocol.errors import wire_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.auth.identity import Identity
    from leafnode.clients.handler import ClientHandler

log = logging.getLogger(__name__)


def renew(client: ClientHandler, judge: Callable[[], Identity | None]) -> None:
    """Let a connected client be who `judge` says it is now, or cut it where that raises.

    Whose login does not hold any more is told so. Whose name is gone, and who belongs to another
    account now, is cut without a word: it comes back and finds out. The others keep what they may
    still have. Who has not said yet who it is goes on with that.
    """
    before = client.identity
    if before is None or client.is_gone:
        return
    try:
        now = judge()
    except UserRemoved:
        client.close("Client Closed")
    except LoginRefused:
        client.refuse(errors.AuthorizationViolation())
    except ProtocolError as error:
        client.refuse(error)
    else:
        if now is None or now.account != before.account:
            client.close("Client Closed")
            return
        if now is not before:
            client.become(now)
            drop_denied(client)
        client.hold_to_bounds()


def drop_denied(client: ClientHandler) -> None:
    """Take out the subscriptions that the client may not have any more, and tell it of each."""
    peer = client.peer
    permissions = peer.permissions
    if permissions is None:
        return
    for sub in list(peer.subs.values()):
        if permissions.may_subscribe(sub.subject, sub.queue):
            continue
        interest.drop(sub)
        peer.send(wire_line(errors.SubscriptionWithdrawn(sub.subject, sub.queue, sub.sid)))
        log.info("%s", withdrawn(client, sub.subject, sub.queue, sub.sid))
