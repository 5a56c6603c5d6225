"""leafnode.net.unread: who is read next of those whom a turn had no time for."""

from __future__ import annotations

from functools import partial

from leafnode.clock import NS_PER_MS
from leafnode.net.unread import Unread


class Waiting:
    """Reads by their names."""

    def __init__(self, *costs: tuple[str, int]) -> None:
        self.unread = Unread()
        self.taken: list[str] = []
        for name, cost_ns in costs:
            self.unread.enter(partial(self.taken.append, name), cost_ns)

    def take_all(self) -> list[str]:
        while self.unread:
            self.unread.take()()
        return self.taken


def test_who_costs_little_and_who_waits_longest_are_taken_in_turn() -> None:
    waiting = Waiting(
        ("dear 1", 3 * NS_PER_MS),
        ("dear 2", 3 * NS_PER_MS),
        ("cheap", NS_PER_MS // 50),
        ("new", 0),
        ("dear 3", 3 * NS_PER_MS),
    )

    assert waiting.take_all() == ["new", "dear 1", "cheap", "dear 2", "dear 3"]


def test_of_a_crowd_that_costs_as_much_the_last_and_the_first_are_taken_in_turn() -> None:
    waiting = Waiting(*((str(number), NS_PER_MS) for number in range(5)))

    assert waiting.take_all() == ["4", "0", "3", "1", "2"]


def test_what_a_read_costs_has_an_upper_level_that_all_dear_ones_share() -> None:
    waiting = Waiting(("dear", NS_PER_MS * 100), ("dearer", NS_PER_MS * 100_000))

    assert waiting.take_all() == ["dearer", "dear"]


def test_whoever_was_taken_may_wait_again() -> None:
    waiting = Waiting(("one", 0))
    read = waiting.unread.take()

    assert not waiting.unread
    waiting.unread.enter(read, NS_PER_MS)

    assert waiting.unread
    assert waiting.unread.take() == read
