"""What takes longer than a turn, in steps: a message for very many receivers, or that a look-up of
very many nodes finds.

A peer's own message waits with the peer: nothing more of it is handled before. What the server
sends waits with the account. Knows steps and the work that is left; not what they do.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode.limits import BACKLOG_BYTES_MAX, BACKLOG_MAX, TURN_WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from leafnode.routing.peer import Outbox, Peer

    Steps = Generator[None, None, object]

_WHOLE: Final = float("-inf")  # no work is too much


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

    __slots__ = ("_is_busy", "_outbox", "_waiting", "added", "held_bytes", "hurried")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._waiting: deque[tuple[Steps, int]] = deque()  # with what they send
        self._is_busy = False  # some of its steps are being taken
        self.added = 0  # messages, since ever
        self.held_bytes = 0  # of all that wait
        self.hurried = 0  # times that all of them were sent in one turn

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, steps: Steps, size: int) -> None:
        """Take these steps, which send so many bytes, behind those that wait.

        Beyond the bound those are sent first, now: that is a long turn, and no message is lost.
        """
        waiting = self._waiting
        if waiting and (len(waiting) >= BACKLOG_MAX or self.held_bytes + size > BACKLOG_BYTES_MAX):
            self.finish()
        self.added += 1
        waiting.append((steps, size))
        self.held_bytes += size
        if len(waiting) == 1:
            self._outbox.end_later(self._go_on)

    def finish(self) -> None:
        """Send all that waits now, for what must not overtake it."""
        if self._is_busy or not self._waiting:
            return  # a step of it asks: what it sends is part of what comes first
        self.hurried += 1
        for _ in range(len(self._waiting)):  # not what these bring
            self._take_first(_WHOLE)

    def then(self, call: Callable[[], None]) -> None:
        """Call this when all that waits now is sent. Who asks does so once."""
        self._waiting.append((_calling(call), 0))
        if len(self._waiting) == 1:
            self._outbox.end_later(self._go_on)

    def _go_on(self) -> None:
        try:
            if self._waiting:  # else it was finished meanwhile
                self._take_first(self._outbox.work_left - TURN_WORK)
        finally:
            if self._waiting:
                self._outbox.end_later(self._go_on)

    def _take_first(self, until: float) -> None:
        done = True  # also where a step fails: the others are not to blame
        self._is_busy = True
        try:
            done = _take(self._waiting[0][0], self._outbox, until)
        finally:
            self._is_busy = False
            if done:
                self.held_bytes -= self._waiting.popleft()[1]


def _take(steps: Iterator[object], outbox: Outbox, until: float) -> bool:
    """Take steps while more work than `until` is left. False: some are left."""
    return all(outbox.work_left > until for _ in steps)


def _calling(call: Callable[[], None]) -> Generator[None, None, None]:
    call()
    yield from ()
