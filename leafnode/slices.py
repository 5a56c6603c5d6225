"""Something long, done in slices: some of it now, as much in each turn of the loop that follows.
Or all of it at once, where nobody waits.

Knows steps and whoever calls later; not what the steps do, and no clock. Truth:
docs/ARCHITECTURE.md, "Time".
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")


def finish(steps: Generator[None, None, T]) -> T:
    """Take all steps without a pause, and return what they make."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            made: T = stop.value
            return made


def in_slices(
    call_later: Callable[[int, Callable[[], None]], object], steps: Iterator[None], per_turn: int
) -> None:
    """Take some steps now, and as many in each turn of the loop until there are none left.

    Between two turns anything may happen: the steps look again at what they go by.
    """
    if sum(1 for _ in islice(steps, per_turn)) == per_turn:
        call_later(0, partial(in_slices, call_later, steps, per_turn))
