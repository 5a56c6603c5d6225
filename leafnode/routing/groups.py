"""Which member of a queue group gets the next message.

Knows groups and who may receive; not messages. Truth: nats-server 2.15.1 server/client.go
processMsgResults; leaf protocol 2.2 for the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import MEMBER_WORK
from leafnode.routing.permissions import is_over, may_deliver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from leafnode.routing.match import Group
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Subscription

Verdicts = dict[object, bool]  # by peer and queue; through an import by that, too
_TRIES: Final = 8  # so many members are asked one by one; where none may receive, all are


def pick(
    group: Group, origin: Peer, subject: bytes, *, of_service: bool = False
) -> Subscription | None:
    """Choose the member that gets the next message: local ones first, else a leaf by weight.

    `of_service`: it came through a service import, so it goes to nobody by a stream import.
    """
    group.turn += 1
    turn, count = group.turn, len(group.members)
    if count > _TRIES:
        for attempt in range(_TRIES):
            # In turn; behind one that may not receive anywhere, or its neighbour had two shares.
            sub = group.members[(hash((turn, attempt)) if attempt else turn) % count]
            if sub.peer.is_leaf or (of_service and sub.shadow is not None):
                continue
            if may_deliver(sub, subject, origin):
                return sub
        origin.outbox.work_left -= MEMBER_WORK * count
        members = _receivers(group, origin, subject)
    else:
        members = [sub for sub in group.members if may_deliver(sub, subject, origin)]
    if of_service:
        members = [sub for sub in members if sub.shadow is None]
    if not members:
        return None
    local = [sub for sub in members if not sub.peer.is_leaf]
    if local:
        return local[turn % len(local)]
    turn %= sum(map(_weight, members))
    for sub in members:
        turn -= _weight(sub)
        if turn < 0:
            return sub
    raise AssertionError("the weights add up to more than any turn")


def _receivers(group: Group, origin: Peer, subject: bytes) -> list[Subscription]:
    """Return who of many may receive."""
    return receivers(group.members, origin, subject, {})


def receivers(
    members: Iterable[Subscription], origin: Peer, subject: bytes, verdicts: Verdicts
) -> list[Subscription]:
    """Return who of some members of groups may receive. What a peer may, all of its subscriptions
    in a group may that see the subject under the same name, here or through one import: 65,536
    of one that is denied the subject took 40 ms, one by one. `verdicts` keeps that for others.
    """
    found: list[Subscription] = []
    for sub in members:
        peer = sub.peer
        if is_over(sub):
            continue
        if peer.sifted_by is not None:  # each of its own has a verdict of its own
            may = may_deliver(sub, subject, origin)
        else:
            queue = sub.queue
            key = (peer, queue) if sub.shadow is None else (peer, queue, sub.shadow.by)
            known = verdicts.get(key)
            if known is None:
                known = verdicts[key] = may_deliver(sub, subject, origin)
            may = known
        if may:
            found.append(sub)
    return found


def _weight(sub: Subscription) -> int:
    """Members behind a leaf; of a shadow those of what it stands for, which may change."""
    return sub.weight if sub.shadow is None else sub.shadow.source.weight
