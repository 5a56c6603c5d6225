"""A set of sequences as ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leafnode import limits
from leafnode.uplink.ranges import Ranges, parse

PAIRS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 10)), max_size=20)


def model(pairs: list[tuple[int, int]]) -> tuple[Ranges, set[int]]:
    ranges, known = Ranges(), set[int]()
    for first, more in pairs:
        ranges.add(first, first + more)
        known |= set(range(first, first + more + 1))
    return ranges, known


@given(PAIRS)
def test_it_holds_what_was_added_and_nothing_else(pairs: list[tuple[int, int]]) -> None:
    ranges, known = model(pairs)

    assert {seq for seq in range(80) if seq in ranges} == known
    flat = [end for one in ranges for end in one]
    assert flat == sorted(flat)
    assert all(next_[0] > one[1] + 1 for one, next_ in zip(ranges, list(ranges)[1:], strict=False))
    assert ranges.count(10, 40) == len(known & set(range(10, 41)))
    assert ranges.floor() == next(seq for seq in range(1, 99) if seq not in known) - 1


@given(PAIRS, st.integers(1, 80))
def test_a_gap_is_what_lies_between(pairs: list[tuple[int, int]], top: int) -> None:
    ranges, known = model(pairs)
    gap = ranges.gap_below(top)

    missing = [seq for seq in range(1, top + 1) if seq not in known]
    assert (gap is None) == (not missing)
    if gap is not None:
        first, last = gap
        assert last == missing[-1]
        assert all(seq not in known for seq in range(first, last + 1))
        assert first == 1 or first - 1 in known


@given(PAIRS)
def test_what_is_written_is_read(pairs: list[tuple[int, int]]) -> None:
    ranges, _ = model(pairs)

    assert not ranges or parse(ranges.text(ranges.top()), 1000) == ranges


def test_nothing_is_added_backwards() -> None:
    ranges = Ranges([(5, 4)])

    assert len(ranges) == 0


@pytest.mark.parametrize(
    "text", [b"", b"5", b"5-", b"a-b", b"7-5", b"0-5", b"1-2,", b"1-" + b"9" * 21]
)
def test_what_is_no_range_is_not_read(text: bytes) -> None:
    assert parse(text, 1000) is None


@given(PAIRS, st.integers(1, 60), st.integers(0, 10))
def test_what_is_taken_is_all_that_overlaps_or_touches(
    pairs: list[tuple[int, int]], first: int, more: int
) -> None:
    ranges, known = model(pairs)
    last = first + more
    touches = not known.isdisjoint(range(first - 1, last + 2))
    assert ranges.touches(first, last) == touches
    assert ranges.covers(first, last) == known.issuperset(range(first, last + 1))

    start, end = ranges.take(first, last)

    assert known.issuperset({*range(start, end + 1)} - {*range(first, last + 1)})
    assert start <= first <= last <= end
    assert known.isdisjoint({start - 1, end + 1})
    assert {seq for one in ranges for seq in range(one[0], one[1] + 1)} == known - {
        *range(start, end + 1)
    }


def test_the_first_range_and_the_highest_are_written_where_there_are_too_many() -> None:
    most = limits.UPLINK_RANGES_READ_MAX
    ranges = Ranges((seq, seq) for seq in range(1, 4 * most, 2))

    read = parse(ranges.text(ranges.top()))

    assert read is not None
    assert (len(read), read.floor(), read.top()) == (most, 1, ranges.top())
    assert list(read)[1:] == list(ranges)[1 - most :]
    assert len(ranges.text(2 * most).split(b",")) == most


def test_more_ranges_than_the_bound_are_not_read() -> None:
    assert parse(b"1-1,3-3", 2) is not None
    assert parse(b"1-1,3-3", 1) is None
