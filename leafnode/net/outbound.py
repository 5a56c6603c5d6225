"""From a peer's gathered bytes to its transport, within a bound.  HOT

Knows peers and transports; not what the bytes mean. What the transport holds back counts against
max_pending; beyond it the connection is cut, since nothing else frees the memory. What has to be
encrypted or packed goes in pieces, each in a turn of the loop.
Truth: nats-server 2.15.1 server/client.go queueOutbound, flushOutbound.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode.limits import CODED_TURN_BYTES, STALL_PENDING_BYTES

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

    __slots__ = (
        "_close_reason",
        "_coded_later",
        "_head_sent",
        "_holds_back",
        "_max_pending_bytes",
        "_on_slow",
        "_peer",
        "_rest",
        "_stall_bytes",
        "_transport",
    )

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
        self._on_slow = on_slow
        self._holds_back = holds_back
        self._rest: deque[bytes] | None = None  # it waits for its turn, see `_write_coded`
        self._head_sent = 0  # of its first chunk
        self._coded_later = 0  # bytes of it
        self._close_reason: str | None = None  # why the transport is closed once it is written
        peer.flush = self.flush
        self.limit(max_pending_bytes)

    def limit(self, max_pending_bytes: int) -> None:
        """Let so much wait from now on."""
        self._max_pending_bytes = self._peer.max_pending_bytes = max_pending_bytes
        # Early enough where max_pending is small: one turn reads a MiB more before it can stop.
        self._stall_bytes = min(STALL_PENDING_BYTES, max_pending_bytes // 2)

    def pending_bytes(self) -> int:
        """Bytes on their way to this connection that the kernel did not take yet."""
        return self._peer.pending_bytes + self._coded_later + self._transport.pending_bytes()

    @property
    def stalls(self) -> int:
        """How often this connection was not read because of somebody who did not keep up."""
        return self._transport.stalls

    def flush(self) -> None:
        """Hand what the peer gathered to the transport."""
        peer = self._peer
        if not peer.out:
            return
        try:
            transport = self._transport
            if peer.pending_bytes > self._max_pending_bytes:
                self._cut()
                return
            self._hand_on()
            pending = self._coded_later + transport.pending_bytes()
            if pending > self._stall_bytes and self._holds_back:
                peer.outbox.stalled = True
                if self.lags():
                    peer.outbox.lags = self.lags
            if pending > self._max_pending_bytes:
                self._cut()
        except Exception:
            self._end()
            raise  # the outbox says and counts it, and goes on with the others

    def lags(self) -> bool:
        """Say whether it is far behind for our own sake: that ends, whatever the peer does, and
        until then whoever feeds it is not read. It was cut for keeping up.
        """
        return self._coded_later > self._stall_bytes

    def finish(self) -> None:
        """Hand on the last that there is for the peer; `close` follows."""
        peer = self._peer
        if peer.out and peer.pending_bytes <= self._max_pending_bytes:
            self._hand_on()

    def _hand_on(self) -> None:
        transport = self._transport
        if transport.coding:
            self._write_coded(transport.coding)
        else:
            transport.write(self._peer.take())

    def close(self, reason: str = "") -> None:
        """Close the transport, behind what still waits for its turn."""
        if self._rest:
            self._close_reason = reason
            self._transport.pause_reading()
        else:
            self._transport.close(reason)

    def lose(self) -> None:
        """The peer is gone, or says nothing more: write no more for it than one turn is for."""
        if self._rest:
            self._transport.write(self._take_piece())
        self._drop()

    def take_over(self, before: Outbound) -> None:
        """Go on with what this peer's former one has to write."""
        self._rest, before._rest = before._rest, None
        self._head_sent, self._coded_later = before._head_sent, before._coded_later
        before._coded_later = 0
        if self._rest and self._peer.outbox.wait_for is not None:
            self._peer.outbox.wait_for(self._write_piece)

    def _cut(self) -> None:
        self._drop()
        self._on_slow()

    def _drop(self) -> None:
        """Forget what waits."""
        self._peer.take()
        self._rest, self._head_sent, self._coded_later = None, 0, 0

    def _write_coded(self, weight: int) -> None:
        """Write what is soon encrypted or packed; let the rest wait for its turn."""
        peer = self._peer
        outbox = peer.outbox
        if self._rest is None:
            outbox.coding_left -= peer.pending_bytes * weight
            if outbox.coding_left >= 0 or outbox.wait_for is None:
                self._transport.write(peer.take())
                return
            self._rest = deque()
            outbox.wait_for(self._write_piece)
        self._coded_later += peer.pending_bytes
        self._rest += peer.take()

    def _write_piece(self) -> None:
        """Write so much as one turn of the loop is for."""
        if self._rest is None:
            return  # it was finished or cut meanwhile
        try:
            self._write_next()
        except Exception as err:  # noqa: BLE001 -- boundary: connection
            self._end()
            self._peer.outbox.failed(self._peer, err)

    def _write_next(self) -> None:
        transport, wait_for = self._transport, self._peer.outbox.wait_for
        transport.write(self._take_piece())
        if self._rest and wait_for is not None:
            wait_for(self._write_piece)
        else:
            self._rest = None
            if self._close_reason is not None:
                transport.close(self._close_reason)
        if self._coded_later + transport.pending_bytes() > self._max_pending_bytes:
            self._cut()

    def _end(self) -> None:
        """Cut off a connection whose write failed: what it would get next has a hole."""
        self._drop()
        self._transport.abort(WRITE_ERROR)

    def _take_piece(self) -> list[bytes]:
        """Take so much of what waits as one turn is for."""
        rest, pieces = self._rest, []
        size = CODED_TURN_BYTES // max(self._transport.coding, 1)
        while rest and size > 0:
            piece = rest[0][self._head_sent : self._head_sent + size]
            pieces.append(piece)
            size -= len(piece)
            self._coded_later -= len(piece)
            self._head_sent += len(piece)
            if self._head_sent >= len(rest[0]):
                rest.popleft()
                self._head_sent = 0
        return pieces
