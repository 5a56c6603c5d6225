"""Limits on what a stream holds already: some of it now, what is left a slice per turn of the loop.

What one message pushes over the limits goes at once; a limit that was lowered, a restore, or a
crash that undid removals can leave millions. One for each stream. While it runs, messages add to
what it has to do and nothing else. Knows the stream's store; which limit is passed is
`retention`'s to say. Truth: nats-server 2.15.1 server/filestore.go (UpdateConfig).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreBusy, StoreError, StoreFailed
from leafnode.jetstream import notes, retention
from leafnode.jetstream.thinning import Thinning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import SubjectState

LIMITS: Final = notes.PREFIX + "limits"
# So many sequences at the front that go together cost as one message.
_FRONT_SHARE: Final = {"file": 16, "memory": 2}
_TOLD_ONE_BY_ONE: Final = 64  # of the front: beyond it consumers look at what they have out


class Enforcement:
    """Holds one stream to its limits."""

    __slots__ = (
        *("_done", "_is_noted", "_is_running", "_next_seq", "_retry_ns", "_stream", "_thinning"),
        "_turn",
    )

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._is_running = False
        self._is_noted = False  # the store knows that it has to look at each subject
        self._retry_ns = limits.DELIVER_RETRY_NS
        self._turn = 0  # grows when the store went back: older callbacks are void
        self._thinning = Thinning()
        self._next_seq = 0  # to be looked at, 0: none, for subjects that have too many
        self._done: list[Callable[[], None]] = []

    def start(self, *, subjects: bool) -> None:
        """Begin, or begin anew: with each of the stream's subjects, or with what is too much
        altogether. What goes first does so now.
        """
        try:
            if subjects:
                self._look_at_all()
            if not self._is_running:
                self._is_running = True
                self._run(self._turn)
            if subjects and self._is_running and not self._is_noted:
                notes.put(self._stream, LIMITS, b"")
                self._is_noted = True
        except StoreError as error:
            self._stream.trouble.note("Limits not enforced", error)

    def resume(self) -> None:
        """Begin with what the last start, or the store, has left to do."""
        self._is_noted = notes.has(self._stream, LIMITS)
        self.start(subjects=self._is_noted)

    def rolled_back(self) -> None:
        """The store went back to what is on disk; `resume` follows."""
        self._turn += 1
        self._is_running = False
        self._thinning.clear()
        self._next_seq = 0

    def after(self, done: Callable[[], None]) -> None:
        """Call `done` when the limits hold, or could not be enforced: now, unless it runs."""
        if self._is_running:
            self._done.append(done)
        else:
            done()

    def close(self) -> None:
        """Tell those who wait that no more is done."""
        waiting, self._done = self._done, []
        for done in waiting:
            done()

    def after_message(self, subjects: Iterable[bytes]) -> None:
        """Drop what messages on these subjects pushed over the limits. Raises StoreError.

        The limits of the subjects come first: what they drop makes room. What is too much for one
        turn goes in others, and what comes while that lasts is looked at last.
        """
        config = self._stream.config
        most = config.max_msgs_per_subject
        if most > 0:
            for subject in subjects:
                self._one_of_subject(subject, most)
        if self._is_running or not (self._thinning.late or retention.makes_room(config)):
            return
        delay_ns = 0
        try:
            if self._hold(limits.PURGE_TURN_MSGS):
                return
        except StoreBusy as error:
            delay_ns = self._delay_ns(error)
        self._is_running = True
        self._stream.context.clock.call_later(delay_ns, partial(self._run, self._turn))

    def _one_of_subject(self, subject: bytes, most: int) -> None:
        """Drop the oldest message of a subject that has one too many, which is mostly all there is
        to do; have the others looked at.  HOT
        """
        store = self._stream.store
        excess = store.msgs_of(subject) - most
        if excess <= 0:
            return
        try:
            state = store.subject_state(subject) if store.approach(subject) else None
            if state is not None and excess == 1 and store.remove((state.first_seq,)):
                outbox = self._stream.context.account.system.outbox
                outbox.work_left -= limits.REPLACED_WORK
                self._stream.removed_one(state.first_seq, subject)
                self._stream.eviction.took((state.first_seq,))
                return
            if state is not None and state.first_seq >= self._next_seq > 0:
                return  # its turn comes
        except StoreBusy:  # it is looked at again when that can be read
            pass
        self._thinning.also(subject)

    def _delay_ns(self, error: StoreBusy) -> int:
        """What describes old messages cannot be read just now: say how long to wait."""
        self._stream.trouble.note("Limits not enforced yet", error)
        delay_ns = self._retry_ns
        self._retry_ns = min(2 * delay_ns, limits.DELIVER_RETRY_MAX_NS)
        return delay_ns

    def _look_at_all(self) -> None:
        """Look at each message from the first one on: those that are late are among them."""
        self._thinning.clear()
        limited = self._stream.config.max_msgs_per_subject > 0
        self._next_seq = max(1, self._stream.store.first_seq()) if limited else 0

    def _hold_all(self, budget: int) -> int:
        """Remove what subjects have too many of, in the order of sequences: one of which some were
        passed has no more than it may, but those that are late.
        """
        stream, store = self._stream, self._stream.store
        most = stream.config.max_msgs_per_subject
        seqs, next_seq = store.surplus(self._next_seq, most, self._thinning.late)
        if seqs:
            store.remove(seqs)
            stream.removed_some()
            stream.eviction.took(seqs)
        self._next_seq = next_seq if next_seq <= store.last_seq() else 0
        return 0 if self._next_seq else max(0, budget - 1 - len(seqs))

    def _run(self, turn: int) -> None:
        if turn != self._turn:
            return
        stream, clock = self._stream, self._stream.context.clock
        try:
            left = limits.PURGE_TURN_MSGS if stream.closed else self._hold(limits.PURGE_TURN_MSGS)
            if left and self._is_noted and not stream.closed:
                notes.drop(stream, LIMITS)
                self._is_noted = False
        except StoreBusy as error:
            clock.call_later(self._delay_ns(error), partial(self._run, turn))
            return
        except StoreError as error:
            stream.trouble.note("Limits not enforced", error)
            if isinstance(error, StoreFailed) and not stream.closed:
                self._is_running = False  # until the store was read again
                return
            self._thinning.clear()
            self._next_seq = 0
            self._is_running = False
            self.close()
            return
        self._retry_ns = limits.DELIVER_RETRY_NS
        if not left:
            clock.call_later(0, partial(self._run, turn))
            return
        self._thinning.clear()
        self._is_running = False
        waiting, self._done = self._done, []
        if waiting:
            stream.root.after_commit(partial(self._held, waiting))

    def _held(self, waiting: list[Callable[[], None]], error: StoreError | None) -> None:
        """The limits hold on disk, too; or what failed is done again."""
        if error is not None and not self._stream.closed:
            self._done = waiting + self._done
            return
        for done in waiting:
            done()

    def _hold(self, budget: int) -> int:
        """Remove a slice; return what of the budget is left: nothing where there may be more."""
        stream, thinning = self._stream, self._thinning
        if self._next_seq and not (budget := self._hold_all(budget)):
            return 0
        try:
            budget = thinning.take(stream.store, self._excess, budget)
        finally:
            if thinning.taken:
                stream.removed_some()
                stream.eviction.took(thinning.taken)
        return self._hold_front(budget) if budget else 0

    def _excess(self, state: SubjectState) -> int:
        return retention.excess_of_subject(self._stream.config, state)

    def _hold_front(self, budget: int) -> int:
        """Drop the oldest messages until max_msgs and max_bytes hold."""
        config, store = self._stream.config, self._stream.store
        if not retention.makes_room(config):
            return budget
        share = _FRONT_SHARE[config.storage]
        state = store.state()
        while budget and state.msgs > 0:
            # As many sequences hold at most as many messages, so this never takes too much.
            count = min(retention.excess_msgs(config, state), share * budget)
            if not count and retention.excess_bytes(config, state):
                count = 1
            if not count:
                break
            end = store.front_end(state.first_seq + count)
            store.remove_below(end, lazy=True)
            budget -= -((state.first_seq - end) // share)
            self._front_goes(state.first_seq, end)
            state = store.state()
        return budget

    def _front_goes(self, first_seq: int, end_seq: int) -> None:
        """Let consumers know of what they have out of that."""
        if end_seq - first_seq > _TOLD_ONE_BY_ONE:
            self._stream.purged_front(end_seq)
        else:
            self._stream.freed()
            self._stream.eviction.took(range(first_seq, end_seq))
