"""leafnode.routing.tracing: which headers ask for a trace, as other servers read them."""

from __future__ import annotations

import pytest

from leafnode.limits import SAME_HEADER_MAX
from leafnode.routing.permissions import Permissions, Rules
from tests.sim.tracer import TracedWorld as World
from tests.sim.tracer import hpub


@pytest.mark.parametrize(
    "line",
    [
        b"nats-trace-dest: t",  # names are as they are spelled
        b"Nats-Trace-Dest : t",
        b" Nats-Trace-Dest: t",
        b"X-Nats-Trace-Dest: t",
        b"X: Nats-Trace-Dest: t",
        b"Nats-Trace-Dest:",
        b"Nats-Trace-Dest: trace disabled",
    ],
)
def test_what_only_looks_like_the_header_traces_nothing(line: bytes) -> None:
    world = World()

    world.publisher.says(hpub(b"a.b", line))

    assert world.tracer.sent == []
    assert world.subscriber.got() != b""


# (lines, traced): what nats-server 2.15.1 finds in a header, measured; other servers act by it.
@pytest.mark.parametrize(
    ("lines", "is_traced"),
    [
        ([b"Nats-Trace-Dest: t", b"Nats-Trace-Dest: trace disabled"], True),
        ([b"Nats-Trace-Dest: trace disabled", b"Nats-Trace-Dest: t"], False),
        ([b"Nats-Trace-Dest:", b"Nats-Trace-Dest: trace disabled"], False),
        ([*[b"Nats-Trace-x:"] * SAME_HEADER_MAX, b"Nats-Trace-Dest: t"], True),
        ([b"X:", b"Nats-Trace-Dest:\tt\t"], True),
        ([b"X: y\r\n", b"Nats-Trace-Dest: t"], False),
        ([b"X: y\r\n", b"X: y", b"Nats-Trace-Dest: t"], True),
        ([b"\r\nX: y", b"Nats-Trace-Dest: t"], True),
        ([b"no colon", b"Nats-Trace-Dest: t"], False),
        ([b"no colon", b"X: y", b"Nats-Trace-Dest: t"], True),
        ([b"X: y\nNats-Trace-Dest: t"], False),
        ([b"X: y\rNats-Trace-Dest: t"], False),
    ],
)
def test_a_header_asks_for_a_trace_as_other_servers_read_it(
    lines: list[bytes], is_traced: bool
) -> None:
    for permissions in (None, Permissions(Rules(allow=[b"a.>"]), Rules())):
        world = World()
        world.publisher.permissions = permissions

        world.publisher.says(hpub(b"a.b", *lines))

        is_refused = is_traced and permissions is not None
        assert [sent.dest for sent in world.tracer.sent] == [b"t"] * (is_traced and not is_refused)
        assert world.account.traffic.out_msgs == (not is_refused)
        assert (b'Violation for Publish to "t"' in world.publisher.got()) == is_refused


def test_a_status_line_begins_no_header_that_asks() -> None:
    world = World()
    block = b"NATS/1.0 503\r\nNats-Trace-Dest: t\r\n\r\n"

    world.publisher.says(b"HPUB a.b %d %d\r\n%b\r\n" % (len(block), len(block), block))

    assert world.tracer.sent == []


def test_a_line_that_does_not_end_asks_for_nothing() -> None:
    world = World()
    block = b"NATS/1.0\r\nNats-Trace-Dest: tr"

    world.publisher.says(b"HPUB a.b %d %d\r\n%b\r\n" % (len(block), len(block), block))

    assert world.tracer.sent == []


@pytest.mark.parametrize("only", [False, True])
def test_who_hides_a_trace_behind_very_many_lines_has_none_anywhere(only: bool) -> None:
    world = World()
    world.publisher.lane.limit_payload(4096)
    lines = [b"Nats-Trace-Dest:"] * SAME_HEADER_MAX
    lines += [b"Nats-Trace-Only: 1"] * only

    world.publisher.says(hpub(b"a.b", *lines, b"Nats-Trace-Dest: t"))

    got = world.subscriber.got()
    assert (world.tracer.sent, got == b"") == ([], only)
    assert b"Nats-Trace-Dest: t\r\n" not in got
    assert only or b"Nats-Trace-Dest: trace disabled\r\n" in got
