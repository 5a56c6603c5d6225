"""The batches of one stream that are open: by name, so many and no more, until nothing comes.

What both kinds of batches share. One timer, for the batch that has been silent for longest. Knows
nothing of what a batch is. Bounded by the stream's own maximum and by what all streams of the
server have together (`Tally`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock, Timer

Batch = TypeVar("Batch")


class Tally:
    """How much of one kind there is in all streams of the server: so many, of so many bytes."""

    __slots__ = ("bytes", "count")

    def __init__(self) -> None:
        self.bytes = 0
        self.count = 0


class OpenBatches(Generic[Batch]):
    """The open batches of one stream and kind; `on_silence` hears of one that ended so.

    `idle_ns` says how long one may be silent from now on; those that are open keep their time.
    """

    __slots__ = ("_batches", "_clock", "_idle_ns", "_on_silence", "_tally", "_timer")

    def __init__(
        self,
        clock: Clock,
        tally: Tally,
        idle_ns: Callable[[], int],
        on_silence: Callable[[str, Batch], None] | None = None,
    ) -> None:
        self._clock = clock
        self._tally = tally
        self._idle_ns = idle_ns
        self._on_silence = on_silence
        # The longest silent one first, each with the time it ends at if nothing comes.
        self._batches: dict[str, tuple[int, Batch]] = {}
        self._timer: Timer | None = None

    def __len__(self) -> int:
        return len(self._batches)

    def get(self, name: str) -> Batch | None:
        found = self._batches.get(name)
        return None if found is None else found[1]

    def add(self, name: str, batch: Batch, bounds: tuple[int, int]) -> bool:
        """Open one; False where this stream, or the server, has as many as `bounds` say."""
        assert name not in self._batches, "open already"
        stream_max, server_max = bounds
        if len(self._batches) >= stream_max or self._tally.count >= server_max:
            return False
        self._tally.count += 1
        self._put(name, batch)
        return True

    def keep(self, name: str, batch: Batch) -> None:
        """Something came for an open batch."""
        del self._batches[name]
        self._put(name, batch)

    def drop(self, name: str) -> None:
        """One has ended, or is given up; nothing when it is not open."""
        if self._batches.pop(name, None) is not None:
            self._tally.count -= 1
        if not self._batches and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def clear(self) -> None:
        for name in list(self._batches):
            self.drop(name)

    def items(self) -> list[tuple[str, Batch]]:
        return [(name, batch) for name, (_, batch) in self._batches.items()]

    def _put(self, name: str, batch: Batch) -> None:
        idle_ns = self._idle_ns()
        self._batches[name] = (self._clock.monotonic_ns() + idle_ns, batch)
        if self._timer is None:
            self._timer = self._clock.call_later(idle_ns, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now_ns = self._clock.monotonic_ns()
        for name, (end_ns, batch) in list(self._batches.items()):
            if end_ns > now_ns:
                self._timer = self._clock.call_later(end_ns - now_ns, self._on_timer)
                return
            self.drop(name)
            if self._on_silence is not None:
                self._on_silence(name, batch)
