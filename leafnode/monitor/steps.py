"""An answer made in slices, so that nobody waits for a long one.

An endpoint is a generator: it yields where others may have their turn, and returns the answer. HTTP
and `$SYS` requests drive it alike. Knows no endpoint. Truth: docs/monitoring.md, "Bounds".
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from leafnode.clock import Clock, Timer

T = TypeVar("T")
Item = TypeVar("Item")

Steps = Generator[None, None, T]
ROWS_PER_TURN: Final = 32  # of about 30 us each on a PC: 1 ms before others have a turn
COUNTS_PER_TURN: Final = 1024  # of about 1 us each


def at_once(answer: T) -> Steps[T]:
    """Return an answer that needs no slices, as steps."""
    yield from ()
    return answer


def slices(items: Sequence[Item], size: int = ROWS_PER_TURN) -> Iterator[Sequence[Item]]:
    """Cut a sequence into pieces of `size`; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def consumed(items: list[Item], size: int = ROWS_PER_TURN) -> Iterator[list[Item]]:
    """Cut a list into pieces like `slices`, and empty it meanwhile.

    Ten thousand rows that are let go at once take as long as many turns.
    """
    items.reverse()
    while items:
        piece = items[-size:]
        del items[-size:]
        piece.reverse()
        yield piece


def finish(steps: Steps[T]) -> T:
    """Return the answer, made without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            answer: T = stop.value
            return answer


class Run(Generic[T]):
    """Drives steps, one a turn of the loop, the first at once.

    `done` is called with the answer, `failed` with what the steps raised; neither after `cancel`.
    """

    def __init__(
        self,
        steps: Steps[T],
        clock: Clock,
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._steps = steps
        self._clock = clock
        self._done = done
        self._failed = failed
        self._timer: Timer | None = None
        self.paused = False  # whether it took more than the first turn

    def start(self) -> None:
        self._timer = None
        try:
            next(self._steps)
        except StopIteration as stop:
            self._done(stop.value)
        except Exception as err:  # boundary: HTTP request  # noqa: BLE001 -- handed on
            self._failed(err)
        else:
            self.paused = True
            self._timer = self._clock.call_later(0, self.start)

    def cancel(self) -> None:
        """Stop where it is; stopping a finished run does nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._steps.close()
