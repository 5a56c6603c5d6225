"""Which LS+ and LS- a hub is sent: the local interest of one account, kept in step.

Knows the account's interest and the link's rules; not the connection. Truth: nats-server 2.15.1
server/leafnode.go (there: smap); LS+ once per key, again on each change of a queue group's weight.

New interest goes out at once, because a request that follows it on the wire must not be
overtaken. All else (interest that ended, another weight) waits for the end of the turn, so that
churn costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.protocol import subject as subjects
from leafnode.protocol.leaf_op import encode_sub, encode_unsub

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock, Timer
    from leafnode.leaf.rules import LinkRules
    from leafnode.routing.account import Account

    Key = tuple[bytes, bytes]

_ENDS_A_WORD: Final = frozenset(b" \t\r\n\0\f")


class Interest:
    """What one link announced. Watches the account from `start` to `stop`."""

    def __init__(
        self, account: Account, rules: LinkRules, send: Callable[[bytes], None], clock: Clock
    ) -> None:
        self._account = account
        self._rules = rules
        self._send = send
        self._clock = clock
        self._announced: dict[Key, int] = {}  # the weight last sent; bounded by the local interest
        self._changed: set[Key] = set()
        self._timer: Timer | None = None

    def start(self, loop_subject: bytes) -> None:
        """Announce everything there is, and the loop subject; follow every change from now on."""
        lines = [encode_sub(loop_subject)]
        for (subject, queue), count in self._account.local_interest.items():
            if self._may_announce(subject, queue):
                self._announced[subject, queue] = count
                lines.append(encode_sub(subject, queue, count))
        self._send(b"".join(lines))
        self._account.watchers.append(self)

    def stop(self) -> None:
        """Follow no longer. The hub forgets by itself when the link ends."""
        if self in self._account.watchers:
            self._account.watchers.remove(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def interest_changed(self, subject: bytes, queue: bytes, count: int) -> None:
        key = (subject, queue)
        if key in self._announced:
            self._changed.add(key)
            if self._timer is None:
                self._timer = self._clock.call_later(0, self._catch_up)
        elif count and self._may_announce(subject, queue):
            self._announced[key] = count
            self._send(encode_sub(subject, queue, count))

    def _catch_up(self) -> None:
        self._timer = None
        changed, self._changed = self._changed, set()
        lines = []
        for key in changed:
            subject, queue = key
            count = self._account.local_interest.get(key, 0)
            if not count:
                del self._announced[key]
                lines.append(encode_unsub(subject, queue))
            elif queue and count != self._announced[key]:
                self._announced[key] = count
                lines.append(encode_sub(subject, queue, count))
        if lines:
            self._send(b"".join(lines))

    def _may_announce(self, subject: bytes, queue: bytes) -> bool:
        # Subjects and queues also come out of JSON, where a line end is one escape away.
        if not subjects.is_valid(subject) or not _ENDS_A_WORD.isdisjoint(queue):
            return False
        return self._rules.may_announce(subject)
