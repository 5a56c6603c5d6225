"""A tracer that keeps what it would send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.clock import WALL_START_NS
from tests.sim.peers import FakePeer, account

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


def hpub(subject: bytes, *lines: bytes, payload: bytes = b"hi", verb: bytes = b"HPUB") -> bytes:
    block = b"\r\n".join([b"NATS/1.0", *lines]) + b"\r\n\r\n"
    sizes = b"%d %d" % (len(block), len(block) + len(payload))
    return b"%b %b %b\r\n%b%b\r\n" % (verb, subject, sizes, block, payload)


class TracedWorld:
    """A publisher, a subscriber to `a.>`, and a tracer."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.account = account("A")
        self.tracer = self.account.tracer = FakeTracer(sampled=sampled)
        self.publisher = FakePeer(self.account, 1)
        self.publisher.name = "pub"
        self.subscriber = FakePeer(self.account, 2)
        self.subscriber.name = "sub"
        self.subscriber.subscribe(b"a.>", b"7")
