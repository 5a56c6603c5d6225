"""A message of the server itself for one leaf link, by what that link's other side asked for.

Knows what `deliver` knows. Nobody else in the account gets it, whatever they subscribed to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.routing.deliver import Handout, hand_out, send_aside
from leafnode.routing.match import Group
from leafnode.routing.route import Message

if TYPE_CHECKING:
    from leafnode.routing.groups import Verdicts
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription


def publish_to_link(
    link: Peer, subject: bytes, body: bytes, *, header_size: int = 0, reply: bytes = b""
) -> bool:
    """Send it there and say whether the other side asked for it and may have it.

    Where very many in the account ask for the subject it is sent in turns of its own, if at all:
    that is True. So are those behind it, to overtake nothing.
    """
    account = link.account
    assert account is not None, "the link is up"
    sender, message = account.system, Message(subject, reply, header_size, body)
    handout = _ToLink(link, sender, message)
    match = account.sublist.match(subject)
    if match.is_wide or account.backlog:
        steps = hand_out(account, subject, [handout], sender.outbox)
        send_aside(account, sender, steps, (body,))
        return True
    return handout.to_all(match) > 0


def link_asks_for(link: Peer, subject: bytes) -> bool:
    """Say whether the other side asked for it and may have it, as far as is soon said."""
    assert link.account is not None, "the link is up"
    return link.account.has_interest(subject, link)


class _ToLink(Handout):
    """A message that only the subscriptions of one link take."""

    __slots__ = ("_link",)

    def __init__(self, link: Peer, sender: Peer, message: Message) -> None:
        assert link.account is not None, "the link is up"
        super().__init__(link.account, sender, message)
        self._link = link

    def to_plain(self, sub: Subscription) -> None:
        if sub.peer is self._link:
            super().to_plain(sub)

    def to_group(self, group: Group) -> None:
        members = [sub for sub in group.members if sub.peer is self._link]
        if members:
            super().to_group(Group(group.queue, members, group.turn))

    def receivers(self, members: list[Subscription], verdicts: Verdicts) -> list[Subscription]:
        return super().receivers([sub for sub in members if sub.peer is self._link], verdicts)
