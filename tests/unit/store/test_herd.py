"""Whether a batch waits: by example, in nanoseconds."""

from __future__ import annotations

from leafnode.limits import HERD_REST_COMMITS, HERD_ROWS_MAX, HERD_WAIT_MAX_NS
from leafnode.store.herd import Herd

MS = 1_000_000


def test_those_who_were_answered_are_waited_for_half_a_commit() -> None:
    herd = Herd()

    assert herd.answered(rows=10, staged=0, commit_ns=4 * MS) == 2 * MS

    assert herd.waits(9)
    assert not herd.waits(10)


def test_two_halves_become_one() -> None:
    herd = Herd()

    herd.answered(rows=5, staged=5, commit_ns=4 * MS)

    assert herd.waits(9)
    assert not herd.waits(10)


def test_a_publisher_alone_is_not_waited_for() -> None:
    herd = Herd()

    assert herd.answered(rows=1, staged=0, commit_ns=4 * MS) == 0
    assert not herd.waits(0)


def test_what_is_no_message_is_waited_for_by_nobody() -> None:
    assert Herd().answered(rows=0, staged=3, commit_ns=4 * MS) == 0


def test_a_wait_is_never_longer_than_its_bound() -> None:
    assert Herd().answered(rows=2, staged=0, commit_ns=1_000 * MS) == HERD_WAIT_MAX_NS


def test_a_batch_that_is_large_already_does_not_wait() -> None:
    herd = Herd()

    assert herd.answered(rows=900, staged=HERD_ROWS_MAX, commit_ns=4 * MS) == 0
    assert herd.answered(rows=900, staged=HERD_ROWS_MAX - 1, commit_ns=4 * MS) == 2 * MS
    assert not herd.waits(HERD_ROWS_MAX)


def test_after_a_wait_in_vain_none_waits_for_some_commits() -> None:
    herd = Herd()
    herd.answered(rows=2, staged=0, commit_ns=4 * MS)

    herd.end(in_vain=True)

    waits = [herd.answered(rows=2, staged=0, commit_ns=4 * MS) for _ in range(17)]
    assert waits == [0] * HERD_REST_COMMITS + [2 * MS]


def test_after_a_wait_that_paid_the_next_one_waits_too() -> None:
    herd = Herd()
    herd.answered(rows=2, staged=0, commit_ns=4 * MS)

    herd.end(in_vain=False)

    assert not herd.waits(0)
    assert herd.answered(rows=2, staged=0, commit_ns=4 * MS) == 2 * MS
