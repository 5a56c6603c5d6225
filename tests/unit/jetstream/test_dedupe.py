"""The duplicate window. Measured on nats-server 2.15.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leafnode.jetstream.dedupe import DedupeWindow
from leafnode.limits import DEDUPE_EXPIRED_TURN

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_an_id_is_found_until_its_window_has_passed() -> None:
    window = DedupeWindow(100, 10)
    window.add(b"a", 7, now_ns=1000)

    assert window.find(b"a", 1099) == 7
    assert window.find(b"a", 1100) is None


def test_an_id_can_come_again_after_its_window() -> None:
    window = DedupeWindow(100, 10)
    window.add(b"a", 1, now_ns=0)
    assert window.find(b"a", 100) is None

    window.add(b"a", 2, now_ns=100)

    assert window.find(b"a", 150) == 2


def test_a_full_window_holds_its_maximum_and_counts_nothing() -> None:
    window = DedupeWindow(100, 2)

    window.add(b"a", 1, 0)
    window.add(b"b", 2, 0)

    assert (len(window), window.evicted) == (2, 0)


def test_one_id_past_the_maximum_forgets_the_oldest_and_counts_it() -> None:
    window = DedupeWindow(100, 2)
    for seq, msg_id in enumerate((b"a", b"b", b"c"), start=1):
        window.add(msg_id, seq, 0)

    assert window.find(b"a", 0) is None
    assert window.find(b"c", 0) == 3
    assert (len(window), window.evicted) == (2, 1)


def test_ids_that_are_old_all_at_once_go_a_few_at_a_time_and_count_for_nothing() -> None:
    window = DedupeWindow(100, 10_000)
    for seq in range(1000):
        window.add(b"%d" % seq, seq, 0)

    assert window.find(b"999", 100) is None
    assert len(window) == 1000 - DEDUPE_EXPIRED_TURN
    window.add(b"999", 1000, 100)
    for _ in range(1000 // DEDUPE_EXPIRED_TURN + 1):
        assert window.find(b"999", 150) == 1000
    assert len(window) == 1


def test_what_is_old_is_not_evicted_before_its_time() -> None:
    window = DedupeWindow(100, 100)
    for seq in range(100):
        window.add(b"%d" % seq, seq, 0)
    for seq in range(100, 150):
        window.add(b"%d" % seq, seq, 100)
    assert window.evicted == 0
    for seq in range(150, 210):
        window.add(b"%d" % seq, seq, 120)
    assert window.evicted == 10


def test_ids_of_lost_messages_are_forgotten() -> None:
    window = DedupeWindow(100, 10)
    window.add(b"a", 1, 0)
    window.add(b"b", 2, 0)

    window.forget_above(1)

    assert window.find(b"a", 0) == 1
    assert window.find(b"b", 0) is None


def test_a_window_that_grows_keeps_what_it_has() -> None:
    window = DedupeWindow(100, 10)
    window.add(b"a", 1, 0)

    window.window_ns = 1000

    assert window.find(b"a", 500) == 1


def test_what_is_left_after_a_loss_tells_its_newest() -> None:
    window = DedupeWindow(10, 8)
    window.add(b"one", 1, 0)
    window.add(b"two", 2, 0)

    assert window.forget_above(1) == (1, b"one")
    assert window.forget_above(0) is None


class Listed(list[int]):
    """Sequences that are not gone through."""

    def __contains__(self, seq: object) -> bool:
        raise AssertionError(f"looked for {seq!r} one by one")


def test_the_ids_of_scattered_sequences_are_found_without_going_through_them() -> None:
    window = DedupeWindow(100, 10)
    for seq in range(1, 9):
        window.add(b"%d" % seq, seq, now_ns=0)

    found = window.among([Listed([2, 4]), range(6, 8)], most=10)

    assert [seq for _, _, seq in found] == [2, 4, 6, 7]
    assert [seq for _, _, seq in window.among([Listed([2, 4]), range(6, 8)], most=2)] == [6, 7]


@pytest.mark.parametrize("most", [1, 3, 9])
@pytest.mark.parametrize(
    "runs",
    [
        [range(1, 9)],
        [range(1, 4), range(4, 7)],
        [range(2, 4), range(5, 7)],
        [range(2, 4), range(4, 4), [4, 6], range(7, 20)],
        [range(20, 30)],
        [range(0)],
        [],
    ],
)
def test_runs_mean_their_sequences_however_they_are_cut(
    runs: list[Sequence[int]], most: int
) -> None:
    window = DedupeWindow(window_ns=10, ids_max=10)
    for seq in (1, 3, 4, 5, 6, 8):
        window.add(b"same" if seq in {3, 6} else b"%d" % seq, seq, now_ns=0)
    wanted = [seq for run in runs for seq in run if seq in {1, 4, 5, 6, 8}]

    found = window.among(runs, most)

    assert [seq for _, _, seq in found] == wanted[-most:]
