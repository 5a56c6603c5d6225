"""A line for simulated sensors whose time the test's clock is: waiting moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sim.clock import FakeClock


class FakeTerminal:
    """Implements Terminal. `to_say` is what comes in, `heard` what went out, and when."""

    path = "/dev/pts/x"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.is_heard = True
        self.takes = 1 << 20
        self.to_say: list[bytes] = []
        self.heard: list[tuple[int, bytes]] = []

    def read(self) -> bytes:
        return self.to_say.pop(0) if self.to_say else b""

    def write(self, data: bytes) -> int:
        taken = data[: self.takes]
        if taken:
            self.heard.append((self.clock.monotonic_ns(), taken))
        return len(taken)

    def wait(self, delay_ns: int) -> None:
        self.clock.advance(max(delay_ns, 1))

    def close(self) -> None:
        pass
