"""Client connections that are gone, for monitoring: the newest ones, in few bytes each.

Knows facts, and how many of them may be kept; not connections. Truth: nats-server 2.15.1
server/ring.go closedRingBuffer; the bound in bytes is ours.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode.clients.facts import ClosedConnection
from leafnode.limits import CLOSED_BYTES_MAX, MAX_CLOSED_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

# Packed, one takes a third of what its objects take.
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(ClosedConnection)


class ClosedRing:
    """At most `max_count` connections, and CLOSED_BYTES_MAX; beyond it the oldest is forgotten."""

    __slots__ = ("_kept", "bytes", "forgotten", "max_count")

    def __init__(self, max_count: int = MAX_CLOSED_CLIENTS) -> None:
        self.max_count = max_count
        self.bytes = 0
        self.forgotten = 0
        self._kept: deque[bytes] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[ClosedConnection]:
        """Unpack one after another, the oldest first, as they are at the first call."""
        for packed in list(self._kept):
            yield _DECODER.decode(packed)

    def add(self, connection: ClosedConnection) -> None:
        """Keep a connection that ended just now."""
        packed = _ENCODER.encode(connection)
        self._kept.append(packed)
        self.bytes += len(packed)
        self.shrink()

    def shrink(self) -> None:
        """Forget the oldest until the bounds hold, which a reload may have changed."""
        while len(self._kept) > self.max_count or self.bytes > CLOSED_BYTES_MAX:
            self.bytes -= len(self._kept.popleft())
            self.forgotten += 1
