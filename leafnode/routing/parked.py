"""What takes longer than a turn, in steps: a message for very many receivers, or that a look-up of
very many nodes finds.

A peer's own message waits with the peer: nothing more of it is handled before. What the server
sends waits with the account. Knows steps and the work that is left; not what they do.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from leafnode.limits import BACKLOG_BYTES_MAX, BACKLOG_MAX, TURN_WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from leafnode.routing.peer import Outbox, Peer

    Steps = Generator[None, None, object]


def begin(peer: Peer, steps: Iterator[object]) -> None:
    """Take steps for a peer, as far as this turn goes. Its lane takes the others by `go_on`."""
    assert peer.parked is None, "nothing of a peer is handled before what waits"
    peer.parked = steps
    go_on(peer)


def go_on(peer: Peer) -> bool:
    """Take more of a peer's steps. False: some are left, and the turn is over."""
    steps, peer.parked = peer.parked, None
    if steps is not None and not _take(steps, peer.outbox, 0):
        peer.parked = steps
        return False
    return True


def leave(peer: Peer) -> None:
    """Take the other steps of a peer that nothing is read of any more, in turns of their own."""
    if peer.parked is not None:
        peer.outbox.end_later(partial(_leave, peer))


def _leave(peer: Peer) -> None:
    steps, peer.parked = peer.parked, None
    if steps is not None and not _take(steps, peer.outbox, peer.outbox.work_left - TURN_WORK):
        peer.parked = steps
        leave(peer)


class Backlog:
    """What the server is sending to very many in one account, one after the other."""

    __slots__ = ("_outbox", "_waiting", "dropped", "held_bytes")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: deque[tuple[Steps, int]] = deque()  # with what they send
        self.held_bytes = 0  # of all of these
        self.dropped = 0  # beyond the bound

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, steps: Steps, size: int) -> None:
        """Take these steps, which send so many bytes, behind those that wait; one beyond the bound
        is dropped.
        """
        waiting = self._waiting
        if waiting and (len(waiting) >= BACKLOG_MAX or self.held_bytes + size > BACKLOG_BYTES_MAX):
            self.dropped += 1
            steps.close()
            return
        waiting.append((steps, size))
        self.held_bytes += size
        if len(waiting) == 1:
            self._outbox.end_later(self._go_on)

    def then(self, call: Callable[[], None]) -> None:
        """Call this when all that waits now is sent. Who asks does so once."""
        self._waiting.append((_calling(call), 0))
        if len(self._waiting) == 1:
            self._outbox.end_later(self._go_on)

    def _go_on(self) -> None:
        waiting, outbox = self._waiting, self._outbox
        done = True  # also where a step fails: the others are not to blame
        try:
            done = _take(waiting[0][0], outbox, outbox.work_left - TURN_WORK)
        finally:
            if done:
                self.held_bytes -= waiting.popleft()[1]
            if waiting:
                outbox.end_later(self._go_on)


def _take(steps: Iterator[object], outbox: Outbox, until: int) -> bool:
    """Take steps while more work than `until` is left. False: some are left."""
    return all(outbox.work_left > until for _ in steps)


def _calling(call: Callable[[], None]) -> Generator[None, None, None]:
    call()
    yield from ()
