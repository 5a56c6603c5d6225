"""How many messages match, from some sequence on: counted segment by segment, and remembered.

Knows segments, their counts and columns; changes nothing but what is remembered of them. Costs are
in docs/store.md, "What a question costs". Truth: tests/contract/test_store.py against the memory
store.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode import limits
from leafnode.store.subject_counts import ANY_SUBJECT, subject_bits

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from leafnode.store.index import StreamIndex
    from leafnode.store.segments import Columns, Segment

FEW_SUBJECTS: Final = 256  # more are likely to be in each segment
_MSGS: Final = attrgetter("msgs")


class _Asked(NamedTuple):
    """What a count is of: subjects, None for all; their bits; the patterns that stand for them."""

    sids: frozenset[int] | None
    bits: int
    patterns: tuple[bytes, ...]


def num_pending(index: StreamIndex, patterns: Sequence[bytes], start_seq: int) -> int:
    """Return how many messages from `start_seq` on match any pattern (none given: all).

    Reads the columns of the segments on the shorter side of `start_seq` only.
    """
    if start_seq > index.last_seq:
        return 0
    sids = index.subjects.sids(patterns)
    if sids is not None and not sids:
        return 0
    if start_seq <= index.first_seq:
        return _total(index, sids)
    segment, others, is_upper = _shorter_side(index, start_seq)
    upper = _live_from(index.columns(segment), segment, sids, start_seq)
    asked = _Asked(sids, wanted_bits(sids), tuple(patterns))
    beside = sum(_live(index, other, asked) for other in others)
    if is_upper:
        return upper + beside
    lower = _live(index, segment, asked) - upper
    return _total(index, sids) - lower - beside


def _shorter_side(index: StreamIndex, seq: int) -> tuple[Segment, list[Segment], bool]:
    """Return the segment of a sequence, and those behind it, or before it where they are fewer."""
    position = index.segment_index(seq)
    is_upper = 2 * position >= len(index.segments)
    others = index.segments[position + 1 :] if is_upper else index.segments[:position]
    return index.segments[position], others, is_upper


def prepare_pending(
    index_of: Callable[[], StreamIndex], patterns: Sequence[bytes], start_seq: int
) -> Iterator[None]:
    """Read in steps what `num_pending` would: the counts are remembered."""
    index = index_of()
    if not index.first_seq < start_seq <= index.last_seq:
        return
    sids = index.subjects.sids(patterns)
    if not sids:
        return
    asked = _Asked(sids, wanted_bits(sids), tuple(patterns))
    # One that is sealed meanwhile may have subjects that came meanwhile: they are not in `sids`.
    others = _shorter_side(index, start_seq)[1]
    sealed = [(one, one.counts) for one in others if one.counts is not None]
    for segment, counts in sealed:
        if _known(segment, asked) is not None:
            continue
        if index_of() is not index or index.segment_at(segment.first_seq) is not segment:
            return
        msgs = _live(index, segment, asked)
        if len(sids) > 1 or not counts.learn(min(sids), msgs):
            counts.learn_list(asked.patterns, sids, msgs)
        yield


def surplus(
    index: StreamIndex, from_seq: int, most: int, spared: Container[bytes]
) -> tuple[list[int], int]:
    """See `StreamStore.surplus`: looks at so many rows of one segment."""
    found: list[int] = []
    taken: dict[int, int] = {}
    for segment in index.segments[max(0, index.segment_index(from_seq)) :]:
        if segment.last_seq < from_seq or not segment.live:
            continue
        columns = index.columns(segment)
        start = columns.slot(max(from_seq, index.first_seq))
        end = start + limits.SURPLUS_TURN_ROWS
        for slot, sid in enumerate(columns.sids[start:end], start):
            subject = index.subjects.by_sid.get(sid)
            if subject is None or subject.msgs - taken.get(sid, 0) <= most:
                continue
            seq = segment.first_seq + columns.offsets[slot]
            if not segment.is_dead(seq) and subject.name not in spared:
                taken[sid] = taken.get(sid, 0) + 1
                found.append(seq)
                if len(found) >= limits.PURGE_TURN_MSGS:
                    return found, seq + 1
        if end < len(columns):
            return found, segment.first_seq + columns.offsets[end]
        return found, segment.last_seq + 1
    return found, index.last_seq + 1


def wanted_bits(sids: frozenset[int] | None) -> int:
    """Return the bits of these subjects; those of all where they are many."""
    if sids is None or len(sids) > FEW_SUBJECTS:
        return ANY_SUBJECT
    return subject_bits(sids)


def _total(index: StreamIndex, sids: frozenset[int] | None) -> int:
    if sids is None:
        return index.msgs
    return sum(map(_MSGS, map(index.subjects.by_sid.__getitem__, sids)))


def _known(segment: Segment, asked: _Asked) -> int | None:
    """Return how many live messages the segment has of these, None where that is not counted."""
    if asked.sids is None:
        return segment.live
    if not segment.may_have(asked.bits):
        return 0
    if segment.counts is None:
        return None
    known = segment.counts.of(asked.sids)
    return segment.counts.of_list(asked.patterns) if known is None else known


def _live(index: StreamIndex, segment: Segment, asked: _Asked) -> int:
    """Return how many live messages of these subjects the segment has."""
    known = _known(segment, asked)
    if known is not None:
        return known
    return _live_from(index.columns(segment), segment, asked.sids, segment.first_seq)


def _live_from(
    columns: Columns, segment: Segment, sids: frozenset[int] | None, from_seq: int
) -> int:
    slot = columns.slot(from_seq)
    if sids is None:
        return len(columns) - slot - segment.dead_from(from_seq)
    found = sum(map(sids.__contains__, columns.sids[slot:]))
    return found - _dead_of(columns, segment, sids, from_seq)


def _dead_of(columns: Columns, segment: Segment, sids: frozenset[int], from_seq: int) -> int:
    """Return how many dead rows of these subjects lie at or after `from_seq`."""
    if not segment.dead_count:
        return 0
    first = from_seq - segment.first_seq
    return sum(
        columns.sids[columns.slot(segment.first_seq + offset)] in sids
        for offset in segment.dead_offsets()
        if offset >= first
    )
