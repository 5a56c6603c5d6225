"""A tracer that keeps what it would send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.clock import WALL_START_NS

if TYPE_CHECKING:
    from leafnode.routing.tracing import Trace


class FakeTracer:
    """Implements leafnode.routing.tracing.Tracer."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.sent: list[Trace] = []
        self.complaints: list[str] = []
        self._sampled = sampled

    def wall_ns(self) -> int:
        return WALL_START_NS

    def is_sampled(self, percent: int) -> bool:
        return self._sampled and percent > 0

    def complain(self, text: str) -> None:
        self.complaints.append(text)

    def send(self, trace: Trace) -> None:
        self.sent.append(trace)

    def steps(self) -> list[tuple[str, dict[str, object]]]:
        """The steps of the one trace that was sent."""
        [trace] = self.sent
        return [(note.type, note.fields) for note in trace.notes]
