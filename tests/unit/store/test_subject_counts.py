"""leafnode.store.subject_counts: what is known of a sealed segment without its columns."""

from __future__ import annotations

import pytest

from leafnode.limits import LISTS_COUNTED_MAX, SUBJECT_ROWS_COUNTED, SUBJECTS_COUNTED_MAX
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


def test_of_many_subjects_those_with_many_rows_are_counted() -> None:
    rows = dict.fromkeys(range(SUBJECTS_COUNTED_MAX), 1)
    rows |= {5000: SUBJECT_ROWS_COUNTED, 6000: 2 * SUBJECT_ROWS_COUNTED}
    counts = SubjectCounts(rows)

    counts.drop(5000)

    assert counts.of(frozenset({5000})) == SUBJECT_ROWS_COUNTED - 1
    assert counts.of(frozenset({6000})) == 2 * SUBJECT_ROWS_COUNTED
    assert counts.of(frozenset({5000, 1})) is None
    assert counts.of(frozenset({5000, 6000, 7000})) is None
    assert counts.items() is None


def test_one_subject_of_many_rows_among_many_is_counted_alone() -> None:
    counts = SubjectCounts(dict.fromkeys(range(SUBJECTS_COUNTED_MAX), 1) | {5000: 100})

    assert counts.of(frozenset({5000})) == 100
    assert counts.of(frozenset({5001})) is None


def test_a_subject_that_was_counted_once_is_counted_from_then_on() -> None:
    counts = SubjectCounts(dict.fromkeys(range(SUBJECTS_COUNTED_MAX + 1), 2))
    counts.learn(7, 2)
    counts.learn(3, 2)

    counts.drop(7)

    assert counts.of(frozenset({7})) == 1
    assert counts.of(frozenset({3, 7})) == 3
    assert counts.of(frozenset({4})) is None
    for sid in range(10, 2 * SUBJECTS_COUNTED_MAX):
        counts.learn(sid, 1)
    assert counts.of(frozenset({2 * SUBJECTS_COUNTED_MAX - 1})) is None  # no more than so many


def test_lists_of_patterns_that_were_counted_last_are_counted_from_then_on() -> None:
    counts = SubjectCounts(dict.fromkeys(range(SUBJECTS_COUNTED_MAX + 1), 2))
    counts.learn_list((b"a.*",), frozenset({7, 8}), 4)
    counts.learn_list((b"b.*",), frozenset({9}), 2)

    counts.drop(8)

    assert (counts.of_list((b"a.*",)), counts.of_list((b"b.*",))) == (3, 2)
    for number in range(LISTS_COUNTED_MAX - 1):
        counts.learn_list((b"%d.*" % number,), frozenset({1}), 1)
    assert (counts.of_list((b"a.*",)), counts.of_list((b"b.*",))) == (None, 2)
