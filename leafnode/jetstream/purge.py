"""A purge of some messages: those that match a pattern before some sequence, slice by slice.

By STREAM.PURGE, or by a message that rolls up what was before it. An errand: see errands.py. Knows
the stream's store; not who asked. Truth: nats-server 2.15.1 server/stream.go (purgeLocked).
"""

from __future__ import annotations

from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

import msgspec

from leafnode import limits
from leafnode.errors import StoreBusy, StoreCorrupt, StoreError
from leafnode.jetstream import notes
from leafnode.jetstream.thinning import Thinning
from leafnode.protocol.subject import matches

_HELD_A_QUESTION: Final = 64  # subjects and sequences in a count cost as much as a removed message
_FEW_SUBJECTS: Final = 16  # that are looked at one after the other
PURGE: Final = notes.PREFIX + "purge."
ALL: Final = b">"
_VERSION: Final = 1
_Note = tuple[int, bytes, int, int]  # version, pattern, below, keep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from leafnode.jetstream.stream import Stream
    from leafnode.store.api import SubjectState


class _Others:
    """The subjects that a pattern does not stand for."""

    def __init__(self, pattern: bytes) -> None:
        self._pattern = pattern

    def __contains__(self, name: object) -> bool:
        return not (isinstance(name, bytes) and matches(self._pattern, name))


class Purge:
    """Removes what matches `pattern` before `below_seq` (0: all), sparing the newest `keep`."""

    __slots__ = (
        *("_below_seq", "_done", "_end_seq", "_finding", "_follow", "_kept", "_last_seq", "_left"),
        *("_newest", "_next_seq", "_pattern", "_removed", "_round", "_stream", "_thinning"),
        "name",
    )

    def __init__(
        self,
        stream: Stream,
        pattern: bytes,
        below_seq: int,
        keep: int,
        done: Callable[[int | StoreError], None] | None = None,
        *,
        follow: bool = True,
        name: str = "",
    ) -> None:
        """`done` is told how many went once that is on disk, or why it cannot be. `follow`: then
        consumers do not wait for what was out of it. `name`: of the note that this goes on with.
        """
        self._last_seq = stream.store.last_seq()  # when it was asked for
        end = self._last_seq + 1
        if below_seq == 0 or (pattern != ALL and below_seq > end):
            below_seq = end
        self._stream = stream
        self._pattern = pattern
        self._end_seq = below_seq
        self._newest = keep
        self._done = done
        self._follow = follow
        self.name = name or PURGE + stream.context.nuid()
        self._thinning = Thinning()
        self._finding: Iterator[None] = iter(())  # what it removes is looked for
        self._below_seq = 0
        self._next_seq = 0  # to be looked at; 0: subjects are looked at, not messages
        self._removed = 0
        self._kept = 0  # of these so many, on disk
        # Where the stream began and ended with the last slice: later removals may yet be undone.
        self._left = (0, 0)
        self._round = 0

    @classmethod
    def of(cls, stream: Stream, name: str, note: bytes) -> Purge:
        """Return what a note says. Raises StoreCorrupt."""
        try:
            version, pattern, below_seq, keep = msgspec.msgpack.decode(note, type=_Note)
        except msgspec.DecodeError as error:
            raise StoreCorrupt(f"note {name} cannot be read") from error
        if version != _VERSION:
            raise StoreCorrupt(f"note {name} has version {version}, expected {_VERSION}")
        return cls(stream, pattern, below_seq, keep, name=name)

    def note(self) -> bytes:
        """Return what `of` reads."""
        return msgspec.msgpack.encode([_VERSION, self._pattern, self._end_seq, self._newest])

    @property
    def waits(self) -> bool:
        """Whether somebody wants to know how it ends."""
        return self._done is not None

    def add(self, from_seq: int) -> None:
        """No two have one name."""
        raise NotImplementedError

    def begin(self) -> None:
        """Look at every subject, for the first time or once more."""
        self._round += 1
        self._removed = self._kept
        self._finding = self._find()

    def step(self) -> bool:
        """Remove some messages; True when there is nothing left to remove."""
        stream = self._stream
        is_last = False
        if stream.closed:
            return True
        try:
            for _ in self._finding:
                return False
        except StoreBusy:
            self._finding = self._find()
            raise
        try:
            is_last = self._remove_slice()
            if is_last:
                self._left = stream.store.state().first_seq, stream.store.last_seq() + 1
            return is_last
        finally:  # refused half way, what went before that is staged all the same
            removed, self._thinning.removed = self._thinning.removed, 0
            if removed:
                self._removed += removed
                if self._pattern != ALL:  # one by one
                    outbox = stream.context.account.system.outbox
                    outbox.work_left -= limits.REMOVED_WORK * removed
                if removed == 1 and self._pattern != ALL:
                    stream.removed_one(*self._thinning.newest)
                else:
                    stream.removed_some()
                if not (self._follow or (is_last and self._removed == 1)):
                    gone = partial(self._on_gone, self._thinning.taken)
                    stream.root.after_commit(gone)
                if self.waits:
                    on_disk = partial(self._on_disk, self._round, removed)
                    stream.root.after_commit(on_disk)

    def end(self, error: StoreError | None) -> None:
        """All of it is on disk, or it was given up. Who waits is told when consumers followed."""
        stream = self._stream
        if error is not None or stream.closed:
            self._tell_removed(error)
            return
        self._tell()
        if self._follow:
            done = partial(self._tell_removed, None)
            stream.purged(self._pattern, self._below_seq, self._left, done)
        else:
            self._tell_removed(None)

    # --- private

    def _tell_removed(self, error: StoreError | None) -> None:
        if self._done is not None:
            self._done(self._removed if error is None else error)
        elif error is not None:
            self._stream.trouble.note("Removal not finished", error)

    def _tell(self) -> None:
        """Tell consumers, before they follow: nats-server takes one message for a removal, and
        counts anew after several.
        """
        stream = self._stream
        if self._removed > 1 or (self._removed and self._pattern == ALL):
            for consumer in stream.consumers.values():
                consumer.count_anew(self._last_seq)
        elif self._removed == 1:
            seq, subject = self._thinning.newest
            told = self._pattern if stream.config.storage == "file" else subject
            stream.message_removed(seq, told, None, follows=self._follow)

    def _on_gone(self, seqs: list[int], error: StoreError | None) -> None:
        """These are gone, and no consumer looks for what is: those that have them out forget."""
        if error is not None:
            return
        for consumer in tuple(self._stream.consumers.values()):
            out = [seq for seq in seqs if seq in consumer.pending]
            if out:
                consumer.acks.forget_gone(out)

    def _on_disk(self, of_round: int, count: int, error: StoreError | None) -> None:
        if error is None and of_round == self._round:
            self._kept += count

    def _find(self) -> Iterator[None]:
        """Look in steps for what matches, and for the sequence from which on no more than the
        newest that are spared do.
        """
        store, end = self._stream.store, self._end_seq
        patterns = [] if self._pattern == ALL else [self._pattern]
        yield from store.prepare(*patterns)
        low, high = store.first_seq() if self._newest else end, end
        budget = limits.PURGE_TURN_MSGS
        while low < high:
            middle = (low + high) // 2
            yield from store.prepare(*patterns, start_seq=middle)
            newest = store.num_pending(patterns, middle)
            newest -= store.num_pending(patterns, end)  # those came since
            if newest <= self._newest:
                high = middle
            else:
                low = middle + 1
            held = store.state().num_subjects + end - store.first_seq()
            budget -= 1 + held // _HELD_A_QUESTION
            if budget <= 0:
                yield
                budget = limits.PURGE_TURN_MSGS
        self._below_seq = low
        if patterns:
            names = store.names(*patterns)
            few = list(islice(names, _FEW_SUBJECTS + 1))
            is_walk = len(few) > _FEW_SUBJECTS and self._stream.config.storage == "file"
            self._next_seq = max(1, store.first_seq()) if is_walk else 0
            self._thinning.begin(() if is_walk else chain(few, names))

    def _remove_slice(self) -> bool:
        store = self._stream.store
        if self._pattern == ALL:
            if store.last_seq() < self._below_seq - 1:  # what comes meanwhile comes behind that
                store.end_at(self._below_seq - 1, 0)
            self._thinning.removed = store.remove_below(store.front_end(self._below_seq))
            return store.first_seq() >= self._below_seq
        if self._next_seq:
            return self._walk()
        return bool(self._thinning.take(store, self._excess, limits.PURGE_TURN_MSGS))

    def _walk(self) -> bool:
        """Of many subjects remove what matches in the order of sequences: each part of the stream
        is read once.
        """
        store = self._stream.store
        found, next_seq = store.surplus(self._next_seq, 0, _Others(self._pattern))
        seqs = [seq for seq in found if seq < self._below_seq]
        if seqs:
            last = store.subject_of(seqs[-1]) or b""
            self._thinning.removed, self._thinning.taken = store.remove(seqs), seqs
            self._thinning.newest = seqs[-1], last
        self._next_seq = next_seq
        return next_seq >= self._below_seq

    def _excess(self, state: SubjectState) -> int:
        return state.msgs if state.first_seq < self._below_seq else 0
