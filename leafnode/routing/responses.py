"""Replies that a peer may publish to because it received a request: `allow_responses`.

Knows subjects and times that it is given; not sockets, and not what an answer says. One for each
connection whose permissions ask for it. Truth: nats-server 2.15.1 server/client.go deliverMsg,
responseAllowed; measured: tests/conformance/transcripts/responses.txt.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from leafnode.limits import OPEN_REPLIES_BYTES_MAX, OPEN_REPLIES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.routing.permissions import ResponseRule


_EXPIRED_AT_ONCE: Final = 16
_ENTRY_BYTES: Final = 290  # beside the characters of a subject (measured)


class OpenReplies:
    """The reply subjects that wait for an answer of one peer, oldest first."""

    __slots__ = ("_now_ns", "_open", "dropped", "held_bytes", "rule")

    def __init__(self, rule: ResponseRule, now_ns: Callable[[], int]) -> None:
        self.rule = rule
        self._now_ns = now_ns
        # A dict would be walked past what is gone from its front.
        self._open: OrderedDict[bytes, tuple[int, int]] = (
            OrderedDict()
        )  # subject: received at, answers so far
        self.held_bytes = 0
        self.dropped = 0  # unanswered ones that had to make room

    def __len__(self) -> int:
        return len(self._open)

    def add(self, reply: bytes) -> None:
        """Note that the peer was sent a message with this reply subject."""
        now_ns = self._now_ns()
        if reply in self._open:
            self._forget(reply)  # a repeated request starts over, at the end of the order
        self._forget_expired(now_ns)
        self.held_bytes += _ENTRY_BYTES + len(reply)
        self._open[reply] = (now_ns, 0)
        while len(self._open) > OPEN_REPLIES_MAX or self.held_bytes > OPEN_REPLIES_BYTES_MAX:
            self.dropped += not self._is_expired(self._forget_oldest(), now_ns)

    def holds(self, subject: bytes) -> bool:
        """Say whether an answer is awaited there, without counting one."""
        found = self._open.get(subject)
        return found is not None and not self._is_expired(found[0], self._now_ns())

    def take(self, subject: bytes) -> bool:
        """Say whether the peer may publish one more message there, and count it."""
        found = self._open.get(subject)
        if found is None:
            return False
        received_ns, answers = found
        rule = self.rule
        if self._is_expired(received_ns, self._now_ns()):
            self._forget(subject)
            return False
        answers += 1
        if rule.max_msgs and answers >= rule.max_msgs:
            self._forget(subject)
        else:
            self._open[subject] = (received_ns, answers)
        return True

    def _forget(self, reply: bytes) -> None:
        del self._open[reply]
        self.held_bytes -= _ENTRY_BYTES + len(reply)

    def _is_expired(self, received_ns: int, now_ns: int) -> bool:
        return 0 < self.rule.expires_ns < now_ns - received_ns

    def _forget_oldest(self) -> int:
        """Return when it was received."""
        reply, (received_ns, _) = next(iter(self._open.items()))
        self._forget(reply)
        return received_ns

    def _forget_expired(self, now_ns: int) -> None:
        """Forget a few: more than come, and no more than a delivery has the time for."""
        for _ in range(_EXPIRED_AT_ONCE):
            if not self._open:
                return
            received_ns, _ = next(iter(self._open.values()))
            if not self._is_expired(received_ns, now_ns):
                return
            self._forget_oldest()
