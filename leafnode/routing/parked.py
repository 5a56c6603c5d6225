"""What takes longer than a turn, in steps: a message for very many receivers, or that a look-up of
very many nodes finds.

A peer's own message waits with the peer: nothing more of it is handled before. What the server
sends waits with the account. Knows steps and the work that is left; not what they do.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from leafnode.limits import (
    BACKLOG_BYTES_MAX,
    BACKLOG_MAX,
    LEFT_BYTES,
    LEFT_BYTES_MAX,
    TURN_WORK,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.routing.peer import Outbox, Peer

    Steps = Iterator[object]

_WHOLE: Final = float("-inf")  # no work is too much


def begin(peer: Peer, steps: Steps, size: int = 0) -> None:
    """Take steps for a peer, as far as this turn goes; they hold a message of so many bytes.

    Its lane takes the others by `go_on`. Where some wait already these come behind them.
    """
    if peer.parked is not None:
        peer.parked.append((steps, size))
        return
    peer.parked = deque([(steps, size)])
    go_on(peer)


def go_on(peer: Peer) -> bool:
    """Take more of a peer's steps. False: some are left, and the turn is over."""
    return _go_on(peer, 0)


def leave(peer: Peer) -> None:
    """Take the other steps of a peer that nothing is read of any more, in turns of their own."""
    if peer.parked is not None:
        peer.outbox.left.add(peer)


def _go_on(peer: Peer, until: float) -> bool:
    waiting = peer.parked
    if waiting is None:
        return True
    done = True  # also where a step fails: the others are not to blame
    while waiting and done:
        try:
            done = _take(waiting[0][0], peer.outbox, until)
        finally:
            if done:  # else also what these steps brought comes behind them
                waiting.popleft()
            if not waiting:
                peer.parked = None
    return not waiting


class Aside:
    """Turns for what goes to very many where no connection waits for it.

    Of those who have some one has its steps in a turn of the loop, then the next: beside them
    others send, and connections end.
    """

    __slots__ = ("_jobs", "_outbox")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._jobs: deque[Callable[[], bool]] = deque()  # one for each account, and one more

    def take_turns(self, job: Callable[[], bool]) -> None:
        """Call this in turns of its own, as long as it says that there is more."""
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._outbox.end_later(self._next)

    def _next(self) -> None:
        job = self._jobs[0]
        more = True  # also where it fails: the next step is not to blame
        try:
            more = job()
        finally:
            self._jobs.popleft()
            if more:
                self._jobs.append(job)
            if self._jobs:
                self._outbox.end_later(self._next)


class Left:
    """What connections that are gone were sending to very many: who went first is served first.

    At the bound no new connection is begun with (`net.listener`). So there is never more than that
    and what those hold who are there.
    """

    __slots__ = ("_outbox", "_peers", "held_bytes")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._peers: dict[Peer, int] = {}  # in order; with what they hold
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def is_full(self) -> bool:
        return self.held_bytes >= LEFT_BYTES_MAX

    def add(self, peer: Peer) -> None:
        """Take the steps of a peer that takes none itself any more. Twice does nothing."""
        if peer in self._peers or peer.parked is None:
            return
        self._peers[peer] = size = LEFT_BYTES + sum([size for _, size in peer.parked])
        self.held_bytes += size
        if len(self._peers) == 1:
            self._outbox.aside.take_turns(self._go_on)

    def _go_on(self) -> bool:
        peer = next(iter(self._peers))
        try:
            _go_on(peer, self._outbox.work_left - TURN_WORK)
        finally:
            if peer.parked is None:
                self.held_bytes -= self._peers.pop(peer)
        return bool(self._peers)


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


def _calling(call: Callable[[], None]) -> Iterator[None]:
    call()
    yield from ()
