"""leafnode.store.subject_counts: what is known of a sealed segment without its columns."""

from __future__ import annotations

import pytest

from leafnode.limits import SUBJECTS_COUNTED_MAX
from leafnode.store.subject_counts import SubjectCounts, subject_bits


def test_each_subject_has_a_bit_that_others_may_share() -> None:
    assert subject_bits([1, 3]) == 0b1010
    assert subject_bits([4096]) == subject_bits([0]) == 1
    assert subject_bits([]) == 0


@pytest.mark.parametrize(
    ("wanted", "rows"), [({2}, 5), ({3}, 0), ({1, 9}, 8), (set(range(100)), 13), (set(), 0)]
)
def test_rows_of_some_subjects_are_added_up(wanted: set[int], rows: int) -> None:
    counts = SubjectCounts({9: 7, 2: 5, 1: 1})

    assert counts.of(frozenset(wanted)) == rows
    assert dict(counts.items() or ()) == {1: 1, 2: 5, 9: 7}


def test_a_removed_row_counts_no_more_and_its_bit_stays() -> None:
    counts = SubjectCounts({9: 2, 4: 1})

    counts.drop(4)
    counts.drop(9)

    assert counts.items() == [(9, 1)]
    assert counts.bits == subject_bits([4, 9])


def test_many_subjects_are_not_counted() -> None:
    counts = SubjectCounts(dict.fromkeys(range(SUBJECTS_COUNTED_MAX + 1), 1))

    assert counts.of(frozenset({1})) is None
    counts.drop(1)
    assert counts.items() is None
    assert counts.bits & subject_bits([1])
