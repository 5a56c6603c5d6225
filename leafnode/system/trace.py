"""The notes of a message trace as the message that tells of them.

Knows how they are written and where they go; not which messages are traced (routing.tracing).
Truth: nats-server 2.15.1 server/msgtrace.go MsgTraceEvent; keys, order and types measured.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from leafnode import go_json
from leafnode.go_time import format_time
from leafnode.limits import (
    TRACE_HEADER_BYTES_MAX,
    TRACE_HEADERS_MAX,
    TRACE_LOG_NS,
    TRACE_PACKED_BYTES_MAX,
)
from leafnode.protocol import header
from leafnode.slices import finish
from leafnode.system.encoding import encoded

if TYPE_CHECKING:
    from random import Random

    from leafnode.routing.tracing import Trace
    from leafnode.system.envelope import Envelope

log = logging.getLogger(__name__)


class TraceEvents:
    """Implements routing.tracing.Tracer for all accounts of a server."""

    def __init__(self, envelope: Envelope, random: Random) -> None:
        self._envelope = envelope
        self._random = random
        self._logged_ns: int | None = None
        self.sent = 0

    def wall_ns(self) -> int:
        return self._envelope.clock.wall_ns()

    def is_sampled(self, percent: int) -> bool:
        return not 0 < percent < 100 or self._random.randrange(100) <= percent

    def complain(self, text: str) -> None:
        """Log it, at most once in TRACE_LOG_NS: any client can cause it."""
        now_ns = self._envelope.clock.monotonic_ns()
        if self._logged_ns is None or now_ns - self._logged_ns >= TRACE_LOG_NS:
            self._logged_ns = now_ns
            log.error("%s", text)

    def send(self, trace: Trace) -> None:
        """Publish a trace in the account of the message, as the server."""
        body = go_json.encode(self.message(trace))
        # To pack much would take the loop's time: that leaves as it is.
        packs = len(body) <= TRACE_PACKED_BYTES_MAX
        block, body = finish(encoded(trace.header if packs else b"", body))
        self.sent += 1
        trace.account.answer(trace.dest, block + body, header_size=len(block), announced=True)

    def message(self, trace: Trace) -> dict[str, object]:
        request: dict[str, object] = {"header": _fields(trace.header), "msgsize": trace.size}
        message: dict[str, object] = {"server": self._envelope.server(), "request": request}
        if trace.hops:
            message["hops"] = trace.hops
        message["events"] = [
            {"type": note.type, "ts": format_time(note.time_ns)} | note.fields
            for note in trace.notes
        ]
        return message


def _fields(block: bytes) -> dict[str, list[str]]:
    """Return headers with their values, names as they are spelled, in their order.

    Of a message with more than TRACE_HEADERS_MAX, or TRACE_HEADER_BYTES_MAX, the first ones.
    """
    fields: dict[str, list[str]] = {}
    if len(block) > TRACE_HEADER_BYTES_MAX:
        block = block[: block.rfind(b"\r\n", 0, TRACE_HEADER_BYTES_MAX)]
    for name, value in header.parse(block, TRACE_HEADERS_MAX):
        if name and value:
            fields.setdefault(_text(name), []).append(_text(value))
    return dict(sorted(fields.items()))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
