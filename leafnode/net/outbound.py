"""From a peer's gathered bytes to its transport, within a bound.  HOT

Knows peers and transports; not what the bytes mean. What the transport holds back counts against
max_pending; beyond it the connection is cut, since nothing else frees the memory.
Truth: nats-server 2.15.1 server/client.go queueOutbound, flushOutbound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leafnode.limits import STALL_PENDING_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.net.transport import Transport
    from leafnode.routing.peer import Peer

SLOW_PENDING: Final = "Slow Consumer (Pending Bytes)"
READ_ERROR: Final = "Read Error"
WRITE_ERROR: Final = "Write Error"
SLOW_DEADLINE: Final = "Slow Consumer (Write Deadline)"


class Outbound:
    """Binds a peer to its transport for as long as the connection lives."""

    __slots__ = ("_holds_back", "_max_pending_bytes", "_on_slow", "_peer", "_transport")

    def __init__(
        self,
        peer: Peer,
        transport: Transport,
        *,
        max_pending_bytes: int,
        on_slow: Callable[[], None],
        holds_back: bool = True,
    ) -> None:
        """`on_slow` is called in the flush that finds more than `max_pending_bytes` waiting.

        It must end the connection. No -ERR can reach the client then: it would come behind all that
        waits (nats-server 2.15.1 sends none either, measured). `holds_back`: whoever feeds a
        connection that is far behind is not read for a moment.
        """
        self._peer = peer
        self._transport = transport
        self._max_pending_bytes = max_pending_bytes
        self._on_slow = on_slow
        self._holds_back = holds_back
        peer.flush = self.flush

    def pending_bytes(self) -> int:
        """Bytes on their way to this connection that the kernel did not take yet."""
        return self._peer.pending_bytes + self._transport.pending_bytes()

    @property
    def stalls(self) -> int:
        """How often this connection was not read because of somebody who did not keep up."""
        return self._transport.stalls

    def flush(self) -> None:
        """Hand what the peer gathered to the transport."""
        peer = self._peer
        if not peer.out:
            return
        transport = self._transport
        transport.write(peer.take())
        pending = transport.pending_bytes()
        if pending > STALL_PENDING_BYTES and self._holds_back:
            peer.outbox.stalled = True
        if pending > self._max_pending_bytes:
            self._on_slow()
