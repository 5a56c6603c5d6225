"""An answer made in slices, so that nobody waits for a long one.

An endpoint is a generator: it yields where others may have their turn, and returns the answer. HTTP
and `$SYS` requests drive it alike. Knows no endpoint. Truth: docs/monitoring.md, "Bounds".
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from leafnode.clock import Clock, Timer

    Later: TypeAlias = Callable[[Callable[[], None]], Timer]  # calls it in a later turn of the loop

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


class Rounds:
    """Lets all who have more to do take turns: one of them in each turn of the loop.

    With one each, 64 answers at once made every turn of the loop last 38 ms.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[_Place, Callable[[], None]] = {}  # in order; one for each who asks
        self._is_due = False

    def later(self, call: Callable[[], None]) -> Timer:
        """Call this when its turn comes."""
        place = _Place(self._waiting)
        self._waiting[place] = call
        self._call_next()
        return place

    def _call_next(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._clock.call_later(0, self._next)

    def _next(self) -> None:
        self._is_due = False
        if not self._waiting:
            return  # who waited does not any more
        place = next(iter(self._waiting))
        call = self._waiting.pop(place)
        if self._waiting:
            self._call_next()
        call()


class _Place:
    """One who waits. Implements clock.Timer."""

    __slots__ = ("_waiting",)

    def __init__(self, waiting: dict[_Place, Callable[[], None]]) -> None:
        self._waiting = waiting

    def cancel(self) -> None:
        self._waiting.pop(self, None)


class Run(Generic[T]):
    """Drives steps, the first at once, then each by `later`, in another turn of the loop.

    `done` is called with the answer, `failed` with what the steps raised; neither after `cancel`.
    """

    def __init__(
        self,
        steps: Steps[T],
        later: Later,
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._steps = steps
        self._later = later
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
            self._timer = self._later(self.start)

    def cancel(self) -> None:
        """Stop where it is; stopping a finished run does nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._steps.close()
