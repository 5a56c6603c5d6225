"""What a reload does to a client that is connected: new bounds, new INFO, and who it is now.

Knows one client's peer, login and subscriptions; not which options changed. Truth: nats-server
2.15.1 server/reload.go reloadAuthorization, server/client.go processSubsOnConfigReload.
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


def renew(client: ClientHandler) -> None:
    """Let a connected client be who it is by the users of now, or cut it.

    Whose login does not hold any more is told so. Whose name is gone, and who belongs to another
    account now, is cut without a word: it comes back and finds out. The others keep what they may
    still have. Who has not said yet who it is goes on with that.
    """
    before = client.identity
    try:
        now = client.again()
    except UserRemoved:
        client.close("Client Closed")
    except LoginRefused:
        client.refuse(errors.AuthorizationViolation())
    else:
        if before is None or now is None:
            return
        if now.account != before.account:
            client.close("Client Closed")
            return
        client.become(now)
        drop_denied(client)


def hold(client: ClientHandler, account: str, held: Callable[[Identity], Identity]) -> None:
    """Hold a client of this account to what its JWT says now, or end it with its own error."""
    before = client.identity
    if before is None or before.account != account or client.is_gone:
        return
    try:
        now = held(before)
    except ProtocolError as error:
        client.refuse(error)
        return
    if now is not before:
        client.become(now)
        drop_denied(client)
    client.apply_bounds()


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
