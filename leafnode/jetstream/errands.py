"""What takes more than one transaction and must not stay half done: removals, slice by slice.

The first slice is in the transaction of what asked for it. If that is not all, a note is staged
with it, beside the stream's consumers, and goes with the last slice: so a crash, or a commit that
fails further on, does not leave half of it. Whoever is told so by the note goes on: this, when the
store was read again, and the next start. Where the first transaction fails, nothing was done.
Knows a stream and its store; not what errands remove. Truth: docs/store.md, "Notes".
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreError, StoreFailed
from leafnode.jetstream import notes
from leafnode.jetstream.interest import SWEEP, Sweep
from leafnode.jetstream.purge import PURGE, Purge

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.jetstream.stream import Stream


class Errand(Protocol):
    """Something that is done in slices. Begun anew, it does what is left of it."""

    @property
    def name(self) -> str:
        """Of its note, if it begins as those do; one of the same name adds to it."""
        ...

    @property
    def waits(self) -> bool:
        """Whether somebody wants to know how it ends."""
        ...

    def note(self) -> bytes:
        """What it is, for the next start."""
        ...

    def add(self, from_seq: int) -> None:
        """Another of the same name is wanted, which begins there."""
        ...

    def begin(self) -> None:
        """Look at everything, for the first time or once more. Raises StoreError."""
        ...

    def step(self) -> bool:
        """Stage the next slice; True when it was the last. Raises StoreError."""
        ...

    def end(self, error: StoreError | None) -> None:
        """All of it is on disk; or it was given up."""
        ...


@dataclass(eq=False, slots=True)
class _Job:
    """An errand on its way."""

    errand: Errand
    noted: bytes | None = None  # what its note says, once that is staged
    promised: bool = False  # the note is on disk
    finished: bool = False  # the last slice is staged
    turn: int = 0  # grows with whatever makes older callbacks void


class Errands:
    """Those of one stream."""

    __slots__ = ("_is_due", "_jobs", "_long", "_ready", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._jobs: dict[str, _Job] = {}
        self._long: set[_Job] = set()  # those that their first slice was not enough for
        self._ready: deque[tuple[_Job, int]] = deque()  # with their turns when they came in
        self._is_due = False

    def start(self, errand: Errand) -> None:
        """Stage the first slice now, and the others in later turns. Raises StoreError where not
        even that can be begun.
        """
        job = self._jobs[errand.name] = _Job(errand)
        try:
            errand.begin()
        except StoreError:
            del self._jobs[errand.name]
            raise
        self._step(job, 0)

    def check_room(self) -> None:
        """Raise StoreBusy where so many go on that there may not be more."""
        count = len(self._long) + self._stream.following.waiting
        if count >= limits.ERRANDS_MAX:
            raise StoreBusy(f"{count} removals go on")

    def adds(self, name: str, from_seq: int) -> bool:
        """Let the errand of this name do more than it does, if it is on its way. Raises
        StoreError.
        """
        job = self._jobs.get(name)
        if job is None or job.finished:
            return False
        job.errand.add(from_seq)
        if job.noted is not None:
            self._write(job)
        return True

    def resume(self) -> None:
        """Go on with what the store has notes of; what has none any more is done."""
        found = dict(notes.kept(self._stream))
        for name, job in list(self._jobs.items()):
            if job.promised and name not in found:
                self._end(job, None)
        for name, note in found.items():
            known = self._jobs.get(name)
            errand = known.errand if known is not None and known.noted == note else None
            if errand is None:
                errand = self._read(name, note)
            if errand is not None:
                if known is not None:
                    known.turn += 1
                    self._long.discard(known)
                job = self._jobs[name] = _Job(errand, note, promised=True)
                self._begin_again(job, 0)

    def rolled_back(self) -> None:
        """The store went back to what is on disk: what it has notes of goes on with `resume`, and
        what has none is begun by who wants it.
        """
        for name, job in list(self._jobs.items()):
            if job.promised:
                job.turn += 1
            elif not name.startswith(notes.PREFIX):
                job.turn += 1
                self._long.discard(job)
                del self._jobs[name]

    def close(self, error: StoreError | None = None) -> None:
        """Do nothing more; with an error tell those who wait."""
        jobs, self._jobs = self._jobs, {}
        self._long.clear()
        for job in jobs.values():
            job.turn += 1
            if error is not None:
                job.errand.end(error)

    # --- private

    def _begin_again(self, job: _Job, turn: int) -> None:
        if job.turn != turn:
            return
        try:
            job.errand.begin()
        except StoreBusy:
            self._later(limits.DELIVER_RETRY_NS, partial(self._begin_again, job, turn))
        except StoreError as error:
            self._refused(job, error)
        else:
            self._step(job, turn)

    def _step(self, job: _Job, turn: int) -> None:
        if job.turn != turn:
            return
        is_last, delay_ns = False, 0
        try:
            try:
                is_last = job.errand.step()
            except StoreBusy:  # what it looks into cannot be read just now
                delay_ns = limits.DELIVER_RETRY_NS
            if is_last and job.noted is not None:
                notes.drop(self._stream, job.errand.name)
            elif not is_last and job.noted is None:
                self._write(job)
        except StoreBusy:
            is_last, delay_ns = False, limits.DELIVER_RETRY_NS
        except StoreError as error:
            self._refused(job, error)
            return
        job.finished = is_last
        if is_last:
            self._long.discard(job)
        else:
            self._long.add(job)
        if delay_ns:
            self._later(delay_ns, partial(self._step, job, turn))
        elif not is_last:
            self._soon(job)
        elif job.noted is not None or job.errand.waits:
            self._stream.root.after_commit(partial(self._ended, job, turn))
        else:  # where that fails it is undone with what asked for it, who is told
            self._forget(job)
            self._stream.root.after_commit(partial(_kept, job.errand))

    def _write(self, job: _Job) -> None:
        if not job.errand.name.startswith(notes.PREFIX):
            return
        note = job.errand.note()
        notes.put(self._stream, job.errand.name, note)
        job.noted = note
        self._stream.root.after_commit(partial(self._written, job, job.turn))

    def _written(self, job: _Job, turn: int, error: StoreError | None) -> None:
        if job.turn != turn:
            return
        if error is None:
            job.promised = True
        else:
            self._refused(job, error)

    def _ended(self, job: _Job, turn: int, error: StoreError | None) -> None:
        if job.turn != turn:
            return
        if error is None:
            self._end(job, None)
        else:
            self._refused(job, error)

    def _refused(self, job: _Job, error: StoreError) -> None:
        """The store cannot go on. What is on disk as a note does when it was read again."""
        if job.promised and isinstance(error, StoreFailed):
            job.turn += 1
        else:
            self._end(job, error)

    def _end(self, job: _Job, error: StoreError | None) -> None:
        self._forget(job)
        job.errand.end(error)

    def _forget(self, job: _Job) -> None:
        job.turn += 1
        self._long.discard(job)
        if self._jobs.get(job.errand.name) is job:
            del self._jobs[job.errand.name]

    def _soon(self, job: _Job) -> None:
        """Go on in a later turn of the loop: one errand of the stream in each, in turn."""
        self._ready.append((job, job.turn))
        if not self._is_due:
            self._is_due = True
            self._later(0, self._next)

    def _next(self) -> None:
        self._is_due = False
        job, turn = self._ready.popleft()
        self._step(job, turn)
        if self._ready and not self._is_due:
            self._is_due = True
            self._later(0, self._next)

    def _later(self, delay_ns: int, then: Callable[[], None]) -> None:
        self._stream.context.clock.call_later(delay_ns, then)

    def _read(self, name: str, note: bytes) -> Errand | None:
        """Return the errand that a note is of."""
        try:
            if name == SWEEP:
                return Sweep.of(self._stream, note)
            if name.startswith(PURGE):
                return Purge.of(self._stream, name, note)
        except StoreCorrupt as error:
            self._stream.trouble.note("Note not read", error)
        return None


def _kept(errand: Errand, error: StoreError | None) -> None:
    if error is None:
        errand.end(None)
