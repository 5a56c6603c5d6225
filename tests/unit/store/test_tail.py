"""leafnode.store.tail: the newest committed rows of all streams under one budget."""

from leafnode.store.rows import Row
from leafnode.store.tail import ROW_OVERHEAD_BYTES, RUN_ROWS, Tail, TailBudget


def rows(*seqs: int, sid: int = 1, size: int = 0) -> list[Row]:
    return [(seq, sid, 0, 0, 0, bytes(size)) for seq in seqs]


def test_what_fits_stays() -> None:
    tail, budget = Tail(1), TailBudget(3 * ROW_OVERHEAD_BYTES)

    budget.add(tail, rows(1))
    budget.add(tail, rows(2, 3))

    assert (list(tail.rows), tail.first_seq) == ([1, 2, 3], 1)
    assert budget.bytes == 3 * ROW_OVERHEAD_BYTES


def test_one_more_lets_the_oldest_commit_go() -> None:
    tail, budget = Tail(1), TailBudget(3 * ROW_OVERHEAD_BYTES)
    budget.add(tail, rows(1))
    budget.add(tail, rows(2, 3))

    budget.add(tail, rows(4))

    assert (list(tail.rows), tail.first_seq) == ([2, 3, 4], 2)


def test_a_busy_stream_takes_the_room_of_an_idle_one() -> None:
    idle, busy, budget = Tail(1), Tail(1), TailBudget(2 * ROW_OVERHEAD_BYTES)
    budget.add(idle, rows(1))

    budget.add(busy, rows(1))
    budget.add(busy, rows(2))

    assert (list(idle.rows), idle.first_seq) == ([], 2)
    assert list(busy.rows) == [1, 2]


def test_a_batch_larger_than_the_budget_leaves_its_newest_run() -> None:
    tail, budget = Tail(1), TailBudget(RUN_ROWS * ROW_OVERHEAD_BYTES)

    budget.add(tail, rows(*range(1, 2 * RUN_ROWS + 1)))

    assert tail.first_seq == RUN_ROWS + 1
    assert len(tail.rows) == RUN_ROWS


def test_bodies_count() -> None:
    tail, budget = Tail(1), TailBudget(2 * ROW_OVERHEAD_BYTES + 10)

    budget.add(tail, rows(1, size=6))
    budget.add(tail, rows(2, size=5))

    assert list(tail.rows) == [2]


def test_forward_filters_and_stops_at_its_bounds() -> None:
    tail, budget = Tail(1), TailBudget(10**6)
    budget.add(tail, rows(1, 2, size=5) + rows(3, sid=2, size=5) + rows(4, 5, size=5))

    def seqs(found: list[Row]) -> list[int]:
        return [row[0] for row in found]

    assert seqs(tail.forward(range(2, 6), None, 10, 100)) == [2, 3, 4, 5]
    assert seqs(tail.forward(range(1, 6), frozenset([1]), 3, 100)) == [1, 2, 4]
    assert seqs(tail.forward(range(1, 6), None, 10, 10)) == [1, 2]
    assert seqs(tail.forward(range(1, 10**12), None, 10, 100)) == [1, 2, 3, 4, 5]


def test_last_looks_backward_within_the_sequences() -> None:
    tail, budget = Tail(1), TailBudget(10**6)
    budget.add(tail, rows(1, 2) + rows(3, sid=2))

    def last(upto: int, first: int, sids: frozenset[int] | None) -> int | None:
        row = tail.last(upto, first, sids)
        return row and row[0]

    assert last(3, 1, None) == 3
    assert last(3, 1, frozenset([1])) == 2
    assert last(1, 1, frozenset([1])) == 1
    assert last(3, 3, frozenset([1])) is None


def test_discard_below_takes_what_lies_before() -> None:
    tail, budget = Tail(1), TailBudget(10**6)
    budget.add(tail, rows(1, 2, 3))

    tail.discard_below(3)

    assert list(tail.rows) == [3]
