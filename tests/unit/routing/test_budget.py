"""leafnode.routing.budget: what caches hold, each and together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leafnode.routing.budget import Budget, Share, SharedLists

MOST, EACH = 1000, 400


class Cache(Share):
    """Holds sizes."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget, EACH)
        self.sizes: list[int] = []

    def add(self, size: int) -> bool:
        if not self.make_room(size):
            return False
        self.sizes.append(size)
        self.hold(size)
        return True

    def drop(self) -> None:
        self.sizes.clear()


def test_a_full_cache_starts_over() -> None:
    cache = Cache(Budget(MOST))

    for _ in range(4):
        cache.add(100)
    cache.add(1)

    assert cache.sizes == [1]
    assert not cache.add(EACH + 1)


def test_the_cache_that_has_been_holding_for_longest_makes_room_for_the_others() -> None:
    budget = Budget(MOST)
    first, second, third = (Cache(budget) for _ in range(3))
    for cache in (first, second, third, first):
        cache.add(200)

    third.add(200)
    assert (first.sizes, second.sizes, third.sizes) == ([200, 200], [200], [200, 200])
    second.add(200)

    assert (first.sizes, second.sizes, third.sizes) == ([], [200, 200], [200, 200])
    assert budget.evicted == 1
    assert budget.held_bytes == 800


def test_a_cache_makes_room_by_itself_when_it_is_the_oldest() -> None:
    budget = Budget(500)
    first, second = Cache(budget), Cache(budget)
    first.add(300)
    second.add(150)

    first.add(60)

    assert (first.sizes, second.sizes) == ([60], [150])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, EACH + 50))))
def test_whatever_is_added_both_bounds_hold_and_everything_is_counted(
    steps: list[tuple[int, int]],
) -> None:
    budget = Budget(MOST)
    caches = [Cache(budget) for _ in range(6)]

    for number, size in steps:
        caches[number].add(size)
        assert budget.held_bytes == sum(sum(cache.sizes) for cache in caches) <= MOST
        assert all(sum(one.sizes) == one.held_bytes <= EACH for one in caches)


def test_a_long_list_counts_once_while_it_is_used() -> None:
    lists: SharedLists[bytes] = SharedLists()
    one, same = [b"x", b"y"], [b"x", b"y"]
    same[:] = one

    assert lists.alike(one) is one
    assert [lists.use(one), lists.use(one)] == [2, 0]
    assert lists.alike(same) is one
    assert [lists.release(one), lists.release(one)] == [0, 2]
    assert lists.alike(same) is same


def test_lists_with_the_same_ends_are_told_apart() -> None:
    lists: SharedLists[bytes] = SharedLists()
    first, last = b"first", b"last"
    one, other = [first, b"1", last], [first, b"2", last]

    used = [lists.use(lists.alike(one)), lists.use(lists.alike(other))]
    assert lists.alike(other) is other

    assert (used, lists.release(one), lists.release(other)) == ([3, 3], 3, 3)


def test_a_cache_that_ended_holds_nothing_any_more() -> None:
    budget = Budget(MOST)
    cache, other = Cache(budget), Cache(budget)
    cache.add(100)
    other.add(50)

    cache.end()

    assert not cache.add(0)
    assert (cache.sizes, budget.held_bytes, budget.evicted) == ([], 50, 0)
    assert list(budget._holders) == [other]
