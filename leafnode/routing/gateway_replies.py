"""Replies that a gateway has wrapped: what clients see of them, and the way back.

Where a request comes from another cluster, and the interest in its answer may not be known here
yet, a hub's reply names the way: `_GR_.<cluster>.<server>.<reply>`. Clients see the reply alone and
answer it; for a while what they say there goes the way that the request named. Knows subjects and
times that it is given; not links. Truth: nats-server 2.15.1 server/gateway.go trackGWReply,
server/client.go deliverMsg and handleGWReplyMap.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from leafnode.limits import GATEWAY_REPLY_NS, OPEN_REPLIES_BYTES_MAX

WRAPPED: Final = b"_GR_."
ALL_WRAPPED: Final = b"_GR_.>"  # what a hub with gateways subscribes to, as its key, too
_WAY_BYTES: Final = 19  # _GR_.<6 of the cluster's hash>.<6 of the server's hash>.
_ENTRY_BYTES: Final = 300  # beside the characters of both subjects (measured: 274 at most)
_FORGOTTEN_AT_ONCE: Final = 16


def unrouted(reply: bytes) -> bytes:
    """Return the reply that was asked for, without the way to it."""
    if reply.startswith(WRAPPED) and len(reply) > _WAY_BYTES:
        return reply[_WAY_BYTES:]
    return reply


class AwaitedElsewhere:
    """The replies of one client that are awaited in another cluster, oldest first.

    True while there are any: what the client publishes has to be looked up.
    """

    __slots__ = ("_known", "held_bytes")

    def __init__(self) -> None:
        # By the reply as the client sees it: the whole one, and when it came.
        self._known: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._known)

    def add(self, reply: bytes, now_ns: int) -> bytes:
        """Note a wrapped reply that the client gets; return how it sees it."""
        shown = unrouted(reply)
        if shown in self._known:
            self._forget(shown)
        self._forget_expired(now_ns)
        self._known[shown] = (reply, now_ns)
        self.held_bytes += _size_of(reply)
        while self.held_bytes > OPEN_REPLIES_BYTES_MAX:
            self._forget(next(iter(self._known)))
        return shown

    def way_to(self, subject: bytes, now_ns: int) -> bytes | None:
        """Return where an answer to this subject goes; None: by interest, as everything else."""
        self._forget_expired(now_ns)
        found = self._known.get(subject)
        if found is None or now_ns - found[1] > GATEWAY_REPLY_NS:
            return None
        return found[0]

    def _forget(self, shown: bytes) -> None:
        reply, _ = self._known.pop(shown)
        self.held_bytes -= _size_of(reply)

    def _forget_expired(self, now_ns: int) -> None:
        """Forget a few: more than come, and no more than a message has the time for."""
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._known:
                return
            shown, (_, came_ns) = next(iter(self._known.items()))
            if now_ns - came_ns <= GATEWAY_REPLY_NS:
                return
            self._forget(shown)


def _size_of(reply: bytes) -> int:
    return _ENTRY_BYTES + 2 * len(reply)
