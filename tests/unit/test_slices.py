"""leafnode.slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leafnode.slices import in_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def test_some_steps_are_taken_now_and_the_others_in_turns_of_their_own() -> None:
    waiting: list[Callable[[], None]] = []
    taken: list[int] = []

    def call_later(delay_ns: int, callback: Callable[[], None]) -> None:
        assert delay_ns == 0
        waiting.append(callback)

    def steps() -> Iterator[None]:
        for number in range(5):
            taken.append(number)
            yield

    in_slices(call_later, steps(), 2)
    seen = [len(taken)]
    while waiting:
        waiting.pop()()
        seen.append(len(taken))

    assert seen == [2, 4, 5]
