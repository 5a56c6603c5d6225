"""The end of a port that nobody goes on after: what it has read is stored before.

Knows the port's publisher and a bound of time. Truth: docs/serial.md, "Stored, then acknowledged".
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from leafnode.bridge import port_bounds

if TYPE_CHECKING:
    from leafnode.bridge.publisher import Publisher
    from leafnode.clock import Clock


class LastStores:
    """Waits for the COMMIT of what is queued; `look` is called when readings left the queue."""

    def __init__(self, publisher: Publisher, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._over = asyncio.Event()

    async def wait(self) -> None:
        """Return when all is stored, or after the bound; at once where a stream takes none."""
        self._publisher.pump()
        if not self._publisher.queued or self._publisher.last_error:
            return
        timer = self._clock.call_later(port_bounds.SERIAL_STOP_NS, self._over.set)
        await self._over.wait()
        timer.cancel()

    def look(self) -> None:
        if not self._publisher.queued:
            self._over.set()
