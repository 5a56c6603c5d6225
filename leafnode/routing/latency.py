"""Measurements of services: which requests are measured, and what is known about one then.

Knows headers, spans and both sides' facts; not how requests travel and not how a measurement is
written. Randomness is a parameter. Truth: nats-server 2.15.1 server/accounts.go shouldSample,
ServiceLatency; measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

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


def _by_header(block: bytes) -> tuple[bool, Headers]:
    headers: Headers = {}
    for name, value in header.parse(block):
        headers.setdefault(_canonical(name), []).append(value.decode("utf-8", "replace"))
    if _UBER in headers:
        return _uber(headers)
    sampled = headers.get(_B3_SAMPLED, [""])[0]
    if sampled == "0":
        return False, {}
    if sampled == "1" or _B3_TRACE in headers:
        return True, {name: headers[name] for name in _B3_PARTS if name in headers}
    if _B3 in headers:
        fields = headers[_B3][0].split("-")
        denied = fields == ["0"] or (len(fields) > 2 and fields[2] == "0")
        return (False, {}) if denied else (True, {_B3: headers[_B3]})
    if _TRACE_PARENT in headers:
        return _trace_context(headers)
    return False, {}


def _canonical(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    return "-".join(part.capitalize() for part in text.split("-"))


def _uber(headers: Headers) -> tuple[bool, Headers]:
    fields = headers[_UBER][0].split(":")
    if len(fields) != _FIELDS or not 0 < len(fields[3]) <= 2 or not _flag(fields[3]):
        return False, {}
    context = {name: value for name, value in headers.items() if name.startswith(_UBER_CONTEXT)}
    return True, {_UBER: headers[_UBER], **context}


def _trace_context(headers: Headers) -> tuple[bool, Headers]:
    fields = headers[_TRACE_PARENT][0].split("-")
    if len(fields) != _FIELDS or len(fields[3]) != 2 or not _flag(fields[3]):
        return False, {}
    kept = (_TRACE_PARENT, _TRACE_STATE)
    return True, {name: headers[name] for name in kept if name in headers}


def _flag(text: str) -> bool:
    """Say whether the lowest bit of a hexadecimal number is set."""
    try:
        return bool(int(text, 16) & 1)
    except ValueError:
        return False
