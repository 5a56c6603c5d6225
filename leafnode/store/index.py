"""What one stream holds, as staged: sequences, counts, segments, subjects. No bodies, no SQL.

Knows what to write for a change (a `Removal` names it), not how or when. Everything here can be
made anew from disk, and is, after a failed commit: leafnode/store/recover.py.
Truth: docs/store.md, "Segments" and "Rules".
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreBusy
from leafnode.store.api import StreamState
from leafnode.store.newest import Newest
from leafnode.store.segments import Segment
from leafnode.store.subject_counts import SubjectCounts
from leafnode.store.subjects import Subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from leafnode.store.bounds import StoreBounds
    from leafnode.store.segments import Columns
    from leafnode.store.subjects import Subject

_FIRST_SEQ: Final = attrgetter("first_seq")
NOTHING_HELD: Final[Mapping[Segment, Columns]] = MappingProxyType({})
SWEEP_DIVISOR: Final = 2  # a sealed segment is rewritten when one row in so many is still alive
DROP_OPEN_DIVISOR: Final = 4  # an emptied open segment is dropped when it is this full


@dataclass(slots=True)
class Removal:
    """What one removal took away, and what has to be written for it."""

    count: int = 0
    seqs: list[int] = field(default_factory=list)  # removed one by one, ascending in each call
    touched: dict[Segment, None] = field(default_factory=dict)  # their dead bits changed
    dropped: list[Segment] = field(default_factory=list)
    swept: list[tuple[Segment, list[int]]] = field(default_factory=list)
    newest: list[int] = field(default_factory=list)  # of `seqs`, perhaps newest of a subject


class StreamIndex:
    """One stream as staged. `columns` returns a segment's columns and reads them if need be."""

    __slots__ = (
        "bounds",
        "bytes",
        "columns",
        "first_seq",
        "going",
        "last_seq",
        "last_ts_ns",
        "msgs",
        "newest",
        "next_no",
        "segments",
        "subjects",
    )

    def __init__(
        self, first_seq: int, bounds: StoreBounds, columns: Callable[[Segment], Columns]
    ) -> None:
        self.bounds = bounds
        self.columns = columns
        self.subjects = Subjects()
        self.newest = Newest()
        self.segments: list[Segment] = []
        self.going: list[int] = []  # before the floor: their tables go, some with each commit
        self.next_no = 1
        self.first_seq = first_seq
        self.last_seq = first_seq - 1
        self.last_ts_ns = 0  # of the message stored last
        self.msgs = 0
        self.bytes = 0

    def let_go(self) -> Iterator[None]:
        """Be empty from now on; what was known goes in these steps."""
        subjects, segments = self.subjects, self.segments
        self.subjects, self.segments = Subjects(), []
        self.first_seq, self.msgs, self.bytes = self.last_seq + 1, 0, 0
        return _one_by_one(subjects, segments)

    # --- adding

    def open_segment(self) -> Segment | None:
        """Return the segment that takes the next row, or None when a new one is needed."""
        if not self.segments:
            return None
        segment = self.segments[-1]
        bounds = self.bounds
        full = (
            segment.rows >= bounds.segment_rows_max
            or segment.body_bytes >= bounds.segment_bytes_max
            or self.last_seq + 1 - segment.first_seq >= bounds.segment_span_max
        )
        return None if full else segment

    def fitting(self, body_sizes: Sequence[int]) -> int:
        """Return how many of these the open segment takes, from the first on; 0: it takes none."""
        segment = self.open_segment()
        if segment is None:
            return 0
        bounds = self.bounds
        room = min(
            bounds.segment_rows_max - segment.rows,
            segment.first_seq + bounds.segment_span_max - self.last_seq - 1,
        )
        if segment.body_bytes + sum(body_sizes) > bounds.segment_bytes_max:
            return 1  # the last one may pass the bound
        return min(room, len(body_sizes))

    def number_behind(self, before: StreamIndex) -> None:
        """Give out no number that one before did: reads know segments and subjects by theirs."""
        self.next_no = max(self.next_no, before.next_no)
        self.subjects.next_sid = max(self.subjects.next_sid, before.subjects.next_sid)

    def skip_to(self, seq: int) -> None:
        """Let `seq` be the next sequence; those before it that hold nothing never will."""
        self.last_seq = seq - 1
        if not self.msgs:
            self.first_seq = seq

    def start_segment(self) -> Segment:
        segment = Segment(self.next_no, self.last_seq + 1)
        self.next_no += 1
        self.segments.append(segment)
        return segment

    def add(self, segment: Segment, subject: Subject, size: int, body_size: int, ts_ns: int) -> int:
        """Count one message into the open segment; return its sequence."""
        seq = self.last_seq = self.last_seq + 1
        self.last_ts_ns = ts_ns
        segment.add(seq, subject.sid, size, body_size, ts_ns)
        if not subject.msgs:
            self.subjects.count += 1
        subject.add(seq)
        self.msgs += 1
        self.bytes += size
        return seq

    def add_run(
        self, segment: Segment, subject: Subject, body_sizes: Sequence[int], head: int, ts_ns: int
    ) -> int:
        """Count messages on one subject, of one time; `head` is what each has beside its body.

        Returns the sequence of the first.
        """
        first = self.last_seq + 1
        count = len(body_sizes)
        self.last_seq += count
        self.last_ts_ns = ts_ns
        size = segment.add_run(first, subject.sid, body_sizes, head, ts_ns)
        if not subject.msgs:
            self.subjects.count += 1
        subject.add_run(first, count)
        self.msgs += count
        self.bytes += size
        return first

    # --- removing

    def seal(self) -> Removal:
        """Close the open segment; drop it when nothing in it lives, sweep it when little does."""
        segment = self.segments[-1]
        segment.sealed = True
        columns = segment.columns
        assert columns is not None, "an open segment has its columns"
        segment.counts = SubjectCounts(columns.counts())
        for offset in segment.dead_offsets():
            segment.counts.drop(columns.sids[columns.slot(segment.first_seq + offset)])
        removal = Removal(touched={segment: None})
        self._settle(removal, [segment], {})
        return removal

    # What has to be read for a removal is read before anything changes, and held: a read that fails
    # leaves the index as it was.

    def remove_one(self, seq: int) -> Removal:
        """Do what `remove` does with one sequence: a value that another one replaces.  HOT"""
        segment = self.segment_at(seq)
        if segment is None or segment.is_dead(seq):
            return Removal()
        if segment.live == 1:  # what is first then is in another segment
            return self.remove((seq,))
        columns = self.columns(segment)
        slot = columns.slot(seq)
        if slot == len(columns) or columns.offsets[slot] != seq - segment.first_seq:
            return Removal()
        subject = self._drop_row(segment, columns, slot)
        is_newest = seq == subject.last_seq or subject.last_stale
        subject.drop(seq)
        newest = [seq] if is_newest else []
        removal = Removal(1, [seq], {segment: None}, newest=newest)
        if segment.sealed:
            self._settle(removal, [segment], {segment: columns})
        if seq == self.first_seq and removal.swept:
            self.advance_first()
        elif seq == self.first_seq:
            self.first_seq = _next_live(segment, columns, slot + 1)
        return removal

    def remove(self, seqs: Iterable[int]) -> Removal:
        held: dict[Segment, Columns] = {}
        slots: dict[int, tuple[Segment, int]] = {}
        rows: dict[Segment, int] = {}
        for seq in seqs:
            segment = self.segment_at(seq)
            if segment is None or seq in slots or segment.is_dead(seq):
                continue
            columns = self._hold(held, segment)
            slot = columns.slot(seq)
            if slot == len(columns) or columns.offsets[slot] != seq - segment.first_seq:
                continue
            slots[seq] = segment, slot
            rows[segment] = rows.get(segment, 0) + 1
        moves = self.first_seq in slots
        if moves:
            self._hold_first(held, rows)
        removal = Removal(len(slots), list(slots), dict.fromkeys(rows))
        for seq, (segment, slot) in slots.items():
            subject = self._drop_row(segment, held[segment], slot)
            if seq == subject.last_seq or subject.last_stale:
                removal.newest.append(seq)
            subject.drop(seq)
        self._settle(removal, list(rows), held)
        if moves:
            self.advance_first(held)
        return removal

    def remove_below(self, seq: int) -> Removal:
        removal = Removal()
        if seq <= self.first_seq:
            return removal
        before = self.msgs
        held: dict[Segment, Columns] = {}
        reached = self.segments[: self.segment_index(seq - 1) + 1]
        self._drop_below(reached, seq, held)
        removal.count = before - self.msgs
        self.first_seq = seq
        self.last_seq = max(self.last_seq, seq - 1)
        self._settle(removal, reached, held)
        self.advance_first(held)
        return removal

    # --- asking

    def front_end(self, below_seq: int, most_rows: int) -> int:
        """Return where what goes together before `below_seq` ends: segments of so many rows, one at
        least, or a part of one.
        """
        rows = 0
        for segment in self.segments:
            is_partly = segment.last_seq >= below_seq
            if rows and (is_partly or rows + segment.rows > most_rows):
                return segment.first_seq
            if is_partly:
                break
            rows += segment.rows
        return below_seq

    def segment_at(self, seq: int) -> Segment | None:
        """Return the segment whose range holds `seq`."""
        index = self.segment_index(seq)
        if index < 0 or seq > self.segments[index].last_seq:
            return None
        return self.segments[index]

    def segment_index(self, seq: int) -> int:
        """Return the index of the last segment that starts at or before `seq`, or -1."""
        if self.segments and seq >= self.segments[-1].first_seq:
            return len(self.segments) - 1
        return bisect_right(self.segments, seq, key=_FIRST_SEQ) - 1

    def state(self, *, with_times: bool = True) -> StreamState:
        state = StreamState(
            msgs=self.msgs,
            bytes=self.bytes,
            first_seq=self.first_seq,
            first_ts_ns=0,
            last_seq=self.last_seq,
            last_ts_ns=self.last_ts_ns if with_times else 0,
            num_subjects=self.subjects.count,
            num_deleted=self.last_seq - self.first_seq + 1 - self.msgs,
        )
        segment = self.segment_at(self.first_seq)
        if with_times and self.msgs and segment is not None:
            state.first_ts_ns = segment.first_ts_ns  # not later than the one meant
            if not (segment.is_whole() and self.first_seq == segment.first_seq):
                with contextlib.suppress(StoreBusy):
                    columns = self.columns(segment)
                    state.first_ts_ns = columns.times[columns.slot(self.first_seq)]
        return state

    # --- private

    def _drop_row(self, segment: Segment, columns: Columns, slot: int) -> Subject:
        """Take one live row out of all counts except its subject's ends; return its subject."""
        subject = self.subjects.by_sid[columns.sids[slot]]
        if segment.counts is not None:
            segment.counts.drop(subject.sid)
        size = columns.sizes[slot]
        segment.mark_dead(segment.first_seq + columns.offsets[slot], size)
        self.msgs -= 1
        self.bytes -= size
        if subject.msgs == 1:
            self.subjects.count -= 1
        return subject

    def _drop_below(self, segments: list[Segment], seq: int, held: dict[Segment, Columns]) -> None:
        whole = [segment for segment in segments if segment.last_seq < seq]
        gone: dict[int, int] = {}  # by subject: of many segments no more than this is held
        for segment in whole:
            for sid, msgs in self._live_counts(segment):
                gone[sid] = gone.get(sid, 0) + msgs
        rows = {segment: segment.live for segment in whole}
        live: list[int] = []
        for segment in segments[len(whole) :]:  # at most one is reached in part
            columns = self._hold(held, segment)
            offsets = columns.offsets[columns.slot(self.first_seq) : columns.slot(seq)]
            live = [one for one in offsets if not segment.is_dead(segment.first_seq + one)]
            rows[segment] = len(live)
        self._hold_first(held, rows)
        for segment in segments[len(whole) :]:
            for sid, msgs in self._drop_rows(segment, held[segment], live).items():
                gone[sid] = gone.get(sid, 0) + msgs
        for sid, msgs in gone.items():
            subject = self.subjects.by_sid[sid]
            subject.msgs -= msgs
            if not subject.msgs:
                self.subjects.count -= 1
        for segment in whole:
            self.msgs -= segment.live
            self.bytes -= segment.live_bytes
            segment.mark_all_dead()

    def _drop_rows(
        self, segment: Segment, columns: Columns, offsets: Sequence[int]
    ) -> Mapping[int, int]:
        """Take live rows out of all counts except their subjects'; return how many of each."""
        slots = [columns.slot(segment.first_seq + offset) for offset in offsets]
        counts = Counter(map(columns.sids.__getitem__, slots))
        if segment.counts is not None:
            for sid, msgs in counts.items():
                segment.counts.drop(sid, msgs)
        size = sum(map(columns.sizes.__getitem__, slots))
        segment.mark_dead_run(offsets, size)
        self.msgs -= len(slots)
        self.bytes -= size
        return counts

    def _live_counts(self, segment: Segment) -> Iterable[tuple[int, int]]:
        """Return how many live rows each subject has in the segment."""
        if not segment.live:
            return ()
        known = None if segment.counts is None else segment.counts.items()
        if known is not None:
            return known
        columns = self.columns(segment)
        if not segment.dead_count:
            return columns.counts().items()
        return Counter(
            sid
            for offset, sid in zip(columns.offsets, columns.sids, strict=True)
            if not segment.is_dead(segment.first_seq + offset)
        ).items()

    def _hold(self, held: dict[Segment, Columns], segment: Segment) -> Columns:
        columns = held.get(segment)
        if columns is None:
            columns = held[segment] = self.columns(segment)
        return columns

    def _hold_first(self, held: dict[Segment, Columns], rows: Mapping[Segment, int]) -> None:
        """Hold what `advance_first` needs once these numbers of rows are gone."""
        for segment in self.segments:
            left = segment.live - rows.get(segment, 0)
            if left:
                if left != segment.last_seq - segment.first_seq + 1:
                    self._hold(held, segment)
                return

    def _settle(
        self, removal: Removal, segments: list[Segment], held: Mapping[Segment, Columns]
    ) -> None:
        """Of these segments, drop those where nothing lives, sweep those where little does."""
        for segment in segments:
            if not segment.live and (segment.sealed or self._is_worth_dropping(segment)):
                removal.dropped.append(segment)
                removal.touched.pop(segment, None)
            # The first one is left alone: retention eats it from the front and soon drops it.
            elif (
                segment.sealed
                and segment.dead_count * SWEEP_DIVISOR >= segment.rows
                and segment is not self.segments[0]
            ):
                if segment.columns is None:  # the cache has let go of them meanwhile
                    segment.columns = held[segment]
                removal.swept.append((segment, segment.sweep()))
                removal.touched[segment] = None
        if removal.dropped:
            gone = set(removal.dropped)
            self.segments = [segment for segment in self.segments if segment not in gone]

    def _is_worth_dropping(self, segment: Segment) -> bool:
        """Say whether an emptied open segment takes more room than a new table costs.

        Only when the whole stream is empty: otherwise its last row says when it was stored last.
        """
        bounds = self.bounds
        return not self.msgs and (
            segment.rows * DROP_OPEN_DIVISOR >= bounds.segment_rows_max
            or segment.body_bytes * DROP_OPEN_DIVISOR >= bounds.segment_bytes_max
        )

    def advance_first(self, held: Mapping[Segment, Columns] = NOTHING_HELD) -> None:
        """Move first_seq to the oldest message, or behind last_seq when there is none."""
        if not self.msgs:
            self.first_seq = self.last_seq + 1
            return
        segment = next(segment for segment in self.segments if segment.live)
        if segment.is_whole():
            self.first_seq = max(self.first_seq, segment.first_seq)
            return
        columns = segment.columns  # a sweep has just made new ones
        if columns is None:
            columns = held[segment] if segment in held else self.columns(segment)
        self.first_seq = _next_live(segment, columns, columns.slot(self.first_seq))


def _next_live(segment: Segment, columns: Columns, slot: int) -> int:
    """Return the first live sequence of a segment from this slot on, where it has one."""
    first, offsets = segment.first_seq, columns.offsets
    while segment.is_dead(first + offsets[slot]):
        slot += 1
    return first + offsets[slot]


def _one_by_one(subjects: Subjects, segments: list[Segment]) -> Iterator[None]:
    """Take away a subject, then a segment, in each step."""
    while subjects.by_sid:
        sid, subject = subjects.by_sid.popitem()
        subjects.by_name.pop(subject.name, None)
        subjects.names.pop(sid, None)
        yield
    while segments:
        segments.pop()
        yield
