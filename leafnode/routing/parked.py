"""What takes longer than a turn, in steps: a message for very many receivers, or that a look-up of
very many nodes finds.

A peer's own message waits with the peer: nothing more of it is handled before. What the server
sends waits with the account. Knows steps and the work that is left; not what they do.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from leafnode.limits import (
    BACKLOG_BYTES_MAX,
    BACKLOG_MAX,
    LEFT_BYTES,
    LEFT_BYTES_MAX,
    TURN_WORK,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from leafnode.routing.peer import Outbox, Peer

    Steps = Iterator[object]


class Parked(NamedTuple):
    """Steps of a peer, and what they hold: bodies of messages, which others may hold too, and a
    copy of so many bytes once it is their turn.
    """

    steps: Steps
    bodies: Sequence[bytes]
    copied: int


def begin(peer: Peer, steps: Steps, bodies: Sequence[bytes] = (), copied: int = 0) -> None:
    """Take steps for a peer, as far as this turn goes. What they hold: see `Parked`.

    Its lane takes the others by `go_on`; of one that is gone they have turns of their own. Where
    some wait already these come behind them.
    """
    one = Parked(steps, bodies, copied)
    if peer.parked is None:
        peer.parked = deque([one])
        go_on(peer)
    else:
        peer.parked.append(one)
    if peer.closing:
        peer.outbox.left.add_one(peer, one)


def go_on(peer: Peer) -> bool:
    """Take more of a peer's steps. False: some are left, and the turn is over."""
    return _go_on(peer, 0)


def leave(peer: Peer) -> None:
    """Take the other steps of a peer that nothing is read of any more, in turns of their own.
    Twice only counts anew what they hold.
    """
    if peer.parked is not None:
        peer.outbox.left.add(peer)


def _go_on(peer: Peer, until: float) -> bool:
    waiting = peer.parked
    if waiting is None:
        return True
    done = True  # also where a step fails: the others are not to blame
    while waiting and done:
        try:
            done = _take(waiting[0].steps, peer.outbox, until)
        finally:
            if done:  # else also what these steps brought comes behind them
                waiting.popleft()
            if not waiting:
                peer.parked = None
    return not waiting


def in_turns(outbox: Outbox, steps: Iterator[object]) -> bool:
    """Take as many steps as others can wait for, and the rest in turns of their own: False."""
    done = _take(steps, outbox, outbox.work_left - TURN_WORK)
    if not done:
        outbox.end_later(partial(_rest_in_turns, outbox, steps))
    return done


def _rest_in_turns(outbox: Outbox, steps: Iterator[object]) -> None:
    in_turns(outbox, steps)


class Aside:
    """Turns for what goes to very many where no connection waits for it.

    Of those who have some one has its steps in a turn of the loop, then the next: beside them
    others send, and connections end.
    """

    __slots__ = ("_jobs", "_outbox", "added", "last")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._jobs: deque[Callable[[], bool]] = deque()  # one for each account, and one more
        self.added = 0  # messages of the server to very many, since ever
        self.last: Backlog | None = None  # where the last one waits, or waited

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

    def add_one(self, peer: Peer, one: Parked) -> None:
        """Take also this, its last one. Of thousands that hold the same only the last two are
        looked at.
        """
        known = self._peers.get(peer)
        if known is None or peer.parked is None:
            self.add(peer)
            return
        before = peer.parked[-2].bodies if len(peer.parked) > 1 else ()
        size = LEFT_BYTES
        if [*map(id, one.bodies)] != [*map(id, before)]:
            size += sum(map(len, one.bodies)) + one.copied
        self._peers[peer] = known + size
        self.held_bytes += size

    def add(self, peer: Peer) -> None:
        """Take the steps of a peer that takes none itself any more; or count anew what they hold.

        A message that went through several imports is held once, and copied for one at a time.
        """
        if peer.parked is None:
            return
        bodies = {id(body): len(body) for one in peer.parked for body in one.bodies}
        size = LEFT_BYTES * len(peer.parked) + sum(bodies.values())
        size += max(one.copied for one in peer.parked)
        is_first = not self._peers
        self.held_bytes += size - self._peers.get(peer, 0)
        self._peers[peer] = size
        if is_first:
            self._outbox.aside.take_turns(self._go_on)

    def _go_on(self) -> bool:
        peer = next(iter(self._peers), None)
        if peer is None:
            return False
        try:
            _go_on(peer, self._outbox.work_left - TURN_WORK)
        finally:
            if peer.parked is None:
                self.held_bytes -= self._peers.pop(peer)
        return bool(self._peers)


class Backlog:
    """What the server is sending to very many in one account, one after the other.

    Beyond the bound whoever may bring more waits: the account's connections (`must_wait`), others
    that publish here (`wait`). Consumers, which always have more, wait from half of it on
    (`when_room`), so that they keep no connection waiting. Each of them brings one more.
    """

    __slots__ = (
        "_count",
        "_for_room",
        "_has_turns",
        "_outbox",
        "_waiting",
        "dropped",
        "held",
        "held_bytes",
    )

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        # With the bytes that they send; None: no message.
        self._waiting: deque[tuple[Steps, int | None]] = deque()
        self._count = 0  # of messages among them
        self._has_turns = False
        self._for_room: deque[Callable[[], None]] = deque()
        self.held_bytes = 0  # of all that wait
        self.held = 0  # times that a connection waited for room
        self.dropped = 0  # news of the server itself that found none

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Say whether nothing more is to be brought."""
        return self._count >= BACKLOG_MAX or self.held_bytes >= BACKLOG_BYTES_MAX

    @property
    def is_half_full(self) -> bool:
        """Say whether consumers are to bring nothing more."""
        return 2 * self._count >= BACKLOG_MAX or 2 * self.held_bytes >= BACKLOG_BYTES_MAX

    def add(self, steps: Steps, size: int) -> None:
        """Take these steps, which send so many bytes, behind those that wait."""
        aside = self._outbox.aside
        aside.added, aside.last = aside.added + 1, self
        self._count += 1
        self.held_bytes += size
        self._append(steps, size)

    def then(self, call: Callable[[], None]) -> None:
        """Call this when all that waits now is sent. Who asks does so once."""
        self.take(_calling(call))

    def take(self, steps: Steps) -> None:
        """Take these steps, which send nothing, behind all that waits now."""
        self._append(steps, None)

    def when_room(self, call: Callable[[], None]) -> None:
        """Call this once it is not half full: of several one in a turn, as far as it goes."""
        self._for_room.append(call)

    def _append(self, steps: Steps, size: int | None) -> None:
        self._waiting.append((steps, size))
        if not self._has_turns:
            self._has_turns = True
            self._outbox.aside.take_turns(self._go_on)

    def _go_on(self) -> bool:
        if self._waiting:
            self._take_first()
        if self._for_room and not self.is_half_full:
            self._for_room.popleft()()
        self._has_turns = bool(self._waiting or self._for_room)
        return self._has_turns

    def _take_first(self) -> None:
        done = True  # also where a step fails: the others are not to blame
        try:
            done = _take(self._waiting[0][0], self._outbox, self._outbox.work_left - TURN_WORK)
        finally:
            if done:
                _, size = self._waiting.popleft()
                if size is not None:
                    self._count -= 1
                    self.held_bytes -= size


def must_wait(peer: Peer) -> bool:
    """Say whether nothing of a peer is to be handled now: its account sends enough to very many."""
    account = peer.account
    if account is None or not account.backlog.is_full:
        return False
    wait(peer, account.backlog)
    return True


def wait(peer: Peer, backlog: Backlog) -> None:
    """Handle nothing more of a peer before a backlog that it may add to has room."""
    backlog.held += 1
    begin(peer, _room(peer, backlog))


def _room(peer: Peer, backlog: Backlog) -> Iterator[None]:
    while backlog.is_full and not peer.closing:
        peer.outbox.work_left -= TURN_WORK  # until another turn there is none
        yield


def _take(steps: Iterator[object], outbox: Outbox, until: float) -> bool:
    """Take steps while more work than `until` is left. False: some are left."""
    return all(outbox.work_left > until for _ in steps)


def _calling(call: Callable[[], None]) -> Iterator[None]:
    call()
    yield from ()
