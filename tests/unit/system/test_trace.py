"""leafnode.system.trace: the notes of a trace as JSON."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from leafnode.clock import NS_PER_S
from leafnode.limits import (
    TRACE_HEADER_BYTES_MAX,
    TRACE_HEADERS_MAX,
    TRACE_LOG_NS,
    TRACE_PACKED_BYTES_MAX,
)
from leafnode.system.trace import TraceEvents
from tests.sim.system import SystemWorld

if TYPE_CHECKING:
    import pytest

BLOCK = b"NATS/1.0\r\nZ: 2\r\nNats-Trace-Dest: t\r\nA: 1\r\nA: 3\r\n%b\r\n"


class TracedWorld(SystemWorld):
    """A SystemWorld whose account `$G` traces."""

    def __init__(self) -> None:
        super().__init__()
        self.traces = TraceEvents(self.envelope, random.Random(1))
        self.server.account("$G").tracer = self.traces

    def trace(self, *lines: bytes) -> bytes:
        """What a listener to the destination hears of one traced message."""
        listener = self.client(b'{"verbose":false,"headers":true,"name":"joe"}')
        listener.says(b"SUB t 1\r\n")
        block = BLOCK % b"".join(line + b"\r\n" for line in lines)
        listener.says(b"SUB a 2\r\n")
        return listener.says(
            b"HPUB a %d %d\r\n%bhi\r\n" % (len(block), len(block) + 2, block)
        ).partition(b"\r\nhi\r\n")[2]


def test_a_trace_has_nats_servers_keys() -> None:
    heard = TracedWorld().trace()

    assert heard.startswith(b"MSG t 1 ")
    assert b'"request":{"header":{"A":["1","3"],"Nats-Trace-Dest":["t"],"Z":["2"]}' in heard
    assert b'"events":[{"type":"in","ts":"' in heard
    assert b'"kind":0,"cid":1,"name":"joe","acc":"$G","subj":"a"}' in heard
    assert b'{"type":"eg","ts":"' in heard


def test_a_trace_is_compressed_where_the_message_asks_for_that() -> None:
    heard = TracedWorld().trace(b"Accept-Encoding: gzip")

    assert heard.startswith(b"HMSG t 1 ")
    assert b"Content-Encoding: gzip" in heard


def test_the_dice_know_no_bounds_beyond_1_to_99() -> None:
    traces = TracedWorld().traces

    assert all(traces.is_sampled(percent) for percent in (0, 100, 101, -1))
    assert 20 < sum(traces.is_sampled(30) for _ in range(100)) < 45


def test_complaints_are_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    world = TracedWorld()

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            world.traces.complain("not valid")
        world.clock.advance(TRACE_LOG_NS)
        world.traces.complain("not valid")

    assert TRACE_LOG_NS == NS_PER_S
    assert len(caplog.records) == 2


def test_a_trace_lists_a_bounded_part_of_a_header() -> None:
    lines = [b"L%05d: %b" % (number, b"v" * 200) for number in range(TRACE_HEADERS_MAX)]

    short = TracedWorld().trace(*[b"X%d: y" % number for number in range(TRACE_HEADERS_MAX)])
    long = TracedWorld().trace(*lines)

    assert short.count(b'"X') == TRACE_HEADERS_MAX - 4  # behind the four of every message here
    assert 0.9 < long.count(b'"L') * 208 / TRACE_HEADER_BYTES_MAX < 1


def test_a_large_trace_leaves_as_it_is() -> None:
    lines = [b"L%05d: %b" % (number, b"v" * 800) for number in range(TRACE_PACKED_BYTES_MAX // 809)]

    heard = TracedWorld().trace(b"Accept-Encoding: gzip", *lines, b"Q: " + b"\x01" * 300)

    assert b"Content-Encoding" not in heard
    assert b'"L00000":["vvv' in heard


def test_a_trace_asks_nothing_of_jetstream() -> None:
    world, api = TracedWorld(), b"$JS.API.CONSUMER.RESET.T.C"
    heard = world.hear("$G", api)
    client = world.client(b'{"verbose":false,"headers":true}')
    block = BLOCK.replace(b"Nats-Trace-Dest: t", b"Nats-Trace-Dest: " + api) % b""

    client.says(b"HPUB a %d %d\r\n%b\r\n" % (len(block), len(block), block))

    assert heard == []
    assert world.traces.sent == 1
