"""Which LS+ and LS- the other side of a link is sent: one account's interest, kept in step.

Knows the account's interest and the link's rules; not the connection, and not whose interest each
side is told of: routing.leaf_interest. Truth: nats-server 2.15.1
server/leafnode.go (there: smap); LS+ once per key, again on each change of a queue group's weight.

What there is when the link comes up is told in turns: 60,000 keys are 0.3 s of work. Meanwhile the
link reads nothing, so that no message goes over it whose reply subject the other side does not know
of yet. New interest goes out at once, because a request that follows it on the wire must not be
overtaken. All else (interest that ended, another weight) waits for the end of the turn, so that
churn costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import LINK_BYTES_A_WORK, LINK_WORK
from leafnode.protocol import subject as subjects
from leafnode.protocol.leaf_op import encode_sub, encode_unsub

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.clock import Clock, Timer
    from leafnode.leaf.rules import LinkRules
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer

    Key = tuple[bytes, bytes]

_ENDS_A_WORD: Final = frozenset(b" \t\r\n\0\f")


class Interest:
    """What one link announced. Watches the account from `start` to `stop`.

    A key is announced or it is not, whoever says so first: a change, or `tell` that comes to it.
    """

    def __init__(self, account: Account, peer: Peer, rules: LinkRules, clock: Clock) -> None:
        """`peer` is the other side, and knows what it is to us by now."""
        self.peer = peer
        self._account = account
        self._rules = rules
        self._clock = clock
        self._announced: dict[Key, int] = {}  # the weight last sent; bounded by the interest
        self._changed: set[Key] = set()
        self._timer: Timer | None = None
        self._untold: Iterator[Key] | None = None  # what `tell` has still to look at

    def start(self, loop_subject: bytes) -> None:
        """Announce the loop subject, and follow every change from now on; `tell` does the rest."""
        self.peer.send(encode_sub(loop_subject))
        self._untold = iter(self._account.wanted())
        self._account.links.append(self)

    def tell(self) -> bool:
        """Announce what there was at the start and still is, as long as the turn has work left.

        Says whether that was all. Until then the other side must not be listened to.
        """
        if self._untold is None:
            return True
        outbox = self.peer.outbox
        lines = []
        for key in self._untold:
            outbox.work_left -= LINK_WORK + (len(key[0]) + len(key[1])) // LINK_BYTES_A_WORK
            if key not in self._announced:
                count = self._count(key)
                if count and self._may_announce(*key):
                    self._announced[key] = count
                    lines.append(encode_sub(*key, count))
            if outbox.work_left <= 0:
                break
        else:
            self._untold = None
        if lines:
            self.peer.send(b"".join(lines))
        return self._untold is None

    def stop(self) -> None:
        """Follow no longer. The other side forgets by itself when the link ends."""
        self._untold = None
        if self in self._account.links:
            self._account.links.remove(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def interest_changed(self, subject: bytes, queue: bytes) -> None:
        key = (subject, queue)
        if key in self._announced:
            self._changed.add(key)
            if self._timer is None:
                self._timer = self._clock.call_later(0, self._catch_up)
            return
        count = self._count(key)
        if count and self._may_announce(subject, queue):
            self._announced[key] = count
            self.peer.send(encode_sub(subject, queue, count))

    def _catch_up(self) -> None:
        self._timer = None
        changed, self._changed = self._changed, set()
        lines = []
        for key in changed:
            subject, queue = key
            count = self._count(key)
            if not count:
                del self._announced[key]
                lines.append(encode_unsub(subject, queue))
            elif queue and count != self._announced[key]:
                self._announced[key] = count
                lines.append(encode_sub(subject, queue, count))
        if lines:
            self.peer.send(b"".join(lines))

    def _count(self, key: Key) -> int:
        return self._account.wanted_by_others(key, self.peer.leaf)

    def _may_announce(self, subject: bytes, queue: bytes) -> bool:
        # Subjects and queues also come out of JSON, where a line end is one escape away.
        if not subjects.is_valid(subject) or not _ENDS_A_WORD.isdisjoint(queue):
            return False
        return self._rules.may_announce(subject, self.peer.outbox)
