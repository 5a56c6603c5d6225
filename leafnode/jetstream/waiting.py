"""How many messages wait for a consumer: `num_pending`, kept step by step, as nats-server keeps it.

What comes is added; what is delivered, or removed alone, is subtracted. Where several are removed,
or the stream's front moved, what is left is counted anew. Of who began with the last message of
each subject nats-server counts only those when it counts anew, though all come: the others are
uncounted until all of it was delivered. Knows a stream's store; not what is read of it. Truth:
nats-server 2.15.1 server/consumer.go (streamNumPending, processStreamSignal, decStreamPending).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from leafnode import limits
from leafnode.errors import StoreBusy
from leafnode.slices import finish

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from leafnode.store.api import StreamStore

Uncounted = tuple[int, int, int, frozenset[int]]


class Waiting:
    """What waits for one consumer. `listed`: sequences that come before all others, shared."""

    __slots__ = (
        "_counted_first",
        "_counted_last",
        "_deleted",
        "_gone",
        "_is_known",
        "_last_only_to",
        "_left",
        "_listed",
        "_store",
        "_uncounted",
        "filters",
    )

    def __init__(self, store: StreamStore, filters: Sequence[bytes], listed: Sequence[int]) -> None:
        self._store = store
        self.filters = filters
        self._listed = listed
        self._left = 0  # from `_counted_first` to `_counted_last`
        self._counted_first = 0
        self._counted_last = 0
        self._is_known = False
        self._uncounted = 0  # messages that wait and do not count
        self._last_only_to = 0  # once they are looked for: up to there each subject's newest counts
        self._deleted = 0  # since then, and did not count
        self._gone: set[int] = set()  # removed up to the last one that is listed

    @property
    def left(self) -> int:
        """How many messages wait, as of the last `count` and the takes since."""
        return max(0, self._left)

    def take(self, count: int) -> None:
        """So many were delivered."""
        self._left -= count

    def skip(self, seq: int) -> None:
        """It was the turn of this one, which is listed and was removed."""
        if seq in self._gone:
            self._gone.discard(seq)
        else:
            self._left -= 1

    def count(self, next_seq: int) -> int:
        """Return how many messages that match wait from `next_seq` on. Raises StoreError."""
        store = self._store
        last, first = store.last_seq(), store.first_seq()
        if self._last_only_to:
            finish(self.look(next_seq))
        elif next_seq > self._counted_last:  # all that was counted is done with
            self._uncounted, self._gone = 0, set()
            self._is_known = False
        if not self._is_known or first > max(next_seq, self._counted_first):
            self._known(next_seq, self._all(next_seq) - self._uncounted)
        elif last > self._counted_last:
            start = max(next_seq, self._counted_last + 1)
            self._left += store.num_pending(self.filters, start)
        self._counted_last = last
        return self.left

    def look(self, next_seq: int) -> Generator[None, None, None]:
        """Find how many of what waits do not count, in steps, as the next `count` would do at once,
        and will where something is delivered or removed meanwhile. Raises StoreError.
        """
        if not self._last_only_to:
            return
        store, upto, before = self._store, self._last_only_to, self._mark_of_removals()
        gone: set[int] = set()
        counted = 0
        if next_seq <= upto:
            listed = list(self._listed)
            for start in range(0, len(listed), limits.LISTED_PER_STEP):
                gone.update(store.missing(listed[start : start + limits.LISTED_PER_STEP]))
                yield
            counted = yield from store.num_subjects(self.filters, next_seq, upto)
        if self._mark_of_removals() != before:
            return
        self._is_known, self._uncounted, self._last_only_to, self._gone = False, 0, 0, gone
        if next_seq <= upto:
            waiting = len(self._listed) - len(gone) + self._behind_listed(next_seq)
            beyond = store.num_pending(self.filters, max(next_seq, upto + 1))
            self._uncounted = waiting - beyond - counted + self._deleted
            self._known(next_seq, waiting - self._uncounted)

    def recount(self) -> None:
        """Messages were removed somewhere, or the position moved: the next count starts anew."""
        self._is_known = False

    def removed(self, seq: int, subject: bytes, next_seq: int) -> None:
        """One message that matches is gone, which is beyond the position. Raises StoreCorrupt."""
        if seq <= self._last_only_to:
            with suppress(StoreBusy):  # else it counts as if it had not been there
                # Where another one counts instead of it, one is subtracted all the same.
                others = self._store.num_subjects([subject], next_seq, self._last_only_to)
                self._deleted += finish(others)
        elif self._is_known and seq <= self._counted_last:
            self._left -= 1
            if self._listed and seq <= self._listed[-1]:  # though it be one that does not come
                self._gone.add(seq)
            if seq <= max(next_seq, self._counted_first):  # it may have been the stream's first
                self._counted_first = max(self._counted_first, self._store.first_seq())

    def count_last(self, upto_seq: int) -> None:
        """Of what is there up to this sequence count each subject's newest message only, as
        nats-server does when it counts anew for who began with those.
        """
        self._last_only_to, self._deleted = upto_seq, 0
        self.recount()

    def mark(self) -> Uncounted:
        """Return what `go_back` is to go back to: what is not counted now."""
        return self._uncounted, self._last_only_to, self._deleted, frozenset(self._gone)

    def go_back(self, mark: Uncounted) -> None:
        """What happened since then was undone."""
        self._counted_last = self._store.last_seq()  # all before it may be undone, too
        self._uncounted, self._last_only_to, self._deleted, gone = mark
        self._gone = set(gone)
        self.recount()

    def _all(self, next_seq: int) -> int:
        """Count what is there, less what was removed of or among those that are listed."""
        if self._gone:  # that may have been undone, or it is behind the position
            gone = sorted(seq for seq in self._gone if seq >= next_seq)
            self._gone = set(self._store.missing(gone))
        return len(self._listed) - len(self._gone) + self._behind_listed(next_seq)

    def _behind_listed(self, next_seq: int) -> int:
        start = max(next_seq, self._listed[-1] + 1) if self._listed else next_seq
        return self._store.num_pending(self.filters, start)

    def _known(self, next_seq: int, left: int) -> None:
        self._left, self._is_known = left, True
        self._counted_first = max(next_seq, self._store.first_seq())
        self._counted_last = self._store.last_seq()

    def _mark_of_removals(self) -> tuple[int, ...]:
        """Return what changes when something is removed, delivered or counted anew."""
        state = self._store.state()
        held = state.first_seq, state.last_seq - state.msgs
        return (*held, len(self._listed), self._last_only_to, self._deleted)
