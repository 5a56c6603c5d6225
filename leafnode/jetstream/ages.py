"""A stream's timers: max_age, and messages with a time to live of their own.

A damaged stream has no timer: nothing of it is removed until the next start. Ages are judged by
trusted time (see context.TrustedTime); waiting is monotonic. One timer per stream. Truth:
nats-server 2.15.1 server/filestore.go (expireMsgs); the pause after a clock jump is ours.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreError, StoreFailed
from leafnode.jetstream import retention
from leafnode.jetstream.ttl import NEVER, TtlQueue
from leafnode.jetstream.undated import Undated, is_undated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from leafnode.clock import Timer
    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import StreamState


class Ages:
    """Removes what is too old from one stream."""

    __slots__ = (
        "_added",
        "_expired_to",
        "_has_more",
        "_is_open",
        "_stream",
        "_timer",
        "_ttls",
        "_undated",
        "_waits_for_age",
    )

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._timer: Timer | None = None
        self._waits_for_age = False  # the timer does: what comes later is not too old sooner
        self._is_open = False  # before that, what never ages may not be known yet
        self._ttls = TtlQueue()
        self._undated = Undated()
        self._added = 0  # to it
        self._expired_to = 0  # what is left before it never ages
        self._has_more = False  # to be removed now, on a later turn

    def open(self) -> None:
        """Begin: of all that is stored the time to live is known."""
        self._is_open = True
        self.look()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def let_go(self) -> Iterator[None]:
        """Forget what would age, a message in each step."""
        return self._ttls.let_go()

    def add_ttl(self, seq: int, ts_ns: int, ttl_ns: int) -> None:
        """Note a message with a TTL, at most a second before its time."""
        now_ns = self._stream.context.time.now_ns()
        if is_undated(ts_ns, now_ns):
            ts_ns = now_ns
        first_ns = self._ttls.next_ns()
        self._ttls.add(seq, ts_ns, ttl_ns)
        if self._ttls.next_ns() != first_ns and self._timer is not None:
            self.rearm()
        self._added += 1
        if self._added % limits.TTLS_BEFORE_LOOK == 0 and not self._ttls.is_doubtful:
            self._stream.context.clock.call_later(0, self._doubt)

    def _doubt(self) -> None:
        """Look whether many messages left the stream before their time."""
        stream = self._stream
        if stream.store.damage() is None and not self._ttls.is_doubtful:
            with suppress(StoreCorrupt):  # nothing of it expires any more
                if self._ttls.doubt(stream.store.state().msgs):
                    self._sweep()

    def _sweep(self) -> None:
        """Forget some of those."""
        root = self._stream.root
        if self._stream.closed or isinstance(root.failed(), StoreFailed):
            return
        places: set[int] = set()  # parts of the stream that are read in

        def lives(seq: int) -> bool | None:
            places.add(seq // limits.SEGMENT_ROWS_MAX)
            return None if len(places) > limits.PURGE_TURN_PLACES else self._lives(seq)

        gone = self._ttls.sweep(lives, limits.PURGE_TURN_MSGS)
        if gone:
            root.after_commit(partial(self._on_gone, gone))
        if self._ttls.is_doubtful:
            self._stream.context.clock.call_later(0, self._sweep)

    def _lives(self, seq: int) -> bool:
        store = self._stream.store
        try:
            return seq >= store.state().first_seq and store.subject_of(seq) is not None
        except StoreError:  # it may be there
            return True

    def _on_gone(self, gone: list[tuple[int, int]], error: StoreError | None) -> None:
        """Those whose removal was undone are there again, with their time."""
        if error is not None:
            newest = self._stream.store.committed_seq()
            for at_ns, seq in gone:
                if seq <= newest:
                    is_never = at_ns == NEVER
                    self._ttls.add(seq, 0 if is_never else at_ns, NEVER if is_never else 0)
            self.rearm()

    def rolled_back(self) -> None:
        """The store went back to what is on disk: what was never committed has no time to live."""
        self._ttls.forget_above(self._stream.store.committed_seq())
        self._expired_to = 0
        self.rearm()

    def arm(self) -> None:
        """Start the timer when something can grow too old, unless it runs for the first of that."""
        config = self._stream.config
        if self._timer is not None and (self._waits_for_age or config.max_age <= 0):
            return
        if self._stream.closed or not self._is_open:
            return
        store = self._stream.store
        now_ns = self._stream.context.time.now_ns()
        try:
            first_ts_ns = self._first_ts_ns(store.state())
        except StoreCorrupt as error:
            self._stream.trouble.note("Expiry stopped", error)
            return
        if store.damage() is not None:
            return
        age_ns = retention.next_expiry_ns(config, first_ts_ns, now_ns)
        waits = [] if age_ns is None else [age_ns]
        if self._undated:
            waits.append(self._undated.pause_ns(config.max_age))
        due_ns = self._ttls.next_ns()
        if due_ns is not None:
            waits.append(max(0, due_ns - now_ns))
        self.close()
        if waits:
            delay_ns = max(min(waits), limits.EXPIRY_GRANULARITY_NS) * (not self._has_more)
            self._timer = self._stream.context.clock.call_later(delay_ns, self._on_timer)
            self._waits_for_age = age_ns is not None

    def _first_ts_ns(self, state: StreamState) -> int | None:
        """Return the time of the oldest message that may age, or None."""
        if not state.msgs:
            return None
        if self._expired_to <= state.first_seq:
            return state.first_ts_ns
        try:
            return self._stream.store.time_at(self._expired_to)
        except StoreBusy:  # it cannot be read just now: to look too early does no harm
            return state.first_ts_ns

    def rearm(self) -> None:
        """The reason to wait changed."""
        self.close()
        self.arm()

    def expire(self) -> None:
        """Remove what is too old now. Raises StoreError."""
        self._has_more = False
        now_ns = self._stream.context.time.expiry_ns()
        if now_ns is None:
            return
        most = self._turn_msgs()
        due = self._ttls.take_due(now_ns, most)
        is_more = len(due) == most
        markers = self._stream.markers
        gone: dict[bytes, int] = {}
        try:
            if markers.wanted:
                gone = markers.last_of(sorted(due))
                due = self._without_spared(due, gone, now_ns)
            removed = self._stream.store.remove(due) if due else 0
        except StoreError:
            self._due_again(due, now_ns)
            raise
        self._has_more = is_more
        if gone:
            markers.write(gone, now_ns)
        if removed:
            markers.going(due)
            self._stream.removed_some()
            self._stream.eviction.took(due)
            self._stream.root.after_commit(partial(self._on_removed, due, now_ns))
        config, state = self._stream.config, self._stream.store.state()
        cutoff_ns = retention.expiry_cutoff_ns(config, now_ns)
        if state.msgs and state.first_ts_ns < cutoff_ns:
            self._expire_below(self._stream.store.seq_at(cutoff_ns), now_ns)
        self._expire_undated(now_ns)

    def _expire_undated(self, now_ns: int) -> None:
        max_age_ns, state = self._stream.config.max_age, self._stream.store.state()
        if max_age_ns <= 0 or not state.msgs or not is_undated(state.last_ts_ns, now_ns):
            self._undated.clear()
            return
        old_seq = self._undated.note(now_ns, state.last_seq, max_age_ns)
        if old_seq >= state.first_seq:
            self._expire_below(old_seq + 1, now_ns)

    def _without_spared(self, seqs: list[int], gone: dict[bytes, int], now_ns: int) -> list[int]:
        """Return which of these go now. Where there is no room for markers, what should leave one
        stays, and is due a little later: `gone` is empty then.
        """
        if self._stream.markers.make_room(gone):
            return seqs
        spared = set(gone.values())
        gone.clear()
        self._due_again(spared, now_ns + limits.DELIVER_RETRY_MAX_NS)
        return [seq for seq in seqs if seq not in spared]

    def _expire_below(self, seq: int, now_ns: int) -> None:
        """Remove what is before `seq` but what never ages: a slice now, the others when the timer
        comes again.
        """
        store = self._stream.store
        first_seq = store.first_seq()
        start_seq = max(first_seq, self._expired_to)
        if start_seq >= seq:
            return
        kept = self._ttls.first_never(first_seq)
        front = seq if kept is None else min(seq, kept)
        if front > first_seq and not self._stream.markers.wanted:
            end = store.front_end(front)
            store.remove_below(end, lazy=True)
            self._has_more |= end < seq
        else:  # one by one
            self._expire_slice(start_seq, seq, now_ns)
        new_first_seq = store.state().first_seq
        if new_first_seq > first_seq:
            self._stream.root.after_commit(partial(self._on_front, new_first_seq))
            self._stream.purged_front(new_first_seq)

    def _expire_slice(self, start_seq: int, end_seq: int, now_ns: int) -> None:
        store, markers = self._stream.store, self._stream.markers
        end_seq, found = self._slice(start_seq, end_seq)
        going = [one for one in found if not self._ttls.is_never(one)]
        gone: dict[bytes, int] = {}
        if markers.wanted:
            gone = markers.last_of(going)
            going = self._without_spared(going, gone, now_ns)
        if len(going) == len(found) and start_seq == store.state().first_seq:
            store.remove_below(end_seq, lazy=not gone)
        else:
            store.remove(going)
            self._expired_to = end_seq
            self._stream.removed_some()
            self._stream.eviction.took(going)
        if gone:
            markers.write(gone, now_ns)
        markers.going(going)

    def _slice(self, first_seq: int, end_seq: int) -> tuple[int, list[int]]:
        """Return the messages from `first_seq` on that one turn removes, and where they end."""
        most = self._turn_msgs()
        found = self._stream.store.live(first_seq, most)
        found = [one for one in found if one < end_seq]
        if len(found) == most and found[-1] < end_seq - 1:
            self._has_more = True
            return found[-1] + 1, found
        return end_seq, found

    def _turn_msgs(self) -> int:
        """Return how many go in one turn."""
        is_marked = self._stream.markers.wanted
        return limits.MARKED_TURN_MSGS if is_marked else limits.PURGE_TURN_MSGS

    def _due_again(self, seqs: Iterable[int], now_ns: int) -> None:
        for seq in seqs:
            self._ttls.add(seq, now_ns, 0)

    def _on_removed(self, seqs: list[int], now_ns: int, error: StoreError | None) -> None:
        """Messages whose removal was undone are still due."""
        if error is not None:
            newest = self._stream.store.committed_seq()
            self._due_again([seq for seq in seqs if seq <= newest], now_ns)
            self.rearm()

    def _on_front(self, first_seq: int, error: StoreError | None) -> None:
        """Nothing before `first_seq` comes back any more."""
        if error is None:
            self._ttls.forget_below(first_seq)

    def _on_timer(self) -> None:
        self._timer = None
        self.look()

    def look(self) -> None:
        """Remove what is too old now, and wait for what will be."""
        self.close()
        if not self._is_open:
            return
        try:
            self.expire()
        except StoreError as error:  # the next turn tries again
            self._stream.trouble.note("Expiry failed", error)
        finally:
            self._stream.root.release()  # room for markers that nobody needs
        self.arm()
