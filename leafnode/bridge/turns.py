"""What all serial ports together may do in one turn of the loop.

A read of 4 KiB can be two thousand frames. A port whose frames use the share up goes on in a later
turn, and is not read meanwhile; who waits longest goes first. What is published has a share of its
own. Truth: docs/serial.md.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from leafnode.bridge.port_bounds import SERIAL_TURN_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.clock import Clock


class PortTurns:
    """The share of a turn, and which ports wait for theirs: each at most once."""

    def __init__(self, clock: Clock, share_ns: int = SERIAL_TURN_NS) -> None:
        self._clock = clock
        self._share_ns = share_ns
        self._used_ns = 0  # since the share was last renewed
        self._waiting: dict[Callable[[], None], None] = {}
        self._renewing = False
        self.deferred = 0  # how often a port had to wait

    def begin(self) -> int:
        """Return when the work begins, for `is_full` and `end`."""
        return self._clock.monotonic_ns()

    def is_full(self, began_ns: int) -> bool:
        """Say whether who began then has to wait for another turn.

        While others wait it is full, since that is why they wait: nobody overtakes them.
        """
        used_ns = self._used_ns + self._clock.monotonic_ns() - began_ns
        return used_ns >= self._share_ns

    def end(self, began_ns: int) -> None:
        """Count what was done since then."""
        self._used_ns += self._clock.monotonic_ns() - began_ns

    def wait(self, go_on: Callable[[], None]) -> None:
        """Let `go_on` have a turn: at least one frame of work in it."""
        self._waiting[go_on] = None
        self.deferred += 1
        self._renew_soon()

    def forget(self, go_on: Callable[[], None]) -> None:
        """It waits no longer."""
        self._waiting.pop(go_on, None)

    def _renew_soon(self) -> None:
        if not self._renewing:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        self._renewing = False
        self._used_ns = 0
        try:
            for _ in range(len(self._waiting)):
                go_on = next(iter(self._waiting), None)
                if go_on is None or self._used_ns >= self._share_ns:
                    break
                del self._waiting[go_on]
                go_on()
        finally:
            if self._waiting:
                self._renew_soon()
