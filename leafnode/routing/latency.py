"""Measurements of services: which requests are measured, and what is known about one then.

Knows headers, spans and both sides' facts; not how requests travel and not how a measurement is
written. Randomness is a parameter. Truth: nats-server 2.15.1 server/accounts.go shouldSample,
ServiceLatency; measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from leafnode.limits import LATENCY_HEADERS_BYTES_MAX
from leafnode.protocol import header

if TYPE_CHECKING:
    from random import Random

    from leafnode.protocol.client_info import ClientInfo

OK: Final = (200, "")
BAD_REQUEST: Final = (400, "Bad Request")
INTEREST_LOST: Final = (408, "Request Timeout")
NO_RESPONDERS: Final = (503, "Service Unavailable")
TIMED_OUT: Final = (504, "Service Timeout")

_ALL_PERCENT: Final = 100
_UBER: Final = "Uber-Trace-Id"
_UBER_CONTEXT: Final = "Uberctx-"
_B3: Final = "B3"
_B3_SAMPLED: Final = "X-B3-Sampled"
_B3_TRACE: Final = "X-B3-Traceid"
_B3_PARTS: Final = (_B3_SAMPLED, _B3_TRACE, "X-B3-Parentspanid", "X-B3-Spanid")
_TRACE_PARENT: Final = "Traceparent"
_TRACE_STATE: Final = "Tracestate"
_FIELDS: Final = 4  # of Uber-Trace-Id and of traceparent

Headers = dict[str, list[str]]


class Latency(NamedTuple):
    """Where measurements go. `sampling_percent` 0: only what a request's header asks for."""

    subject: bytes
    sampling_percent: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """What became of one request. `service_ns` counts from the request to its answer."""

    outcome: tuple[int, str]
    requester: ClientInfo | None
    started_wall_ns: int
    headers: Headers
    responder: ClientInfo | None = None
    service_ns: int = 0


def asks_for_sample(latency: Latency, block: bytes, random: Random) -> tuple[bool, Headers]:
    """Say whether a request is measured, and which of its headers brought that about."""
    if latency.sampling_percent >= _ALL_PERCENT:
        return True, {}
    if latency.sampling_percent > 0 and random.randrange(_ALL_PERCENT) < latency.sampling_percent:
        return True, {}
    return _by_header(block) if block else (False, {})


class _Asking:
    """The headers of one block that may ask for a measurement, in any case."""

    __slots__ = ("_block", "_folded")

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._folded = block.lower()

    def first(self, name: str) -> str | None:
        """Return the first value of that name, if it is no longer than what is kept of all."""
        for _, value in header.values(self._block, self._folded, name.lower().encode()):
            return _text(value) if len(value) <= LATENCY_HEADERS_BYTES_MAX else ""
        return None

    def kept(self, *names: str) -> Headers:
        """Return all values of these, as far as there is room."""
        found: Headers = {}
        left = LATENCY_HEADERS_BYTES_MAX
        for name in names:
            for spelled, value in header.values(self._block, self._folded, name.lower().encode()):
                left -= len(spelled) + len(value)
                if left < 0:
                    return found
                found.setdefault(_canonical(spelled), []).append(_text(value))
        return found


def _by_header(block: bytes) -> tuple[bool, Headers]:
    asking = _Asking(block)
    uber = asking.first(_UBER)
    if uber is not None:
        is_asked = _is_uber_sampled(uber.split(":"))
        return is_asked, asking.kept(_UBER, _UBER_CONTEXT) if is_asked else {}
    sampled = asking.first(_B3_SAMPLED)
    if sampled == "0":
        return False, {}
    if sampled == "1" or asking.first(_B3_TRACE) is not None:
        return True, asking.kept(*_B3_PARTS)
    b3 = asking.first(_B3)
    if b3 is not None:
        fields = b3.split("-")
        denied = fields == ["0"] or (len(fields) > 2 and fields[2] == "0")
        return not denied, {} if denied else asking.kept(_B3)
    parent = asking.first(_TRACE_PARENT)
    is_asked = parent is not None and _is_context_sampled(parent.split("-"))
    return is_asked, asking.kept(_TRACE_PARENT, _TRACE_STATE) if is_asked else {}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _canonical(name: bytes) -> str:
    return "-".join(part.capitalize() for part in _text(name).split("-"))


def _is_uber_sampled(fields: list[str]) -> bool:
    return len(fields) == _FIELDS and 0 < len(fields[3]) <= 2 and _flag(fields[3])


def _is_context_sampled(fields: list[str]) -> bool:
    return len(fields) == _FIELDS and len(fields[3]) == 2 and _flag(fields[3])


def _flag(text: str) -> bool:
    """Say whether the lowest bit of a hexadecimal number is set."""
    try:
        return bool(int(text, 16) & 1)
    except ValueError:
        return False
