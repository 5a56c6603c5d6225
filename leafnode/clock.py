"""Time as a seam: who may read it, who may wait for it.

`protocol`, `routing`, `link` and the pure parts of `jetstream` take `now` as a parameter and never
see this module. Everything above holds one `Clock`. It is the only file that reads the machine's
clocks. Truth: docs/ARCHITECTURE.md, "Time".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000


class Timer(Protocol):
    """A pending call. Cancelling one that ran or was cancelled does nothing."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Monotonic time for waiting, wall time for people and message timestamps."""

    def monotonic_ns(self) -> int: ...

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 in UTC; may jump either way."""
        ...

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Run `callback` once on the loop's thread, not before `delay_ns` have passed."""
        ...


class SystemClock:
    """The machine's clocks and the running event loop's timers."""

    __slots__ = ("_running_loop",)

    def __init__(self) -> None:
        import asyncio  # not at the top: whoever wants a constant of here may need no loop

        self._running_loop = asyncio.get_running_loop

    # The functions themselves: each read of a connection asks, and a call between costs as much.
    monotonic_ns = staticmethod(time.monotonic_ns)  # noqa: TID251 -- the one place
    wall_ns = staticmethod(time.time_ns)  # noqa: TID251 -- the one place

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        return self._running_loop().call_later(max(0, delay_ns) / NS_PER_S, callback)
