"""One turn of the loop: one read, everything it leads to, then all writes at once.

Knows sessions and the outbox of routing; not sockets, and no operation of NATS. One for a server;
all its connections share it.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode.limits import (
    ENDING_WORK,
    FREED_MEMORY_KEPT_BYTES,
    READ_BULK_BYTES,
    READ_CHUNK_BYTES,
    READ_QUICK_NS,
    STALL_NS,
    TURN_NS,
    UNKNOWN_COST_NS,
)
from leafnode.net.leaving import Leaving
from leafnode.net.unread import Unread
from leafnode.routing.peer import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock
    from leafnode.net.transport import Session, Transport
    from leafnode.routing.peer import Peer

log = logging.getLogger(__name__)

# Once so much is used up the next round begins anew. Earlier would be a timer for few reads, and a
# timer is a round of the loop of its own; what an earlier round used up is missing in a later one.
_RENEWED_NS: Final = TURN_NS // 2
_UNKNOWN_NS: Final = 2 * UNKNOWN_COST_NS


class Turn:
    """Hands reads to sessions and flushes the peers that they made dirty."""

    __slots__ = (
        "_endings",
        "_is_end_due",
        "_is_next_due",
        "_is_renewal_due",
        "_keeps_freed_memory",
        "_spent_ns",
        "_unread",
        "_unread_begins",
        "_waiting",
        "clock",
        "deferred",
        "faults",
        "is_full",
        "leaving",
        "outbox",
        "receive_buffer",
        "stalls",
        "yields",
    )

    def __init__(self, clock: Clock) -> None:
        self.clock: Final = clock
        self.outbox: Final = Outbox(
            self._wake, self._flush_failed, wait_for=self.wait_for, end_later=self.end_later
        )
        # What TLS decrypts, for all connections: it is copied out before the next piece comes.
        self.receive_buffer: Final = memoryview(bytearray(READ_CHUNK_BYTES))
        self._keeps_freed_memory = False
        self.faults = 0  # connections closed because of our own bug
        self.stalls = 0  # times that somebody was not read because another did not keep up
        self.yields = 0  # times that a connection waited for another turn, to read on or to write
        self.deferred = 0  # reads that waited, since others had used up their turn of the loop
        self.is_full = False  # this turn of the loop has had what it is for: who reads waits
        self._spent_ns = 0  # in this turn of the loop
        self._is_renewal_due = False
        self.leaving: Final = Leaving()
        self._waiting: dict[Callable[[], None], None] = {}  # in order
        self._unread: Final = Unread()
        self._unread_begins = True
        self._is_next_due = False
        self._endings: deque[Callable[[], None]] = deque()  # one or two for each connection
        self._is_end_due = False

    def begin(self) -> int:
        """Read the clocks, once for all that comes of what begins; return monotonic time."""
        now_ns = self.clock.monotonic_ns()
        self.outbox.now = now_ns, self.clock.wall_ns()
        return now_ns

    def read(self, session: Session, data: bytes) -> bool:
        """Let the session take one read, then write what it caused. False: close the connection.

        It is of the time at which what it is a part of began, see `begin`.
        """
        outbox = self.outbox
        outbox.begin_read()
        try:
            session.received(data)
        except Exception:  # boundary: connection
            self.faults += 1
            log.exception("Connection closed, handling its bytes failed: bytes=%d", len(data))
            return False
        finally:
            outbox.flush()
        return True

    def run(self, job: Callable[[], None]) -> None:
        """Do what another thread handed over, then write what it caused: in this turn of the loop,
        not in one of its own.
        """
        began_ns = self.begin()
        self.outbox.begin_turn()
        try:
            job()
        finally:
            self.outbox.flush()
            self.spend_since(began_ns)

    def next_read_bytes(self, size: int) -> int:
        """Return how much may be read next after a read of `size`, behind which there is more.

        More at once where that was done soon, since a turn costs 30 us beside its messages.
        """
        took_ns = self.clock.monotonic_ns() - self.outbox.now[0]
        if took_ns * READ_CHUNK_BYTES >= READ_QUICK_NS * size:
            return READ_CHUNK_BYTES
        self._keep_freed_memory()
        return READ_BULK_BYTES

    def _keep_freed_memory(self) -> None:
        """See to it that what one turn frees is there in the next.

        glibc gives the end of its heap back to the kernel from 128 KiB on: 3 calls of brk and 40
        page faults a turn of large reads, as much as everything else in it. Once a block of its own
        mapping was freed, it waits for twice that block's size (mallopt(3), M_MMAP_THRESHOLD).
        """
        if not self._keeps_freed_memory:
            self._keeps_freed_memory = True
            bytearray(FREED_MEMORY_KEPT_BYTES // 2)

    def connect(self, session: Session, transport: Transport) -> bool:
        """Tell the session of its connection. False: close the connection."""
        self.begin()
        self.outbox.begin_turn()
        try:
            session.connected(transport)
        except Exception:  # boundary: connection
            self.faults += 1
            log.exception("Connection closed, greeting it failed: peer=%s", transport.peer)
            return False
        finally:
            self.outbox.flush()
        return True

    def lose(self, session: Session, reason: str) -> None:
        """Tell the session that its connection is gone."""
        try:
            session.lost(reason)
        except Exception:  # boundary: connection
            self.faults += 1
            log.exception("Cleaning up after a connection failed: reason=%s", reason)

    def must_stall(self) -> bool:
        """Say whether the writes of the last read left a peer so far behind that it waits."""
        stalled = self.outbox.take_stalled()
        self.stalls += stalled
        return stalled

    def end_stall_later(self, then: Callable[[], None]) -> None:
        """Call this in a moment, or once the peer that is far behind for our own sake is so no
        more.
        """
        lags, self.outbox.lags = self.outbox.lags, None

        def look() -> None:
            if lags is not None and lags():
                self.clock.call_later(STALL_NS, look)
            else:
                then()

        self.clock.call_later(STALL_NS, look)

    def spend_since(self, began_ns: int, cost_ns: int = 0) -> int:
        """Count what was done since then to this turn of the loop, which all connections share.

        Each read has its own bound (`TURN_WORK`), but a thousand of them in one turn were seconds.
        Return what that costs, where it was believed to cost `cost_ns` before (0: nobody knows):
        half of it is this time. One that the machine interrupted makes nobody dear, several do.
        """
        spent_ns = self.clock.monotonic_ns() - began_ns
        self._spent_ns = all_ns = self._spent_ns + spent_ns
        if all_ns >= _RENEWED_NS:
            self.is_full = all_ns >= TURN_NS
            if not self._is_renewal_due:
                self._is_renewal_due = True
                self.clock.call_later(0, self._renew)
        believed_ns = cost_ns or _UNKNOWN_NS
        return (min(spent_ns, 2 * believed_ns, TURN_NS) + believed_ns) // 2

    def _renew(self) -> None:
        self._is_renewal_due = self.is_full = False
        self._spent_ns = 0

    def wait_for(self, take_turn: Callable[[], None]) -> None:
        """Call `take_turn` after the others had their turn; who waits already keeps its place.

        One of them for each turn of the loop: however many ask for a lot, whoever asks for little
        waits for one of them.
        """
        self.yields += 1
        self._waiting[take_turn] = None
        self._call_next()

    def wait_unread(self, read: Callable[[], None], cost_ns: int) -> None:
        """Call `read` in a turn of the loop that has time for it: this one `is_full`.

        It counts what it takes, by `spend_since`. `cost_ns`: see `Unread.enter`.
        """
        self.deferred += 1
        self._unread.enter(read, cost_ns)
        self._call_next()

    def _call_next(self) -> None:
        if not self._is_next_due:
            self._is_next_due = True
            self.clock.call_later(0, self._next)

    def _next(self) -> None:
        """Take one of those who go on, and as many of the unread as there is time for.

        Who begins changes, so that neither waits for ever for what the other leaves.
        """
        try:
            goes_on = bool(self._waiting) and not (self._unread and self._unread_begins)
            self._unread_begins = goes_on
            if goes_on:
                self._take_first()
            elif self._unread:
                self._unread.take()()
            while self._unread and not self.is_full:
                self._unread.take()()
            if self._waiting and not goes_on and not self.is_full:
                self._take_first()
        finally:
            self._is_next_due = False
            if self._waiting or self._unread:
                self._call_next()

    def end_later(self, end: Callable[[], None]) -> None:
        """Call `end` in the next turn, or in a later one where many end at once.

        1,500 connections with 20 subscriptions that close at once held the others for a second.
        """
        self._endings.append(end)
        if not self._is_end_due:
            self._is_end_due = True
            self.clock.call_later(0, self._end_some)

    def run_out(self) -> None:
        """Let those who wait have all of their turns now: the server ends, and the loop with it."""
        self.outbox.flush()
        while self._waiting:
            self._take_first()

    def _take_first(self) -> None:
        take_turn = next(iter(self._waiting))
        del self._waiting[take_turn]
        take_turn()

    def _end_some(self) -> None:
        """End so many as one turn is for: what each has to clear away is work, too."""
        endings, outbox, began_ns = self._endings, self.outbox, self.clock.monotonic_ns()
        outbox.renew_work()
        try:
            while endings and outbox.work_left > 0:
                outbox.work_left -= ENDING_WORK
                endings.popleft()()
        finally:
            self.spend_since(began_ns)
            self._is_end_due = bool(endings)
            if endings:
                self.clock.call_later(0, self._end_some)

    def _wake(self) -> None:
        self.clock.call_later(0, self._flush)

    def _flush(self) -> None:
        self.begin()
        self.outbox.begin_turn()
        self.outbox.flush()

    def _flush_failed(self, peer: Peer, err: Exception) -> None:
        """Count and say it; the peer is given nothing more, and its `Outbound` ended it."""
        self.faults += 1
        log.error("Writing to a connection failed: cid=%d", peer.cid, exc_info=err)
