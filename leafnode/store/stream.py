"""One stream on SQLite: stages changes into the batch, answers questions from its index, reads.

Knows the index, the batch and the readers' sides; not SQL, policies or consumers' meaning.
Truth: leafnode/store/api.py for the contract; docs/store.md for what is durable when.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreCorrupt, StoreError, StoreFailed
from leafnode.protocol.subject import is_literal
from leafnode.store import ask, counting, lookup, writes
from leafnode.store.api import SEQ_MAX
from leafnode.store.forgetting import Forgetting
from leafnode.store.hot import Hot
from leafnode.store.rows import checksum, new_rows, to_message
from leafnode.store.sizes import message_bytes
from leafnode.store.tail import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence

    from leafnode.store.api import ConsumerRecord, Counting, StoredMsg, StreamState, SubjectState
    from leafnode.store.batch import Batch, StreamChange
    from leafnode.store.host import Host
    from leafnode.store.index import Removal, StreamIndex
    from leafnode.store.reader import ReadRequest, ReadResult
    from leafnode.store.segments import Segment
    from leafnode.store.subjects import Subject

    Found = Callable[[StoredMsg | None], None]
    Pages = Callable[[list[StoredMsg]], None]

_ROUNDS_MAX: Final = 3  # of a pattern that is overtaken each time, maybe by what does not match


class SqliteStream:
    """Implements leafnode.store.api.StreamStore."""

    def __init__(
        self, host: Host, stream_id: int, account: str, name: str, index: StreamIndex
    ) -> None:
        self.id = stream_id
        self.account = account
        self.name = name
        self.index = index  # as staged
        self.consumers: dict[str, ConsumerRecord] = {}
        self._host = host
        self._damage: StoreCorrupt | None = None
        self._gone = False
        self._committed_seq = index.last_seq
        self._committed_first = index.first_seq
        self._removed_staged: set[int] = set()  # readers still get these
        self._removed_upto = 0  # none of those, ever, was beyond this one
        self._newest_removed: set[int] = set()  # those of them that were their subjects' newest
        self._forgetting = Forgetting(host)
        self._floor_is_behind = False  # removals were staged that a crash would undo
        self._tail = Tail(index.last_seq + 1)
        self._hot = Hot(host.hot)
        self._tell_erased: Callable[[list[Sequence[int]]], None] | None = None

    # --- changes

    def append(
        self, subject: bytes, header_size: int, body: bytes, ts_ns: int, *, seq: int = 0
    ) -> int:
        self._check_intact()
        body_size = len(body)
        batch = self._host.committer.admit(body_size)
        change = batch.change(self)
        index = self.index
        if seq:
            assert index.last_seq < seq <= SEQ_MAX, "sequences go up"
            index.skip_to(seq)
        segment = index.open_segment() or self._next_segment(change)
        known = index.subjects.by_name.get(subject) or self._new_subject(batch, subject)
        ts_ns = max(ts_ns, index.last_ts_ns)
        size = message_bytes("file", len(subject), header_size, body_size)
        seq = index.add(segment, known, size, body_size, ts_ns)
        crc = checksum(known.crc, seq, ts_ns, header_size, body)
        change.add_row(segment, (seq, known.sid, ts_ns, header_size, crc, body))
        return seq

    def append_run(self, subject: bytes, bodies: Sequence[bytes], ts_ns: int) -> int:
        self._check_intact()
        index = self.index
        body_sizes = list(map(len, bodies))
        fitting = index.fitting(body_sizes)
        batch, count = self._host.committer.admit_run(body_sizes[: max(1, fitting)])
        change = batch.change(self)
        segment = index.segments[-1] if fitting else self._next_segment(change)
        known = index.subjects.by_name.get(subject) or self._new_subject(batch, subject)
        ts_ns = max(ts_ns, index.last_ts_ns)
        head = message_bytes("file", len(subject), 0, 0)
        first = index.add_run(segment, known, body_sizes[:count], head, ts_ns)
        change.add_rows(segment, new_rows(known, first, ts_ns, bodies[:count]))
        return count

    def remove(self, seqs: Sequence[int]) -> int:
        self._check()
        removal = self.index.remove(seqs) if len(seqs) != 1 else self.index.remove_one(seqs[0])
        if removal.count:
            self._removed_staged.update(removal.seqs)
            self._removed_upto = max(self._removed_upto, *removal.seqs)
            self._newest_removed.update(removal.newest)
            self._note(self._change(), removal)
            self.keep_floor()  # with the room that this makes a limit would remove less anew
        return removal.count

    def remove_below(self, seq: int, *, lazy: bool = False) -> int:
        self._check()
        if seq > SEQ_MAX:
            raise StoreError(f"sequence {seq} is beyond {SEQ_MAX}")
        moves = seq > self.index.first_seq
        removal = self.index.remove_below(seq)
        if moves:
            self._note(self._change(), removal)
        self._floor_is_behind |= moves
        if not lazy:
            self.keep_floor()
        return removal.count

    def keep_floor(self) -> None:
        """Stage where the stream begins, if what moved it staged no such thing."""
        if self._floor_is_behind:
            self._change().floor = True
            self._floor_is_behind = False

    def when_erased(self, tell: Callable[[list[Sequence[int]]], None] | None) -> None:
        self._tell_erased = tell

    def end_at(self, last_seq: int, last_ts_ns: int) -> None:
        if last_seq > SEQ_MAX:
            raise StoreError(f"sequence {last_seq} is beyond {SEQ_MAX}")
        change = self._change()
        index = self.index
        if last_seq > index.last_seq:
            index.skip_to(last_seq + 1)
        index.last_ts_ns = max(index.last_ts_ns, last_ts_ns)
        change.floor = True

    # --- questions

    def state(self) -> StreamState:
        return self.index.state(with_times=self._damage is None)

    def first_seq(self) -> int:
        return self.index.first_seq

    def front_end(self, below_seq: int) -> int:
        return self.index.front_end(below_seq, limits.PURGE_TURN_ROWS)

    def last_seq(self) -> int:
        return self.index.last_seq

    def committed_seq(self) -> int:
        return self._committed_seq

    def damage(self) -> StoreCorrupt | None:
        return self._damage

    def subject_state(self, subject: bytes) -> SubjectState | None:
        self._check_intact()
        known = self.index.subjects.by_name.get(subject)
        return lookup.subject_state(self.index, known) if known and known.msgs else None

    def subject_of(self, seq: int) -> bytes | None:
        self._check_intact()
        return lookup.subject_of(self.index, seq)

    def is_removing(self, from_seq: int = 0) -> bool:
        front = self._committed_first < self.index.first_seq > from_seq
        return front or (bool(self._removed_staged) and self._removed_upto >= from_seq)

    def size_of(self, seq: int) -> int:
        self._check_intact()
        return lookup.size_of(self.index, seq)

    def subjects(self, *patterns: bytes) -> Iterable[tuple[bytes, SubjectState]]:
        self._check_intact()
        found = sorted((known.name, known) for known in self.index.subjects.matching(patterns))
        return ((name, lookup.subject_state(self.index, known)) for name, known in found)

    def prepare(self, *patterns: bytes, start_seq: int = 0) -> Iterator[None]:
        yield from self.index.subjects.prepare(patterns)
        yield from counting.prepare_pending(lambda: self.index, patterns, start_seq)

    def names(self, *patterns: bytes) -> Iterator[bytes]:
        self._check_intact()
        return self.index.subjects.names_of(patterns)

    def msgs_of(self, subject: bytes) -> int:
        self._check_intact()
        known = self.index.subjects.by_name.get(subject)
        return 0 if known is None else known.msgs

    def approach(self, subject: bytes) -> bool:
        self._check_intact()
        known = self.index.subjects.by_name.get(subject)
        return known is None or not known.msgs or lookup.approach(self.index, known)

    def surplus(self, seq: int, most: int, spared: Container[bytes]) -> tuple[list[int], int]:
        self._check_intact()
        return counting.surplus(self.index, seq, most, spared)

    def last_of(self, subject: bytes) -> int:
        self._check_intact()
        known = self.index.subjects.by_name.get(subject)
        return lookup.last_seq(self.index, known) if known is not None and known.msgs else 0

    def oldest(self, pattern: bytes, start_seq: int) -> int:
        self._check_intact()
        return lookup.oldest(self.index, pattern, start_seq)

    def newest_of(self, pattern: bytes) -> int:
        self._check_intact()
        return lookup.newest(self.index, pattern)

    def last_seqs(self, *patterns: bytes) -> list[int]:
        self._check_intact()
        return lookup.last_seqs(self.index, patterns)

    def list_last(self, *patterns: bytes) -> Generator[None, None, list[int]]:
        self._check_intact()
        return lookup.list_last(lambda: self.index, patterns)

    def num_pending(self, patterns: Sequence[bytes], start_seq: int) -> int:
        self._check_intact()
        return counting.num_pending(self.index, patterns, start_seq)

    def num_subjects(self, patterns: Sequence[bytes], first_seq: int, last_seq: int) -> Counting:
        self._check_intact()
        return lookup.num_subjects(lambda: self.index, patterns, first_seq, last_seq)

    def missing(self, seqs: Sequence[int]) -> list[int]:
        self._check_intact()
        return lookup.missing(self.index, seqs)

    def deleted(self, first_seq: int, max_seqs: int, *, upto_seq: int = SEQ_MAX) -> list[int]:
        self._check_intact()
        return lookup.deleted(self.index, first_seq, max_seqs, upto_seq)

    def live(self, first_seq: int, max_seqs: int) -> list[int]:
        self._check_intact()
        return lookup.live(self.index, first_seq, max_seqs)

    def seq_at(self, ts_ns: int) -> int:
        self._check_intact()
        return lookup.seq_at(self.index, ts_ns)

    def time_at(self, seq: int) -> int | None:
        self._check_intact()
        return lookup.time_at(self.index, seq)

    # --- reads

    def get(self, seq: int, done: Found, *, goes_on: bool = False) -> None:
        if self._damage is not None or not self._committed_first <= seq <= self._committed_seq:
            done(None)
            return
        if seq >= self._tail.first_seq:
            row = self._tail.rows.get(seq)
            done(None if row is None else to_message(row, self.index.subjects.names[row[1]]))
            return
        known = self._hot.get(seq)
        if known is not None:
            done(known)
            return

        def got(messages: list[StoredMsg]) -> None:
            message = messages[0] if messages else None
            self._hot.arrived(seq, message)
            done(message)

        request = ask.request(self.id, self.index, (seq, seq), None, (1, 1))
        self._ask(request, got, goes_on=goes_on)
        self._hot.await_one(seq)

    def read(
        self,
        start_seq: int,
        patterns: Sequence[bytes],
        max_msgs: int,
        max_bytes: int,
        done: Pages,
    ) -> None:
        self._read(start_seq, patterns, (max_msgs, max_bytes), done)

    def read_removed(self, start_seq: int, since_ns: int, done: Pages) -> None:
        seqs = start_seq, self._committed_seq
        request = ask.for_removed(self.id, self.index, seqs, since_ns)
        if self._damage is not None or request is None:
            done([])
        else:
            self._ask(request, done)

    def last(
        self, pattern: bytes, done: Found, *, upto_seq: int = SEQ_MAX, rounds: int = 0
    ) -> None:
        """`rounds`: how often what was the newest may have been replaced before it was read."""

        def got(message: StoredMsg | None) -> None:
            # Of one subject an older one was the newest then: all before a newer one go with it.
            is_sure = message is not None and (message.seq == last or not has_many)
            is_sure = is_sure or (has_many and rounds == _ROUNDS_MAX)
            if is_sure or not self._is_overtaken(pattern, last, upto_seq):
                done(message)
            elif self._committed_seq > last:
                again()
            elif not self.is_removing():  # what is beyond is staged, and takes nothing away
                done(message)
            else:  # the reader may have seen a COMMIT that this thread does not know of yet
                self._host.committer.after_commit(lambda _: again())

        has_many = not is_literal(pattern)
        again = partial(self.last, pattern, done, upto_seq=upto_seq, rounds=rounds + 1)
        committed = self._committed_first, self._committed_seq
        # While one that was the newest goes, readers may still see a newer one.
        newest = None if self._newest_removed else lookup.newest_of(self.index, pattern, committed)
        if newest is not None and newest <= upto_seq:
            last = newest
            self.get(last, got, goes_on=rounds > 0)
            return
        sids = self.index.subjects.sids([pattern])
        last = min(self._newest(sids), upto_seq)
        if self._damage is not None or last < self._committed_first:
            done(None)
            return
        row = self._tail.last(last, self._committed_first, sids)
        if row is not None:
            done(to_message(row, self.index.subjects.names[row[1]]))
            return
        seqs = self._committed_first, min(last, self._tail.first_seq - 1)
        request = ask.request(self.id, self.index, seqs, sids, (1, 1), backward=True)
        self._ask(request, lambda found: got(found[0] if found else None), goes_on=rounds > 0)

    # --- what the store tells it

    def committed(self, change: StreamChange) -> None:
        """Note that a batch with this change is on disk."""
        self._committed_seq = change.last_seq
        tail = self._tail
        if not self._gone:
            for rows in change.rows:
                self._host.tails.add(tail, rows)
        if change.removed:
            tail.discard(change.removed)
            self._hot.discard(change.removed)
            self._removed_staged.difference_update(change.removed)
            self._newest_removed.difference_update(change.removed)
        if change.first_seq > self._committed_first:
            self._committed_first = change.first_seq
            tail.discard_below(change.first_seq)
        if change.removed_segments:
            self._forgetting.is_due = True
        self.drop_some()
        self._forgetting.go_on(self)

    def drop_some(self) -> None:
        """Let some of the tables that are nobody's any more go with the next commit."""
        if self.index.going and self.is_readable() and self._host.committer.failed is None:
            self._change()

    def adopt(self, index: StreamIndex, consumers: dict[str, ConsumerRecord]) -> None:
        """Start over from what is on disk, after a failed commit."""
        index.number_behind(self.index)
        self.index, self.consumers = index, consumers
        self._gone = False
        self._removed_staged.clear()
        self._newest_removed.clear()
        self._committed_seq, self._committed_first = index.last_seq, index.first_seq
        self._floor_is_behind = False
        self._forgetting.stop()
        self._tail = Tail(index.last_seq + 1)
        self._hot.clear()

    def detach(self) -> None:
        """Refuse all changes from now on: the stream was deleted, or never came to be."""
        self._gone = True
        self._tail.rows.clear()
        self._hot.clear()

    def is_readable(self) -> bool:
        return self._damage is None and not self._gone

    def quarantine(self, problem: StoreCorrupt) -> bool:
        """Serve and change nothing any more; False when it was so already."""
        if self._damage is not None:
            return False
        self._damage = problem
        return True

    # --- private

    def _change(self) -> StreamChange:
        self._check()
        return self._host.committer.batch().change(self)

    def _check(self) -> None:
        """Raise what keeps this stream from being changed."""
        self._check_intact()
        self._host.committer.check()

    def _check_intact(self) -> None:
        if self._damage is not None:
            raise StoreCorrupt(*self._damage.args)
        if self._gone:
            raise StoreFailed(f"stream {self.name} of {self.account} is deleted")

    def _next_segment(self, change: StreamChange) -> Segment:
        index = self.index
        if index.segments and not index.segments[-1].sealed:
            segment = index.segments[-1]
            self._note(change, index.seal(), sealed=segment)
        segment = index.start_segment()
        change.start_segment(segment)
        return segment

    def _new_subject(self, batch: Batch, name: bytes) -> Subject:
        subjects = self.index.subjects
        known = subjects.put(subjects.next_sid, name)
        row = (self.id, known.sid, name)
        batch.add(self.id, partial(writes.insert_subject, row))
        return known

    def _note(self, change: StreamChange, removal: Removal, sealed: Segment | None = None) -> None:
        if sealed is None:
            change.remove(removal)
        else:
            change.seal(sealed, removal)
        for segment in (*removal.dropped, *(one for one, _ in removal.swept)):
            self._host.forget(segment)
        if self._tell_erased is not None and (removal.dropped or removal.swept):
            erased: list[Sequence[int]] = [seqs for _, seqs in removal.swept]
            erased += [range(one.first_seq, one.last_seq + 1) for one in removal.dropped]
            self._tell_erased(sorted(erased, key=lambda seqs: seqs[0] if seqs else 0))

    def _is_overtaken(self, pattern: bytes, last: int, upto_seq: int) -> bool:
        """Say whether what matches may be beyond that now, so that what was read was not it."""
        beyond = lookup.not_beyond(self.index, self.index.subjects.sids([pattern]))
        is_current = self.is_readable() and self._host.committer.failed is None
        return is_current and min(beyond, upto_seq) > last

    def _newest(self, sids: frozenset[int] | None) -> int:
        """Return a sequence that no committed message of these subjects is beyond."""
        if self.is_removing():
            return self._committed_seq if sids is None or sids else 0
        return min(self._committed_seq, lookup.not_beyond(self.index, sids))

    def _read(
        self,
        start_seq: int,
        patterns: Sequence[bytes],
        most: tuple[int, int],
        done: Pages,
        *,
        goes_on: bool = False,
    ) -> None:
        """Read up to `most` messages and bytes."""
        first = max(start_seq, self._committed_first)
        last = self._committed_seq
        sids = self.index.subjects.sids(patterns)
        if self._damage is not None or first > last or (sids is not None and not sids):
            done([])
            return
        max_msgs, max_bytes = min(most[0], limits.READ_BATCH_MSGS), most[1]
        if first >= self._tail.first_seq:
            names = self.index.subjects.names
            rows = self._tail.forward(range(first, last + 1), sids, max_msgs, max_bytes)
            done([to_message(row, names[row[1]]) for row in rows])
            return

        def got(messages: list[StoredMsg]) -> None:
            if messages or last >= self._committed_seq:
                done(messages)
            else:  # more was committed meanwhile: an empty answer would say there is nothing
                self._read(last + 1, patterns, most, done, goes_on=True)

        request = ask.request(self.id, self.index, (first, last), sids, (max_msgs, max_bytes))
        self._ask(request, got, goes_on=goes_on)

    def _ask(
        self,
        request: ReadRequest,
        done: Pages,
        *,
        goes_on: bool = False,
    ) -> None:
        def got(result: ReadResult) -> None:
            if result.damage is not None:
                self._host.damaged(self, result.damage)
            done([] if self._damage is not None else result.messages)

        if goes_on:
            self._host.ask_further(request, got)
        else:
            self._host.ask(request, got)
