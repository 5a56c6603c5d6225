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
from leafnode.limits import JUDGE_WORK, TOKEN_WORK, WITHDRAW_WORK
from leafnode.protocol import errors
from leafnode.protocol.errors import wire_line
from leafnode.routing.permissions import may_subscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from leafnode.auth.identity import Identity
    from leafnode.clients.handler import ClientHandler

log = logging.getLogger(__name__)


def renew_all(
    clients: Iterable[ClientHandler], judge: Callable[[ClientHandler], Identity | None]
) -> Iterator[None]:
    """Let connected clients be who `judge` says they are now, or cut them where that raises.

    In steps: others have their turn in between. All have their permissions of now before the first
    subscription is taken out: each delivery is judged by those, and so is the subscription itself
    until it had its turn. What may not stand brings nothing, however long it is until it is gone:
    another renewal may come meanwhile, whose permissions those already looked at have not seen.
    """
    changed = []
    renewal = object()
    for client in clients:
        if _renew(client, judge):
            client.peer.sifted_by = renewal
            changed.append(client)
        yield
    for client in changed:
        yield from _drop_denied(client)
        if client.peer.sifted_by is renewal:
            client.peer.sifted_by = None
        if not client.is_gone:
            client.hold_to_bounds()
        yield


def _renew(client: ClientHandler, judge: Callable[[ClientHandler], Identity | None]) -> bool:
    """Say whether it is somebody else now, who may have to give up subscriptions.

    Whose login does not hold any more is told so. Whose name is gone, and who belongs to another
    account now, is cut without a word: it comes back and finds out. The others keep what they may
    still have. Who has not said yet who it is goes on with that.
    """
    before = client.identity
    if before is None or client.is_gone:
        return False
    try:
        now = judge(client)
    except UserRemoved:
        client.close("Client Closed")
    except LoginRefused:
        client.refuse(errors.AuthorizationViolation())
    except ProtocolError as error:
        client.refuse(error)
    else:
        if now is None or now.account != before.account:
            client.close("Client Closed")
        elif now is not before:
            client.become(now)
            return True
        else:
            client.hold_to_bounds()
    return False


def _drop_denied(client: ClientHandler) -> Iterator[None]:
    """Take out the subscriptions that the client may not have any more, and tell it of each.

    Yields where the turn has no work left; what comes meanwhile is judged as it comes.
    """
    peer, outbox = client.peer, client.peer.outbox
    for sub in list(peer.subs.values()):
        if peer.permissions is None:
            return
        if sub.closed:
            continue
        outbox.work_left -= max(JUDGE_WORK, TOKEN_WORK * sub.subject.count(b"."))
        if not may_subscribe(peer, sub.subject, sub.queue):
            outbox.work_left -= WITHDRAW_WORK
            interest.drop(sub)
            peer.send(wire_line(errors.SubscriptionWithdrawn(sub.subject, sub.queue, sub.sid)))
            log.info("%s", withdrawn(client, sub.subject, sub.queue, sub.sid))
        if outbox.work_left <= 0:
            yield
            if client.is_gone:
                return
