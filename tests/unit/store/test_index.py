"""leafnode.store.index: which segments a change starts, seals, sweeps and drops."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode.errors import StoreBusy
from leafnode.store.index import Removal, StreamIndex
from tests.sim.committer import SMALL

if TYPE_CHECKING:
    from leafnode.store.segments import Columns, Segment

BOUNDS = replace(SMALL, segment_rows_max=4, segment_bytes_max=100, segment_span_max=8)


def columns(segment: Segment) -> Columns:
    assert segment.columns is not None
    return segment.columns


def index() -> StreamIndex:
    return StreamIndex(1, BOUNDS, columns)


def add(one: StreamIndex, count: int, *, subject: bytes = b"a", body_size: int = 1) -> None:
    for _ in range(count):
        segment = one.open_segment()
        if segment is None:
            if one.segments and not one.segments[-1].sealed:
                one.seal()
            segment = one.start_segment()
        known = one.subjects.by_name.get(subject)
        if known is None:
            known = one.subjects.put(one.subjects.next_sid, subject)
        one.add(segment, known, 40, body_size, 1000)


def ranges(one: StreamIndex) -> list[tuple[int, int]]:
    return [(segment.first_seq, segment.last_seq) for segment in one.segments]


def test_a_segment_takes_as_many_rows_as_it_may() -> None:
    one = index()
    add(one, 4)
    assert ranges(one) == [(1, 4)]

    add(one, 1)

    assert ranges(one) == [(1, 4), (5, 5)]
    assert [segment.sealed for segment in one.segments] == [True, False]


def test_a_segment_takes_as_many_bytes_as_it_may() -> None:
    one = index()
    add(one, 1, body_size=99)
    add(one, 1, body_size=1)
    assert ranges(one) == [(1, 2)]

    add(one, 1, body_size=1)

    assert ranges(one) == [(1, 2), (3, 3)]


def test_a_segment_spans_as_many_sequences_as_it_may() -> None:
    one = index()
    add(one, 1)
    one.last_seq += 6
    add(one, 1)
    assert ranges(one) == [(1, 8)]

    add(one, 1)

    assert ranges(one) == [(1, 8), (9, 9)]


def test_a_sealed_segment_in_which_nothing_lives_is_dropped() -> None:
    one = index()
    add(one, 9)

    removal = one.remove([5, 6, 7, 8])

    assert [segment.no for segment in removal.dropped] == [2]
    assert list(removal.touched) == []
    assert ranges(one) == [(1, 4), (9, 9)]


def test_a_sealed_segment_in_which_half_is_dead_is_swept() -> None:
    one = index()
    add(one, 9)
    assert one.remove([6]).swept == []

    removal = one.remove([8])

    ((segment, seqs),) = removal.swept
    assert (segment.no, seqs) == (2, [6, 8])
    assert (segment.rows, segment.live) == (2, 2)


def test_the_first_segment_is_not_swept_for_it_is_about_to_go() -> None:
    one = index()
    add(one, 9)

    assert one.remove([1, 2, 3]).swept == []


def test_remove_below_drops_whole_segments_and_cuts_into_the_next() -> None:
    one = index()
    add(one, 9)

    removal = one.remove_below(6)

    assert [segment.no for segment in removal.dropped] == [1]
    assert (removal.count, one.first_seq, one.msgs) == (5, 6, 4)
    assert one.segments[0].live == 3


@pytest.mark.parametrize(
    ("below", "rows", "end"),
    [(2, 4, 2), (6, 4, 5), (6, 8, 5), (13, 4, 5), (13, 8, 9), (99, 99, 99)],
)
def test_what_goes_together_ends_where_a_segment_does(below: int, rows: int, end: int) -> None:
    one = index()
    add(one, 14)

    assert one.front_end(below, rows) == end


def test_what_goes_of_a_segment_leaves_the_counts_that_are_left() -> None:
    one = index()
    add(one, 9)
    one.remove([2])

    assert one.remove_below(4).count == 2

    assert (one.msgs, one.first_seq, one.segments[0].live) == (6, 4, 1)
    assert one.segments[0].dead_offsets() == [0, 1, 2]
    assert one.bytes == sum(segment.live_bytes for segment in one.segments)
    assert sum(subject.msgs for subject in one.subjects.by_sid.values()) == 6


def test_an_emptied_open_segment_stays_when_it_holds_little() -> None:
    one = StreamIndex(1, replace(BOUNDS, segment_rows_max=8), columns)
    add(one, 1)
    assert one.remove_below(2).dropped == []
    assert one.segments[0].live == 0

    add(one, 1)
    assert len(one.remove([2]).dropped) == 1
    assert (one.segments, one.first_seq, one.last_seq) == ([], 3, 2)


def test_segments_are_numbered_on_after_a_purge() -> None:
    one = index()
    add(one, 9)
    one.remove_below(10)

    add(one, 1)

    assert [(segment.no, segment.first_seq) for segment in one.segments] == [(4, 10)]


def test_segment_at_knows_the_gaps_between_segments() -> None:
    one = index()
    add(one, 4)
    one.last_seq += 1
    add(one, 1)

    assert one.segment_at(4) is one.segments[0]
    assert one.segment_at(5) is None
    assert one.segment_at(6) is one.segments[1]
    assert one.segment_at(7) is None
    assert one.segment_at(0) is None


@pytest.mark.parametrize("unreadable", [1, 2, 3])
def test_a_removal_whose_columns_cannot_be_read_changes_nothing(unreadable: int) -> None:
    def sometimes(segment: Segment) -> Columns:
        if broken and segment.no == unreadable:
            raise StoreBusy("try again")
        return columns(segment)

    broken = False
    one = StreamIndex(1, BOUNDS, sometimes)
    add(one, 14)
    one.remove([2, 6, 9])
    before = one.state(with_times=False)
    broken = True

    removals = [lambda: one.remove([1, 3, 4, 5, 7, 8, 10])]
    if unreadable == 3:  # what the others hold, which go whole, is known without them
        removals.append(lambda: one.remove_below(11))
    for removal in removals:
        with pytest.raises(StoreBusy):
            removal()
        assert one.state(with_times=False) == before
        assert [segment.live for segment in one.segments] == [3, 3, 3, 2]
        assert one.subjects.by_name[b"a"].msgs == 11

    broken = False
    assert one.remove_below(11).count == 7
    assert (one.first_seq, one.msgs, one.subjects.by_name[b"a"].msgs) == (11, 4, 4)


@given(
    rows=st.lists(st.sampled_from([b"a", b"b", b"c"]), min_size=1, max_size=24),
    seqs=st.lists(st.integers(0, 26), max_size=24),
)
def test_one_sequence_goes_as_several_do(rows: list[bytes], seqs: list[int]) -> None:
    one, other = index(), index()
    for subject in rows:
        add(one, 1, subject=subject)
        add(other, 1, subject=subject)

    for seq in seqs:
        assert described(one.remove_one(seq)) == described(other.remove([seq]))
        assert one.state() == other.state()
        for mine, theirs in zip(one.segments, other.segments, strict=True):
            assert (mine.numbers(), mine.dead) == (theirs.numbers(), theirs.dead)
            assert list(columns(mine).offsets) == list(columns(theirs).offsets)
        for name, subject in one.subjects.by_name.items():
            ends = [
                (known.msgs, known.first_seq, known.last_seq, known.first_stale, known.last_stale)
                for known in (subject, other.subjects.by_name[name])
            ]
            assert ends[0] == ends[1]


def described(removal: Removal) -> object:
    """What a removal has to be written for, by the numbers of segments."""
    return (
        *(removal.count, removal.seqs, removal.newest),
        [segment.no for segment in removal.touched],
        [segment.no for segment in removal.dropped],
        [(segment.no, seqs) for segment, seqs in removal.swept],
    )


def test_a_value_whose_columns_cannot_be_read_stays() -> None:
    def never(segment: Segment) -> Columns:
        raise StoreBusy("try again")

    one = index()
    add(one, 6)
    before = one.state(with_times=False)
    one.columns = never

    with pytest.raises(StoreBusy):
        one.remove_one(2)
    assert one.state(with_times=False) == before
