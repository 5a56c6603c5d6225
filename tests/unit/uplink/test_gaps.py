"""What is left of a stretch."""

from __future__ import annotations

import random
from itertools import groupby

from leafnode.uplink.gaps import Gaps


def left_of(seqs: set[int]) -> list[tuple[int, int]]:
    """The slow form: of a set of sequences."""
    runs = groupby(enumerate(sorted(seqs)), key=lambda one: one[1] - one[0])
    return [(run[0], run[-1]) for run in ([seq for _, seq in group] for _, group in runs)]


def test_cutting_leaves_what_a_set_would_and_finds_the_widest() -> None:
    source = random.Random(1)
    for _ in range(200):
        size = source.randint(0, 60)
        gaps, seqs, after = Gaps(1, size), set(range(1, size + 1)), 0
        while gaps:
            first = source.randint(-1, size + 2)
            last = first + source.choice([-1, 0, 0, 1, 3, size])
            gaps.cut(first, last)
            seqs -= set(range(first, last + 1))
            left = left_of(seqs)
            assert list(gaps) == left
            after = 0 if source.random() < 0.1 else max(after, source.randint(0, size))
            behind = [gap for gap in left if gap[0] > after]
            assert gaps.has_some(after) is bool(behind)
            if left:
                assert gaps.last == left[-1]
            if behind:
                assert gaps.widest(after) == max(behind, key=lambda gap: gap[1] - gap[0])
        assert seqs == set()


def test_a_stretch_without_anything_in_it_is_none() -> None:
    assert not Gaps(1, 0)
    assert not Gaps(1, 0).has_some(0)
