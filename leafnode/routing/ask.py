"""A request of the server itself to its own parts, whose reply no client is shown.

Whoever hears the subject gets the message, but who knew the reply could have this very server
answer there something else: by a request of its own, a stream's PubAck, a consumer's messages.
Knows what `deliver` knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.routing.deliver import (
    Handout,
    hand_out,
    hand_over,
    is_relayed,
    send_aside,
    send_to_leaf,
)
from leafnode.routing.route import Message

if TYPE_CHECKING:
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription


def ask(
    account: Account,
    subject: bytes,
    body: bytes,
    *,
    header_size: int = 0,
    reply: bytes,
    origin: Peer | None = None,
    beyond: bool = False,
) -> bool:
    """Publish it and say whether a part of this server got it, so that an answer may come; with
    `beyond` leaf links and services of other accounts are asked, too, and shown the reply. By the
    account's peer `to_itself` as its origin it stays here: no leaf hears it.

    What very many hear is sent in turns of its own, whoever gets it then: that is True.
    """
    asked = Message(subject, reply, header_size, body)
    handout = _Request(account, origin or account.system, asked, beyond=beyond)
    match = account.sublist.match(subject)
    if match.is_wide or is_relayed(account, match):
        steps = hand_out(account, subject, [handout], account.system.outbox)
        send_aside(account, account.system, steps, (body,))
        return True
    account.system.outbox.work_left -= handout.work * (len(match.plain) + len(match.groups))
    handout.to_all(match)
    return handout.is_heard


class _Request(Handout):
    """A message with a reply for who may answer, and without one for others."""

    __slots__ = ("_asked", "_beyond", "is_heard")

    def __init__(self, account: Account, origin: Peer, asked: Message, *, beyond: bool) -> None:
        super().__init__(account, origin, asked._replace(reply=b""))
        self._asked = asked
        self._beyond = beyond
        self.is_heard = False

    def to_link(self, sub: Subscription, queues: list[bytes]) -> None:
        if not self._beyond:
            super().to_link(sub, queues)
            return
        self.is_heard = True
        send_to_leaf(self._account, sub, self._asked, queues)
        self.received += 1

    def _hand_over(self, sub: Subscription) -> int:
        if self._beyond and sub.relay is not None:
            self.is_heard = True
            sub.delivered += 1
            return sub.relay.forward(self._origin, self._asked)
        if sub.peer is not self._account.system or sub.handler is None or sub.shadow is not None:
            return super()._hand_over(sub)
        self.is_heard = True
        hand_over(self._account, self._origin, sub, self._asked)
        return 1
