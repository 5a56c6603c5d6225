"""leafnode.routing.latency: which requests are measured; headers as nats-server judges them."""

from __future__ import annotations

import random

import pytest

from leafnode.limits import LATENCY_HEADERS_BYTES_MAX
from leafnode.protocol.header import build
from leafnode.routing.latency import Latency, asks_for_sample

BY_HEADER = Latency(b"l", 0)


def asked(*pairs: tuple[bytes, bytes]) -> tuple[bool, dict[str, list[str]]]:
    return asks_for_sample(BY_HEADER, build(pairs), random.Random(1))


def test_all_or_a_share_of_the_requests_are_measured() -> None:
    source = random.Random(1)

    assert asks_for_sample(Latency(b"l", 100), b"", source) == (True, {})
    taken = sum(asks_for_sample(Latency(b"l", 30), b"", source)[0] for _ in range(1000))
    assert 250 < taken < 350
    assert asks_for_sample(BY_HEADER, b"", source) == (False, {})


@pytest.mark.parametrize(
    ("pairs", "headers"),
    [
        (
            [(b"uber-trace-id", b"4:5:6:1"), (b"uberctx-x", b"y"), (b"Other", b"z")],
            {"Uber-Trace-Id": ["4:5:6:1"], "Uberctx-X": ["y"]},
        ),
        ([(b"Uber-Trace-Id", b"4:5:6:0f")], {"Uber-Trace-Id": ["4:5:6:0f"]}),
        (
            [(b"X-B3-Sampled", b"1"), (b"X-B3-TraceId", b"8"), (b"X-B3-SpanId", b"9")],
            {"X-B3-Sampled": ["1"], "X-B3-Traceid": ["8"], "X-B3-Spanid": ["9"]},
        ),
        ([(b"X-B3-TraceId", b"8")], {"X-B3-Traceid": ["8"]}),
        ([(b"B3", b"80-e4-1-05")], {"B3": ["80-e4-1-05"]}),
        ([(b"B3", b"80-e4")], {"B3": ["80-e4"]}),
        (
            [(b"traceparent", b"00-4b-00-01"), (b"tracestate", b"a=b")],
            {"Traceparent": ["00-4b-00-01"], "Tracestate": ["a=b"]},
        ),
    ],
)
def test_a_tracing_header_asks_for_it(
    pairs: list[tuple[bytes, bytes]], headers: dict[str, list[str]]
) -> None:
    assert asked(*pairs) == (True, headers)


@pytest.mark.parametrize(
    "pair",
    [
        (b"Uber-Trace-Id", b"4:5:6:0"),
        (b"Uber-Trace-Id", b"4:5:6:100"),
        (b"Uber-Trace-Id", b"4:5:6:zz"),
        (b"Uber-Trace-Id", b"1"),
        (b"X-B3-Sampled", b"0"),
        (b"B3", b"0"),
        (b"B3", b"80-e4-0-05"),
        (b"traceparent", b"00-4b-00-00"),
        (b"traceparent", b"00-4b-01"),
        (b"Other", b"1"),
    ],
)
def test_a_header_that_does_not_ask_or_denies_it(pair: tuple[bytes, bytes]) -> None:
    assert asked(pair) == (False, {})


LONG = b"x" * LATENCY_HEADERS_BYTES_MAX


def test_what_is_kept_of_headers_has_a_bound() -> None:
    is_asked, headers = asked(
        (b"Uber-Trace-Id", b"4:5:6:1"),
        *((b"Uberctx-%d" % number, b"y" * 500) for number in range(100)),
    )

    assert is_asked
    assert list(headers)[:2] == ["Uber-Trace-Id", "Uberctx-0"]
    size = sum(len(name) + len(values[0]) for name, values in headers.items())
    assert LATENCY_HEADERS_BYTES_MAX - 600 < size <= LATENCY_HEADERS_BYTES_MAX
    assert asked((b"traceparent", b"00-4b-00-01"), (b"tracestate", LONG)) == (
        True,
        {"Traceparent": ["00-4b-00-01"]},
    )


@pytest.mark.parametrize("name", [b"Uber-Trace-Id", b"traceparent"])
def test_a_header_too_long_to_be_kept_does_not_ask(name: bytes) -> None:
    start = b"4:5:6:01" if name == b"Uber-Trace-Id" else b"00-4b-00-01"

    assert asked((name, LONG + start)) == (False, {})
