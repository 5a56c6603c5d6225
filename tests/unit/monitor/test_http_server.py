"""HTTP with hostile peers. Source: RFC 9110, RFC 9112; the bounds are in limits.py."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leafnode import limits
from leafnode.monitor.endpoints import Endpoints
from leafnode.monitor.http_server import HttpServer
from leafnode.monitor.monitor import Monitor
from tests.sim.clock import FakeClock
from tests.sim.monitor import SECRET, MemoryTransport, open_, views

if TYPE_CHECKING:
    from leafnode.monitor.http_server import HttpSession

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class World:
    """A monitoring server and a first connection to it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        monitor = Monitor(views(), self.clock)
        self.server = HttpServer(Endpoints(monitor), self.clock, monitor.http)
        self.session, self.transport = self.connect()

    def connect(self) -> tuple[HttpSession, MemoryTransport]:
        session, transport = self.server.session(), MemoryTransport()
        session.connected(transport)
        return session, transport

    def answers(self) -> list[tuple[int, bytes]]:
        """What a client that sent GETs reads."""
        client = h11.Connection(h11.CLIENT)
        client.receive_data(self.transport.written)
        found: list[tuple[int, bytes]] = []
        while self.transport.written:
            client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
            client.send(h11.EndOfMessage())
            status, body = 0, b""
            while not isinstance(event := client.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    return found
                if isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
            found.append((status, body))
            if client.our_state is not h11.DONE or client.their_state is not h11.DONE:
                break
            client.start_next_cycle()
        return found


def test_a_get_is_answered_and_the_connection_stays() -> None:
    world = World()

    world.session.received(GET)
    world.session.received(GET)

    assert world.answers() == [(200, b'{"status":"ok"}')] * 2
    assert not world.transport.closed


def test_requests_sent_at_once_are_answered_in_order() -> None:
    world = World()

    world.session.received(GET + b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    world.clock.advance(0)

    assert [status for status, _ in world.answers()] == [200, 404, 200]


def test_others_have_a_turn_between_requests_that_were_sent_at_once() -> None:
    world = World()
    seen: list[int] = []

    def look(left: int = 4) -> None:
        seen.append(world.transport.written.count(b'{"status":"ok"}'))
        if left:
            world.clock.call_later(0, lambda: look(left - 1))

    world.session.received(GET * 4)
    look()
    assert world.transport.paused
    world.clock.advance(0)

    assert seen == [1, 2, 3, 4, 4]
    assert not world.transport.paused


def test_whoever_asks_for_more_at_once_has_a_turn_of_the_loop_for_each_request() -> None:
    world = World()
    others = [world.connect() for _ in range(8)]
    seen = [0]

    def answers() -> int:
        return sum(one.written.count(b'{"status":"ok"}') for _, one in others)

    def look() -> None:
        seen.append(answers())
        if seen[-1] < 3 * len(others):
            world.clock.call_later(0, look)

    for session, _ in others:
        session.received(GET * 3)
    seen[0] = answers()
    world.clock.call_later(0, look)
    world.clock.advance(0)

    assert seen[0] == len(others)  # each in its own read
    assert {after - before for before, after in pairwise(seen)} <= {0, 1}
    assert {one.written.count(b'{"status":"ok"}') for _, one in others} == {3}


def test_requests_that_were_sent_at_once_end_with_their_connection() -> None:
    world = World()
    world.session.received(GET * 3)

    world.session.lost("gone")
    world.clock.advance(0)

    assert len(world.answers()) == 1
    assert world.clock.pending() == 0


def test_head_has_the_length_and_no_body() -> None:
    world = World()

    world.session.received(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert world.transport.written.startswith(b"HTTP/1.1 200")
    assert b"Content-Length: 15" in world.transport.written
    assert world.transport.written.endswith(b"\r\n\r\n")
    assert not world.transport.closed


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"FOO"])
def test_another_method_is_answered_like_get(method: bytes) -> None:
    world = World()

    world.session.received(method + b" /healthz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert world.answers() == [(200, b'{"status":"ok"}')]


@pytest.mark.parametrize("length", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("body", [b"", b"0123456789" + GET])
def test_who_waits_with_a_body_is_answered_without_it(length: bytes, body: bytes) -> None:
    world = World()
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n" + length + b"\r\n\r\n"

    world.session.received(head + body)

    assert world.answers() == [(200, b'{"status":"ok"}')]
    assert b"\r\nConnection: close\r\n" in world.transport.written
    assert world.transport.closed


def test_who_waits_with_no_body_stays() -> None:
    world = World()

    world.session.received(GET.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue") * 2)
    world.clock.advance(0)

    assert world.answers() == [(200, b'{"status":"ok"}')] * 2
    assert not world.transport.closed


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"HTTP/1.1", b"HTTP/9.9", 505),
        (b"/healthz", b"*", 400),
        (b"Host: x", b"Host: x\r\nExpect: tea", 417),
    ],
)
def test_a_request_that_cannot_be_met_ends_it(old: bytes, new: bytes, status: int) -> None:
    world = World()

    world.session.received(GET.replace(old, new))

    assert world.transport.written.startswith(b"HTTP/1.1 %d " % status)
    assert world.transport.closed


def test_what_is_no_request_is_refused_in_gos_words() -> None:
    world = World()

    world.session.received(b"GET /healthz HTTP/1.1\r\n\r\n")

    words = b"400 Bad Request: missing required Host header"
    assert world.transport.written.startswith(b"HTTP/1.1 %b\r\n" % words)
    assert world.transport.written.endswith(b"\r\n\r\n" + words)
    assert world.transport.closed


def test_an_older_request_is_answered_by_its_version() -> None:
    world = World()

    world.session.received(b"GET /healthz HTTP/1.0\r\n\r\n")

    assert world.transport.written.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Connection" not in world.transport.written
    assert world.transport.closed


def test_options_of_the_whole_server_say_that_it_is_there() -> None:
    world = World()

    world.session.received(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")

    assert world.answers() == [(200, b"")]
    assert not world.transport.closed


def test_connect_is_not_allowed_and_ends_the_connection() -> None:
    world = World()

    world.session.received(b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n")

    assert world.transport.written.startswith(b"HTTP/1.1 405 ")
    assert world.transport.closed


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / FTP/1.1\r\n\r\n", b"\r\n" * 9000]
)
def test_what_is_no_http_ends_the_connection(request_: bytes) -> None:
    world = World()

    world.session.received(request_)
    world.clock.advance(limits.HTTP_DEADLINE_NS)

    assert world.transport.closed
    assert b"200" not in world.transport.written


@pytest.mark.parametrize(
    "request_",
    [b"Content-Length: 5\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"],
)
def test_a_body_is_thrown_away(request_: bytes) -> None:
    world = World()

    world.session.received(b"POST /healthz HTTP/1.1\r\nHost: x\r\n" + request_ + GET)
    world.clock.advance(0)

    assert world.answers() == [(200, b'{"status":"ok"}')] * 2


def chunk(size: int) -> bytes:
    return b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"Content-Length: 99999999999\r\n\r\n", b"413"),
        (chunk(limits.HTTP_BODY_BYTES_MAX + 1), b"413"),
        (chunk(limits.HTTP_BODY_BYTES_MAX), b"200"),
    ],
)
def test_a_body_is_bounded(request_: bytes, status: bytes) -> None:
    world = World()

    world.session.received(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + request_)

    assert world.transport.written.startswith(b"HTTP/1.1 " + status)
    assert world.server.counters.bad == int(status == b"413")


def test_a_head_of_the_largest_size_is_taken_and_a_larger_one_not() -> None:
    fits, beyond = World(), World()
    room = limits.HTTP_HEAD_BYTES_MAX - len(GET) - len(b"X: \r\n")

    fits.session.received(GET[:-2] + b"X: " + b"a" * room + b"\r\n\r\n")
    for _ in range(room // 1000 + 2):
        beyond.session.received(GET[:-2] + b"X: " if not beyond.transport.written else b"")
        beyond.session.received(b"a" * 1000)

    assert fits.answers()[0][0] == 200
    assert beyond.transport.closed
    assert beyond.server.counters.bad == 1


def test_the_most_headers_are_taken_and_one_more_not() -> None:
    fits, beyond = World(), World()
    one = b"X: 1\r\n"

    fits.session.received(GET[:-2] + one * (limits.HTTP_HEADERS_MAX - 1) + b"\r\n")
    beyond.session.received(GET[:-2] + one * limits.HTTP_HEADERS_MAX + b"\r\n")

    assert fits.answers()[0][0] == 200
    assert beyond.transport.written.startswith(b"HTTP/1.1 431")
    assert beyond.transport.closed


def test_idle_connections_lock_nobody_out() -> None:
    world = World()
    others = [world.connect() for _ in range(limits.HTTP_CONNECTIONS_MAX - 1)]
    world.session.received(GET)  # who asks is served longer than who never did
    others[0][0].received(GET[:-2])

    session, beyond = world.connect()
    session.received(GET)

    assert beyond.written.startswith(b"HTTP/1.1 200")
    assert others[0][1].aborted
    assert not any(transport.closed for _, transport in [*others[1:], (None, world.transport)])
    assert (world.server.counters.refused, len(world.server.open)) == (1, 64)
    others[0][0].lost("")
    assert len(world.server.open) == limits.HTTP_CONNECTIONS_MAX


def test_one_more_than_may_be_answered_at_once_is_cut() -> None:
    world = World()
    others = [world.connect() for _ in range(limits.HTTP_CONNECTIONS_MAX - 1)]
    for session in (world.session, *(session for session, _ in others)):
        session.received(GET * 2)  # the second waits for its turn

    _, beyond = world.connect()

    assert beyond.aborted
    assert world.server.counters.refused == 1
    assert not any(transport.closed for _, transport in others)
    others[0][0].lost("")
    assert not world.connect()[1].closed


def test_the_deadline_is_absolute_whatever_drips_in() -> None:
    world = World()

    for byte in GET[:10]:
        world.session.received(bytes([byte]))
        world.clock.advance(limits.HTTP_DEADLINE_NS // 11)
    assert not world.transport.closed
    world.clock.advance(limits.HTTP_DEADLINE_NS // 5)

    assert world.transport.closed
    assert world.server.counters.overdue == 1
    assert world.clock.pending() == 0


def test_whose_request_waits_to_be_read_is_not_late() -> None:
    world = World()
    world.session.received(GET[:10])
    world.transport.unread = True

    world.clock.advance(2 * limits.HTTP_DEADLINE_NS)
    assert not world.transport.closed
    world.transport.unread = False
    world.clock.advance(limits.UNREAD_WATCH_NS)

    assert world.transport.closed
    assert world.server.counters.overdue == 1


def test_an_answer_starts_the_deadline_anew() -> None:
    world = World()

    world.clock.advance(limits.HTTP_DEADLINE_NS - 1)
    world.session.received(GET)
    world.clock.advance(limits.HTTP_DEADLINE_NS - 1)
    assert not world.transport.closed

    world.clock.advance(1)
    assert world.transport.closed
    assert world.server.counters.overdue == 0


def test_a_connection_ends_after_its_last_request() -> None:
    world = World()

    for _ in range(limits.HTTP_REQUESTS_MAX - 1):
        world.session.received(GET)
    assert not world.transport.closed

    world.session.received(GET)
    assert world.transport.closed
    assert b"Connection: close" in world.transport.written


def test_a_peer_that_does_not_read_is_answered_no_further() -> None:
    world = World()
    world.transport.pending = limits.HTTP_PENDING_BYTES_MAX
    world.session.received(GET)
    assert not world.transport.closed

    world.transport.pending = limits.HTTP_PENDING_BYTES_MAX + 1
    world.session.received(GET + GET)
    world.clock.advance(0)

    assert len(world.answers()) == 2
    assert world.transport.closed


def test_an_answer_that_fails_is_a_500_and_not_the_end_of_the_server() -> None:
    clock = FakeClock()

    def fails() -> object:
        raise RuntimeError(SECRET)

    monitor = Monitor(views(connections=fails), clock)
    server = HttpServer(Endpoints(monitor), clock, monitor.http)
    session, transport = server.session(), MemoryTransport()
    session.connected(transport)

    session.received(b"GET /connz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert transport.written.startswith(b"HTTP/1.1 500")
    assert SECRET.encode() not in transport.written
    assert server.counters.faults == 1


def test_answers_forbid_a_browser_to_guess_or_to_load_anything() -> None:
    world = World()

    world.session.received(GET)

    assert b"X-Content-Type-Options: nosniff" in world.transport.written
    assert b"Content-Security-Policy: default-src 'none'" in world.transport.written
    assert b"Access-Control-Allow-Origin: *" in world.transport.written  # as nats-server's JSON


@settings(max_examples=50)
@given(st.lists(st.integers(0, len(GET)), max_size=5))
def test_any_chunking_gives_the_same_answer(cuts: list[int]) -> None:
    world = World()
    edges = [0, *sorted(cuts), len(GET)]

    for start, end in pairwise(edges):
        if start < end:
            world.session.received(GET[start:end])

    assert world.answers() == [(200, b'{"status":"ok"}')]


@settings(max_examples=200)
@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_raise(data: bytes, after_a_request: bool) -> None:
    world = World()
    if after_a_request:
        world.session.received(GET)

    if data:
        world.session.received(data)

    assert world.server.counters.faults == 0


def test_an_answer_in_slices_lets_others_have_their_turn_and_keeps_the_order() -> None:
    clock = FakeClock()
    monitor = Monitor(views(connections=lambda: [open_(cid) for cid in range(1, 1000)]), clock)
    session = HttpServer(Endpoints(monitor), clock, monitor.http).session()
    transport = MemoryTransport()
    session.connected(transport)

    session.received(b"GET /connz HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    first = transport.written
    clock.advance(0)

    assert first == b""
    assert transport.written.index(b'"cid": 999') < transport.written.index(b'{"status":"ok"}')
    assert not transport.paused


def coded() -> tuple[World, bytes]:
    """One that asked over TLS for an answer of several turns, and what it is over TCP."""
    world = World()
    rows = [open_(cid) for cid in range(1, 5000)]
    monitor = Monitor(views(connections=lambda: rows), world.clock)
    world.server.endpoints = Endpoints(monitor)
    world.session.received(b"GET /connz?limit=5000 HTTP/1.1\r\nHost: x\r\n\r\n")
    world.clock.advance(0)
    plain = world.transport.written
    world.session.lost("done")
    assert len(plain) > 2 * limits.CODED_TURN_BYTES
    world.session, world.transport = world.connect()
    world.transport.coding = 1
    world.session.received(b"GET /connz?limit=5000 HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    return world, plain


def test_an_answer_that_is_encrypted_is_written_over_several_turns() -> None:
    world, plain = coded()
    sizes: list[int] = []

    def look() -> None:
        sizes.append(len(world.transport.written))
        if len(sizes) < 10_000 and not world.transport.written.endswith(b'{"status":"ok"}'):
            world.clock.call_later(0, look)

    look()
    world.clock.advance(0)

    steps = [after - before for before, after in pairwise(sizes) if after != before]
    assert max(steps) <= limits.CODED_TURN_BYTES + limits.READ_CHUNK_BYTES
    assert len(steps) >= len(plain) // limits.CODED_TURN_BYTES
    assert [body for _, body in world.answers()][1:] == [b'{"status":"ok"}']
    assert world.transport.written.partition(b"\r\n\r\n")[2].startswith(
        plain.partition(b"\r\n\r\n")[2]
    )
    assert not world.transport.paused


def test_a_peer_that_leaves_while_its_answer_is_encrypted_ends_the_work() -> None:
    world, plain = coded()

    def leave_within() -> None:
        if world.transport.written:
            assert world.transport.paused
            world.session.lost("gone")
        else:
            world.clock.call_later(0, leave_within)

    leave_within()
    world.clock.advance(0)

    assert len(world.transport.written) < len(plain)
    assert world.clock.pending() == 0


def test_a_peer_that_leaves_while_its_answer_is_made_ends_the_work() -> None:
    clock = FakeClock()
    monitor = Monitor(views(connections=lambda: [open_(cid) for cid in range(1, 1000)]), clock)
    session = HttpServer(Endpoints(monitor), clock, monitor.http).session()
    transport = MemoryTransport()
    session.connected(transport)
    session.received(b"GET /connz HTTP/1.1\r\nHost: x\r\n\r\n")

    session.lost("gone")
    clock.advance(0)

    assert transport.written == b""
    assert clock.pending() == 0


def test_a_peer_is_not_read_while_its_answer_is_made() -> None:
    clock = FakeClock()
    monitor = Monitor(views(connections=lambda: [open_(cid) for cid in range(1, 1000)]), clock)
    session = HttpServer(Endpoints(monitor), clock, monitor.http).session()
    transport = MemoryTransport()
    session.connected(transport)

    session.received(b"GET /connz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert transport.paused


@pytest.mark.parametrize("line", [b"HELLO\r\n", b"CONNECT {}\r\n", b"\xff\xfe\r\n"])
def test_a_first_line_that_is_none_is_refused_before_the_rest_comes(line: bytes) -> None:
    world = World()

    for index in range(len(line)):
        assert not world.transport.closed
        world.session.received(line[index : index + 1])

    assert world.transport.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert world.transport.closed


def test_a_list_of_lengths_is_refused_and_one_length_told_twice_is_not() -> None:
    post = b"POST /healthz HTTP/1.1\r\nHost: x\r\n"
    listed, twice = World(), World()

    listed.session.received(post + b"Content-Length: 5, 5\r\n\r\nhello")
    twice.session.received(post + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nh, lo")

    assert listed.transport.written.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert twice.answers() == [(200, b'{"status":"ok"}')]


def test_http_1_0_keeps_a_connection_that_asks_for_it() -> None:
    world = World()
    kept = b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

    world.session.received(kept + kept[: len(kept) // 2])
    world.session.received(kept[len(kept) // 2 :])
    world.clock.advance(0)

    assert world.transport.written.count(b"HTTP/1.0 200 OK\r\n") == 2
    assert world.transport.written.count(b"\r\nConnection: keep-alive\r\n") == 2
    assert not world.transport.closed
    world.session.received(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert world.transport.closed


def test_http_1_0_is_kept_for_so_many_requests() -> None:
    world = World()
    kept = b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

    for _ in range(limits.HTTP_REQUESTS_MAX):
        assert not world.transport.closed
        world.session.received(kept)

    assert world.transport.closed
