"""Group commit: what is staged while one batch is on its way to disk becomes the next batch.

Knows batches, bounds and the order of callbacks; not SQL and not streams. When the writer is idle a
batch leaves at the end of the loop's turn, so its size follows the disk by itself; only for those
who were just answered it waits a moment, see `herd`.
Truth: docs/store.md, "Rules" 1, 2 and 8; docs/adr/0003.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from leafnode.errors import StoreBusy, StoreError
from leafnode.store.batch import Batch
from leafnode.store.herd import Herd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leafnode.clock import Timer
    from leafnode.store.batch import Done
    from leafnode.store.bounds import StoreBounds
    from leafnode.store.recover import Recovered
    from leafnode.store.worker import Schedule, Worker


@dataclass(slots=True)
class Outcome:
    """What became of a batch. After an error nothing of it is on disk, as far as can be known.

    `recovered` is the state on disk, read after the error; without it the store has to be reopened.
    """

    error: StoreError | None = None
    recovered: list[Recovered] | None = None
    damaged_stream: int = 0
    commit_ns: int = 0


class Owner(Protocol):
    """Who keeps the state that a batch changes."""

    def closing(self, batch: Batch) -> None:
        """The batch is about to leave, and it holds the newest of everything: add what is lazy."""
        ...

    def committed(self, batch: Batch, outcome: Outcome) -> None: ...

    def rolled_back(self, batches: list[Batch], outcome: Outcome) -> None: ...


class Committer:
    """One batch in flight, the others in order behind it."""

    def __init__(
        self,
        bounds: StoreBounds,
        worker: Worker,
        schedule: Schedule,
        write: Callable[[Batch], Outcome],
        owner: Owner,
        gather: Schedule | None = None,
        call_later: Callable[[int, Callable[[], None]], Timer] | None = None,
    ) -> None:
        """`gather`, when given, calls back when a batch has been open long enough to leave.

        Without `call_later` no batch waits for who was just answered.
        """
        self._bounds = bounds
        self._worker = worker
        self._schedule = schedule
        self._gather = gather or schedule
        self._gathers = gather is not None
        self._write = write
        self._owner = owner
        self._in_flight: Batch | None = None
        self._closed: deque[Batch] = (
            deque()
        )  # cut off at their bound, bounded by what may be staged
        self._open: Batch | None = None
        self._herd = Herd()
        self._call_later = call_later
        self._herd_timer: Timer | None = None  # while the next batch waits
        self._scheduled = False
        self._due: deque[tuple[Done, StoreError | None]] = deque()  # what they are told
        self._reserved = 0  # rows to come that belong into one batch
        self.staged_rows = 0
        self.staged_bytes = 0
        self.refused = 0  # appends turned away because too much was staged
        self.no_room: StoreError | None = None  # refuses appends
        self.failed: StoreError | None = None  # refuses everything

    def admit(self, body_size: int) -> Batch:
        """Count one row and return its batch. Raises StoreBusy, StoreFull, StoreFailed.

        Only here a batch is cut: what follows from a message stays in the message's transaction.
        """
        self._check_append()
        if not self._has_room(1, body_size):
            raise self._busy()
        batch = self._open
        if self._reserved:
            self._reserved -= 1
        elif batch is not None and self._is_full(batch, 1, body_size):
            self._cut(batch)
            batch = None
        if batch is None:
            batch = self.batch()
        self._count(batch, 1, body_size)
        return batch

    def admit_run(self, sizes: Sequence[int]) -> tuple[Batch, int]:
        """Count the first row as `admit` does, and those behind it where all go into its batch.

        Returns how many were counted, too.
        """
        batch = self.admit(sizes[0])
        rows, size = len(sizes) - 1, sum(sizes) - sizes[0]
        if self._reserved or not self._has_room(rows, size) or self._is_full(batch, rows, size):
            return batch, 1
        self._count(batch, rows, size)
        return batch, rows + 1

    def _has_room(self, rows: int, size: int) -> bool:
        bounds = self._bounds
        return (
            self.staged_rows + rows <= bounds.staged_rows_max
            and self.staged_bytes + size <= bounds.staged_bytes_max
        )

    def _busy(self) -> StoreBusy:
        self.refused += 1
        return StoreBusy(f"{self.staged_rows} messages wait for the disk")

    def _count(self, batch: Batch, rows: int, size: int) -> None:
        batch.rows += rows
        batch.body_bytes += size
        self.staged_rows += rows
        self.staged_bytes += size
        if self._herd_timer is not None and not self._herd.waits(self.staged_rows):
            self._end_herd(in_vain=False)
            self._wait_for_more()

    def reserve(self, rows: int, size: int) -> None:
        """Keep room for so many rows in one batch; `release` has to follow in the same turn.

        Raises StoreBusy, StoreFull, StoreFailed.
        """
        self._check_append()
        if not self._has_room(rows, size):
            raise self._busy()
        if self._open is not None and self._is_full(self._open, rows, size):
            self._cut(self._open)
        self._reserved = rows

    def release(self) -> None:
        """Of the room that was kept no more is needed."""
        self._reserved = 0

    def _is_full(self, batch: Batch, rows: int, size: int) -> bool:
        bounds = self._bounds
        too_many = batch.rows + rows > bounds.commit_rows_max
        too_large = batch.body_bytes + size > bounds.commit_bytes_max
        return too_many or (bool(batch.rows) and too_large)

    def _cut(self, batch: Batch) -> None:
        """Let a batch go as it is; what comes next gets another one."""
        batch.close()
        self._closed.append(batch)
        self._open = None
        if self._herd_timer is not None:
            self._end_herd(in_vain=False)
            self._wait_for_more()
        if self._gathers:
            self._schedule(self._end_of_turn)  # a full batch waits for nothing

    def _check_append(self) -> None:
        if self.no_room is not None:  # also where not even removals can be stored
            raise _again(self.no_room)
        self.check()

    def check(self) -> None:
        """Raise why nothing can be staged, if so."""
        if self.failed is not None:
            raise _again(self.failed)

    def batch(self) -> Batch:
        """Return the batch that takes what is staged now. Raises StoreFailed."""
        self.check()
        if self._open is None:
            self._open = Batch()
            if self._in_flight is None and self._herd_timer is None:
                self._wait_for_more()
        return self._open

    def _newest(self) -> Batch | None:
        """Return the batch that holds what was staged last, until it is on disk."""
        return self._open or (self._closed[-1] if self._closed else self._in_flight)

    def is_last(self, done: Done) -> bool:
        batch = self._newest()
        return batch is not None and bool(batch.callbacks) and batch.callbacks[-1] is done

    def after_commit(self, done: Done) -> None:
        batch = self._newest()
        if batch is not None:
            batch.callbacks.append(done)
        elif self._due:  # older ones have not been called yet
            self._due.append((done, None))
        else:
            done(None)

    def is_idle(self) -> bool:
        return self._in_flight is None and self._open is None and not self._closed

    def hurry(self) -> None:
        """Let what is staged leave now, or behind the batch that is in flight."""
        self._gather, self._gathers = self._schedule, False  # nothing gathers any more
        self._call_later = None
        self._end_herd(in_vain=False)
        if self._in_flight is None:
            self._hand_over()

    def _wait_for_more(self) -> None:
        """Let the open batch grow to the end of the turn, or for as long as it is to gather."""
        if not self._scheduled:
            self._scheduled = True
            self._gather(self._end_of_turn)

    def _end_of_turn(self) -> None:
        self._scheduled = False
        if self._in_flight is None and self._herd_timer is None:
            self._hand_over()

    def _wait_for_herd(self, batch: Batch, commit_ns: int) -> bool:
        """Let those of a batch that is on disk publish again before the next one leaves."""
        if self._call_later is None or self._gathers or self._closed:
            return False
        wait_ns = self._herd.answered(batch.rows, self.staged_rows, commit_ns)
        if not wait_ns:
            return False
        self._herd_timer = self._call_later(wait_ns, self._on_herd_timer)
        return True

    def _on_herd_timer(self) -> None:
        self._end_herd(in_vain=True)
        self._end_of_turn()

    def _end_herd(self, *, in_vain: bool) -> None:
        timer, self._herd_timer = self._herd_timer, None
        if timer is not None:
            timer.cancel()
            self._herd.end(in_vain=in_vain)

    def _hand_over(self) -> None:
        if self._closed:
            batch = self._closed.popleft()
        elif self._open is not None:
            batch, self._open = self._open, None
            self._owner.closing(batch)
            batch.close()
        else:
            return
        self._in_flight = batch
        self._worker.submit(partial(self._write, batch), self._written)

    def _written(self, outcome: Outcome) -> None:
        batch = self._in_flight
        assert batch is not None
        self._in_flight = None
        if outcome.error is None:
            self.staged_rows -= batch.rows
            self.staged_bytes -= batch.body_bytes
            self._owner.committed(batch, outcome)
            # The disk works on the next batch while the callbacks of this one run.
            if self._gathers and not self._closed and self._open is not None:
                self._wait_for_more()
            elif not self._wait_for_herd(batch, outcome.commit_ns):
                self._hand_over()
            self._due += [(done, None) for done in batch.callbacks]
            self._resolve()
            return
        # Later batches build on the sequences of this one: they go with it.
        batches = [batch, *self._closed]
        if self._open is not None:
            batches.append(self._open)
        self._closed.clear()
        self._open = None
        self.staged_rows = self.staged_bytes = 0
        self._due += [(done, outcome.error) for one in batches for done in one.callbacks]
        try:
            self._owner.rolled_back(batches, outcome)
        finally:
            self._resolve()

    def _resolve(self) -> None:
        """Call all in order; one that raises does not keep the others from being called."""
        due = self._due
        try:
            while due:
                done, error = due.popleft()
                done(error)
        finally:
            if due:
                self._schedule(self._resolve)


def _again(error: StoreError) -> StoreError:
    """Return a fresh copy: one exception raised many times would gather tracebacks."""
    return type(error)(*error.args)
