"""Consumers follow purges that are on disk: one after the other, so much in each turn of the loop.

Those that want what was purged, and more, look at each message they have out: what the stream does
not hold any more is nobody's. That is forgotten once it is on disk: what is only staged may be
undone, and then they look once more. Whoever asked for a purge is told when all of them followed.
Knows a stream, its consumers and its store; not what is purged. Truth: nats-server 2.15.1
server/consumer.go (purge).
"""

from __future__ import annotations

from collections import Counter, deque
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from leafnode.jetstream.consumer import Consumer
    from leafnode.jetstream.stream import Stream

    Done = Callable[[], None]

_DROPPED_PER_STEP: Final = 16  # messages that were out before the new begin: 0.15 us each
_LOOKED_PER_STEP: Final = limits.PURGE_TURN_MSGS // 4  # as much as 4,096 subjects looked at
_GO_ON: Final = True
_BUSY: Final = False  # the next step cannot be done just now


class Following:
    """Those of one stream. Purges that wait here count for `Errands.check_room`, too."""

    __slots__ = ("_gone", "_is_running", "_jobs", "_looked", "_looking", "_stream", "_turn")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._jobs: deque[tuple[Iterator[bool], Done]] = deque()
        self._is_running = False
        self._turn = 0  # grows when the store went back: what was seen before may be untrue
        self._looking: Counter[Consumer] = Counter()  # until that is on disk
        self._gone: dict[Consumer, list[int]] = {}  # found in this turn
        self._looked: list[Consumer] = []  # at everything, in this turn

    @property
    def waiting(self) -> int:
        """How many purges are not followed yet."""
        return len(self._jobs)

    def start(
        self,
        consumers: Iterable[Consumer],
        first_seq: int,
        *,
        moves: bool = True,
        look: bool = False,
        done: Done | None = None,
    ) -> None:
        """Let consumers begin at `first_seq`, or without `moves` only forget what is out before it.
        With `look` those that were not there yet forget what else is gone of what they have out.
        Then call `done`. What fits into a turn is done now.
        """
        self._add(self._steps(tuple(consumers), first_seq, moves=moves, look=look), done)

    def rolled_back(self) -> None:
        """The store went back to what is on disk. Stages nothing."""
        self._turn += 1
        self._is_running = False
        self._gone, self._looked = {}, []
        again, self._looking = tuple(self._looking), Counter()
        if again or self._jobs:
            self._stream.context.clock.call_later(0, partial(self._again, self._turn, again))

    def close(self) -> None:
        """The stream ends. Who waits is told: what was purged is."""
        self._turn += 1
        jobs, self._jobs = self._jobs, deque()
        for _, done in jobs:
            done()

    # --- private

    def _add(self, steps: Iterator[bool], done: Done | None) -> None:
        self._jobs.append((steps, done or _nothing))
        if not self._is_running:
            self._run(self._turn)

    def _again(self, turn: int, consumers: Sequence[Consumer]) -> None:
        if turn == self._turn:
            self._add((step for one in consumers for step in self._look(one)), None)

    def _steps(
        self, consumers: Sequence[Consumer], first_seq: int, *, moves: bool, look: bool
    ) -> Iterator[bool]:
        for consumer in consumers:
            if consumer.closed:
                continue
            if not moves:
                yield from self._drop(consumer, first_seq)
                continue
            is_behind = consumer.pending.floor.stream_seq < first_seq
            out = len(consumer.pending)
            if not _is_beyond(consumer, first_seq):  # else nothing changes: it keeps what it read
                consumer.purged(first_seq)
            yield from repeat(_GO_ON, 1 + (out - len(consumer.pending)) // _DROPPED_PER_STEP)
            for _ in consumer.look():
                yield from repeat(_GO_ON, _LOOKED_PER_STEP)
            if look and is_behind:  # nats-server looks no further either where it is not
                yield from self._look(consumer)

    def _drop(self, consumer: Consumer, first_seq: int) -> Iterator[bool]:
        """Limits took what was before `first_seq`: each of those is told of, too."""
        for seq in consumer.pending.before(first_seq):
            if consumer.closed:
                return
            consumer.message_removed(seq)
            yield _GO_ON
        consumer.front_moved(first_seq)
        consumer.pump()  # more may be out now

    def _look(self, consumer: Consumer) -> Iterator[bool]:
        """Look at each pending message."""
        store = self._stream.store
        self._looking[consumer] += 1
        for seq in consumer.pending.seqs():
            while seq in consumer.pending and not consumer.closed:
                try:
                    if store.subject_of(seq) is None:
                        self._gone.setdefault(consumer, []).append(seq)
                    break
                except StoreBusy as error:
                    consumer.trouble.note("Purged messages not looked for yet", error)
                    yield _BUSY
            yield _GO_ON
        self._looked.append(consumer)

    def _run(self, turn: int) -> None:
        """Do a slice of what there is to do."""
        if turn != self._turn:
            return
        self._is_running = True
        root = self._stream.root
        if isinstance(root.failed(), StoreFailed):  # it will be read again
            return
        done: list[Done] = []
        delay_ns, room = 0, limits.PURGE_TURN_MSGS
        try:
            while room and self._jobs:
                step = next(self._jobs[0][0], None)
                if step is None:
                    done.append(self._jobs.popleft()[1])
                elif step is _BUSY:
                    delay_ns, room = limits.DELIVER_RETRY_NS, 0
                else:
                    room -= 1
        except StoreError as error:  # when it would come again that is found out, too
            self._stream.trouble.note("Purged messages not looked for", error)
            done.append(self._jobs.popleft()[1])
        gone, self._gone = self._gone, {}
        looked, self._looked = self._looked, []
        then = partial(self._go_on, turn, delay_ns, gone, looked, done)
        if gone:
            root.after_commit(then)
        else:
            then(None)

    def _go_on(
        self,
        turn: int,
        delay_ns: int,
        gone: dict[Consumer, list[int]],
        looked: list[Consumer],
        done: list[Done],
        error: StoreError | None,
    ) -> None:
        """What was found is gone from the disk, too, or it will be looked for again."""
        is_current = error is None and turn == self._turn
        if is_current:
            for consumer, seqs in gone.items():
                if not consumer.closed:
                    consumer.acks.forget_gone(seqs)
            self._looking -= Counter(looked)
        for one in done:
            one()
        if not is_current or turn != self._turn:
            return
        self._is_running = bool(self._jobs)
        if self._is_running:
            self._stream.context.clock.call_later(delay_ns, partial(self._run, turn))


def _is_beyond(consumer: Consumer, first_seq: int) -> bool:
    """Say whether a consumer has nothing to do with what was before `first_seq`."""
    pending = consumer.pending
    waits = pending or pending.given_up or consumer.cursor.listed
    return not waits and pending.delivered.stream_seq >= first_seq - 1


def _nothing() -> None:
    """Nobody waits for it."""
