"""Questions to a StreamIndex that take a search: ends of a subject, pending counts, gaps, times.

Knows columns and dead bits; changes nothing but what is remembered of a subject's ends. Costs are
in docs/store.md, "What a question costs". Truth: tests/contract/test_store.py against the memory
store.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from functools import partial
from itertools import compress, filterfalse, islice
from operator import attrgetter, not_
from typing import TYPE_CHECKING, Final

from leafnode import limits
from leafnode.errors import StoreBusy
from leafnode.protocol.subject import is_literal
from leafnode.store import listing
from leafnode.store.api import SubjectState
from leafnode.store.counting import num_pending, wanted_bits
from leafnode.store.subject_counts import ANY_SUBJECT, subject_bits
from leafnode.store.subjects import Patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from leafnode.store.index import StreamIndex
    from leafnode.store.segments import Columns, Segment
    from leafnode.store.subjects import Subject

# Up to here it pays to look at each subject before searching the tail for its newest message.
LAST_SUBJECTS_MAX: Final = 64
_LAST_TS: Final = attrgetter("last_ts_ns")
_LAST_SEQ: Final = attrgetter("last_seq")


def subject_state(index: StreamIndex, subject: Subject) -> SubjectState:
    """Return counts and exact ends of a subject that has messages."""
    return SubjectState(subject.msgs, first_seq(index, subject), last_seq(index, subject))


def first_seq(index: StreamIndex, subject: Subject) -> int:
    """Return the exact begin of a subject that has messages."""
    while not approach(index, subject):
        pass
    return subject.first_seq


def oldest(index: StreamIndex, pattern: bytes, start_seq: int) -> int:
    """Return the first sequence that matches, or any before `start_seq` that does."""
    best, unsure = index.last_seq + 1, []
    for subject in index.subjects.matching([pattern]):
        if subject.first_seq >= best:
            continue
        if subject.first_stale or subject.first_seq < index.first_seq:
            unsure.append(subject)
            continue
        best = subject.first_seq
        if best < start_seq:
            return best
    for subject in unsure:  # each may have to be searched for
        if start_seq <= best > subject.first_seq:
            best = min(best, first_seq(index, subject))
    return best


def last_seq(index: StreamIndex, subject: Subject) -> int:
    """Return the exact end of a subject that has messages."""
    if subject.last_stale:
        subject.last_seq = _last_of(index, subject)
        subject.last_stale = False
    return subject.last_seq


def last_seqs(index: StreamIndex, patterns: Sequence[bytes]) -> list[int]:
    """Return the exact ends of the subjects that match any pattern."""
    found = list(index.subjects.matching(patterns))
    for subject in [one for one in found if one.last_stale]:
        last_seq(index, subject)
    return [one.last_seq for one in found]


def not_beyond(index: StreamIndex, sids: frozenset[int] | None) -> int:
    """Return a sequence that no message of these subjects, or of all, is beyond."""
    if sids is None or len(sids) > LAST_SUBJECTS_MAX:
        return index.last_seq
    by_sid = index.subjects.by_sid
    return max((by_sid[sid].last_seq for sid in sids if by_sid[sid].msgs), default=0)


def newest_of(index: StreamIndex, pattern: bytes, committed: tuple[int, int]) -> int | None:
    """Return a literal subject's newest committed sequence, 0: none; None: it is not told here.

    `committed`: where the stream begins and ends on disk.
    """
    if not is_literal(pattern):
        return None
    subject = index.subjects.by_name.get(pattern)
    if subject is None:
        return 0
    if not subject.msgs:
        return None if committed[0] < index.first_seq else 0
    if subject.last_stale or subject.last_seq > committed[1]:
        return None
    return subject.last_seq


def list_last(
    index_of: Callable[[], StreamIndex], patterns: Sequence[bytes]
) -> Generator[None, None, list[int]]:
    """Return what `last_seqs` does, ascending, in steps. `index_of` returns that of the stream."""
    index = index_of()
    found = yield from listing.in_steps(_Listed(index, patterns))
    if index_of() is not index:
        raise StoreBusy("the stream was read again from disk")
    return found


class _Listed:
    """Subjects of an index, by id, for `listing`."""

    def __init__(self, index: StreamIndex, patterns: Sequence[bytes]) -> None:
        self._index = index
        self._sids = index.subjects.sids(patterns)
        self._next_sid = index.subjects.next_sid
        self._patterns = Patterns(patterns or [b">"])

    def keys(self) -> Iterable[int]:
        return array("Q", self._index.subjects.by_sid) if self._sids is None else self._sids

    def newest(self, key: int) -> int | None:
        subject = self._index.subjects.by_sid.get(key)
        if subject is None or not subject.msgs:
            return 0
        return None if subject.last_stale else subject.last_seq

    def search(self, key: int) -> int:
        subject = self._index.subjects.by_sid.get(key)
        return last_seq(self._index, subject) if subject is not None and subject.msgs else 0

    def since(self, seq: int, most: int) -> tuple[set[int], int]:
        index = self._index
        if not index.segments:
            return set(), self.end()
        segment = index.segments[max(0, index.segment_index(seq))]
        if seq > segment.last_seq:  # it was dropped, or swept
            later = (one.first_seq for one in index.segments if one.first_seq >= seq)
            return set(), next(later, self.end())
        columns = index.columns(segment)
        slot = columns.slot(seq)
        came = set(columns.sids[slot : slot + most])
        is_rest = slot + most >= len(columns)
        end = segment.last_seq + 1 if is_rest else segment.first_seq + columns.offsets[slot + most]
        return {sid for sid in came if self._is_listed(sid)}, end

    def end(self) -> int:
        return self._index.last_seq + 1

    def _is_listed(self, sid: int) -> bool:
        if sid < self._next_sid:
            return self._sids is None or sid in self._sids
        name = self._index.subjects.names.get(sid)
        return name is not None and self._patterns.include(name)


def newest(index: StreamIndex, pattern: bytes) -> int:
    """Return the newest sequence that matches, 0 without any."""
    if index.subjects.is_beyond(pattern):
        return 0
    return index.newest.of(
        pattern,
        index.last_seq,
        since=partial(_newest_since, index, pattern),
        lives=lambda seq: _find(index, seq) is not None,
        search=lambda: max(last_seqs(index, [pattern]), default=0),
    )


def subject_of(index: StreamIndex, seq: int) -> bytes | None:
    """Return the subject of a live message, or None."""
    found = _find(index, seq)
    return None if found is None else index.subjects.names[found[0].sids[found[1]]]


def size_of(index: StreamIndex, seq: int) -> int:
    """Return what a live message counts for in bytes; 0 where there is none."""
    found = _find(index, seq)
    return 0 if found is None else found[0].sizes[found[1]]


def num_subjects(
    index_of: Callable[[], StreamIndex], patterns: Sequence[bytes], from_seq: int, upto_seq: int
) -> Generator[None, None, int]:
    """Return how many subjects that match any pattern have a message in this range, in steps."""
    index = index_of()
    sids = index.subjects.sids(patterns)
    if sids is None and from_seq <= index.first_seq and upto_seq >= index.last_seq:
        return index.subjects.count
    count, left = 0, iter(tuple(index.subjects.by_sid) if sids is None else sids)
    while some := list(islice(left, limits.LISTED_PER_STEP)):
        if index_of() is not index:
            raise StoreBusy("the stream was read again from disk")
        known = filter(None, map(index.subjects.by_sid.get, some))
        count += _how_many(index, [one for one in known if one.msgs], from_seq, upto_seq)
        yield
    return count


def _how_many(index: StreamIndex, found: list[Subject], from_seq: int, upto_seq: int) -> int:
    """Return how many of these, which have messages, have one in this range."""
    for subject in [one for one in found if one.last_stale]:
        last_seq(index, subject)
    ends = list(map(_LAST_SEQ, found))
    beyond = compress(found, map(upto_seq.__lt__, ends))
    count = sum(map(from_seq.__le__, ends)) - sum(map(upto_seq.__lt__, ends))
    return count + sum(_is_within(index, one, from_seq, upto_seq) for one in beyond)


def missing(index: StreamIndex, seqs: Sequence[int]) -> list[int]:
    """Return which of these, which ascend, hold no message."""
    place = bisect_left(seqs, index.first_seq)
    found = list(seqs[:place])
    for segment in index.segments[max(0, index.segment_index(index.first_seq)) :]:
        start = bisect_left(seqs, segment.first_seq, place)
        end = bisect_left(seqs, segment.last_seq + 1, start)
        found += seqs[place:start]
        place = end
        if start == end or segment.is_whole():
            continue
        columns, base = index.columns(segment), segment.first_seq
        held = {base + offset for offset in columns.offsets}
        held.difference_update(base + offset for offset in segment.dead_offsets())
        found += filterfalse(held.__contains__, seqs[start:end])
    return [*found, *seqs[place:]]


def deleted(index: StreamIndex, first_seq: int, max_seqs: int, upto_seq: int) -> list[int]:
    """Return sequences without a message between first and last, ascending from `first_seq` to
    `upto_seq`.
    """
    gaps: list[int] = []
    cursor = max(first_seq, index.first_seq)
    end = min(upto_seq, index.last_seq)
    for segment in index.segments[max(0, index.segment_index(cursor)) :]:
        if segment.last_seq < cursor:
            continue
        if segment.first_seq > end or len(gaps) >= max_seqs:
            break
        gaps += range(cursor, min(segment.first_seq, cursor + max_seqs - len(gaps)))
        first, last = max(cursor, segment.first_seq), min(segment.last_seq, end)
        if not segment.is_whole():
            found = _gaps(segment, index.columns(segment), first, last)
            gaps += islice(found, max_seqs - len(gaps))
        cursor = last + 1
    gaps += range(cursor, min(end + 1, cursor + max_seqs - len(gaps)))
    return gaps


def live(index: StreamIndex, first_seq: int, max_seqs: int) -> list[int]:
    """Return sequences that hold a message, ascending from `first_seq` on."""
    found: list[int] = []
    cursor = max(first_seq, index.first_seq)
    for segment in index.segments[max(0, index.segment_index(cursor)) :]:
        left = max_seqs - len(found)
        if left <= 0:
            break
        if not segment.live:
            continue
        start = max(cursor, segment.first_seq)
        if segment.is_whole():
            found += range(start, min(segment.last_seq + 1, start + left))
            continue
        columns = index.columns(segment)
        seqs = (segment.first_seq + offset for offset in columns.offsets[columns.slot(start) :])
        found += islice((seq for seq in seqs if not segment.is_dead(seq)), left)
    return found


def seq_at(index: StreamIndex, ts_ns: int) -> int:
    """Return the first live sequence stored at or after that time, or last_seq + 1."""
    position = bisect_left(index.segments, ts_ns, key=_LAST_TS)
    for segment in index.segments[position:]:
        if not segment.live:
            continue
        columns = index.columns(segment)
        # Times ascend; those of removed messages before the oldest are of no interest.
        start = bisect_left(columns.times, ts_ns, columns.slot(index.first_seq))
        for slot in range(start, len(columns)):
            seq = segment.first_seq + columns.offsets[slot]
            if not segment.is_dead(seq):
                return seq
    return index.last_seq + 1


def time_at(index: StreamIndex, seq: int) -> int | None:
    """Return the time of the first live message from that sequence on, or None."""
    for first in live(index, seq, 1):
        segment = index.segment_at(first)
        assert segment is not None, "a live message is in one"
        columns = index.columns(segment)
        return columns.times[columns.slot(first)]
    return None


def _is_within(index: StreamIndex, subject: Subject, from_seq: int, upto_seq: int) -> bool:
    """Say whether a subject whose newest message is beyond this range has one in it."""
    oldest = first_seq(index, subject)
    if oldest >= from_seq:
        return oldest <= upto_seq
    name = [subject.name]
    return num_pending(index, name, from_seq) > num_pending(index, name, upto_seq + 1)


def _gaps(segment: Segment, columns: Columns, first: int, last: int) -> Iterator[int]:
    """Yield the sequences from `first` to `last` that hold nothing. Nothing but C for each."""
    base, span = segment.first_seq, segment.last_seq - segment.first_seq + 1
    if len(columns) == span:
        held = bytearray(b"\x01") * span
    else:
        held = bytearray(span)
        for offset in columns.offsets:
            held[offset] = 1
    for offset in segment.dead_offsets():
        held[offset] = 0
    return compress(range(first, last + 1), map(not_, held[first - base : last - base + 1]))


def without(segments: Iterable[Segment], sids: frozenset[int] | None) -> frozenset[int]:
    """Return the numbers of those segments that have none of these subjects."""
    wanted = wanted_bits(sids)
    if wanted == ANY_SUBJECT:  # nobody looks: every segment may have one
        return frozenset()
    return frozenset(segment.no for segment in segments if not segment.may_have(wanted))


def _newest_since(index: StreamIndex, pattern: bytes, from_seq: int) -> int:
    names, wanted = index.subjects.names, Patterns([pattern]).include
    for segment in reversed(index.segments[max(0, index.segment_index(from_seq)) :]):
        if segment.last_seq < from_seq or not segment.live:
            continue
        columns = index.columns(segment)
        for slot in range(len(columns) - 1, columns.slot(from_seq) - 1, -1):
            if wanted(names[columns.sids[slot]]):
                seq = segment.first_seq + columns.offsets[slot]
                if not segment.is_dead(seq):
                    return seq
    return 0


def approach(index: StreamIndex, subject: Subject) -> bool:
    """Search in one segment forward from what is known to be no later than the subject's oldest
    message; True when that is known. The subject has some.
    """
    if not (subject.first_stale or subject.first_seq < index.first_seq):
        return True
    from_seq = max(subject.first_seq, index.first_seq)
    sids = frozenset((subject.sid,))
    wanted = subject_bits(sids)
    for segment in index.segments[max(0, index.segment_index(from_seq)) :]:
        columns = _columns_with(index, segment, sids, wanted)
        if columns is None:
            continue
        for slot in columns.slots_from(subject.sid, columns.slot(from_seq)):
            seq = segment.first_seq + columns.offsets[slot]
            if not segment.is_dead(seq):
                subject.first_seq, subject.first_stale = seq, False
                return True
        subject.first_seq, subject.first_stale = segment.last_seq + 1, True
        return False
    raise AssertionError(f"subject {subject.sid} counts {subject.msgs} messages and has none")


def _last_of(index: StreamIndex, subject: Subject) -> int:
    """Search backward from what is known to be no earlier than the subject's newest message."""
    upto = subject.last_seq
    sids = frozenset((subject.sid,))
    wanted = subject_bits(sids)
    for segment in reversed(index.segments[: index.segment_index(upto) + 1]):
        columns = _columns_with(index, segment, sids, wanted)
        if columns is not None:
            for slot in columns.slots_before(subject.sid, columns.slot(upto + 1)):
                seq = segment.first_seq + columns.offsets[slot]
                if not segment.is_dead(seq):
                    return seq
    raise AssertionError(f"subject {subject.sid} counts {subject.msgs} messages and has none")


def _columns_with(
    index: StreamIndex, segment: Segment, sids: frozenset[int], wanted: int
) -> Columns | None:
    """Return the columns of a segment that may have live rows of one of these subjects, else None;
    `wanted` are their bits.
    """
    if not segment.may_have(wanted):
        return None
    if segment.counts is not None and segment.counts.of(sids) == 0:
        return None
    return index.columns(segment)


def _find(index: StreamIndex, seq: int) -> tuple[Columns, int] | None:
    """Return where a live message stands, or None."""
    segment = index.segment_at(seq)
    if segment is None or segment.is_dead(seq):
        return None
    columns = index.columns(segment)
    slot = columns.slot(seq)
    if slot == len(columns) or columns.offsets[slot] != seq - segment.first_seq:
        return None
    return columns, slot
