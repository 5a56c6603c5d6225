"""One HTTP connection of monitoring, and what all of them share.

Knows HTTP by h11, and bytes by net.transport; not what the answers say. Every method is a GET, as
on nats-server, and a body is read and thrown away. Everything a peer can send is bounded: see
limits.py. Truth: RFC 9110 and 9112; measured on nats-server 2.15.1.
"""

from __future__ import annotations

import logging
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import h11

from leafnode import go_json, limits
from leafnode.clock import NS_PER_S
from leafnode.monitor.endpoints import JSON, TEXT, Answer
from leafnode.monitor.steps import Rounds, Run, at_once
from leafnode.net.backlog import in_pieces
from leafnode.net.http_request import (
    TOO_LARGE,
    flaw,
    head_flaw,
    is_about_the_server,
    malformed,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leafnode.clock import Clock, Timer
    from leafnode.monitor.endpoints import Endpoints
    from leafnode.monitor.views import HttpFaults
    from leafnode.net.transport import Transport

log = logging.getLogger(__name__)

_HEADERS: Final = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
]
# Dashboards in a browser read it, as they do from nats-server.
_CORS: Final = {JSON: [("Access-Control-Allow-Origin", "*")]}


class HttpServer:
    """Makes sessions for a listener, and counts what they do where /varz reads it."""

    def __init__(self, endpoints: Endpoints, clock: Clock, counters: HttpFaults) -> None:
        self.endpoints = endpoints
        self.clock = clock
        self.open: dict[HttpSession, None] = {}  # who was answered longest ago is the first
        self.counters = counters
        self.rounds = Rounds(clock)

    def session(self) -> HttpSession:
        return HttpSession(self)

    def admit(self, session: HttpSession) -> bool:
        """Keep a new connection; at the bound one that asks for nothing makes room for it."""
        if len(self.open) >= limits.HTTP_CONNECTIONS_MAX:
            self.counters.refused += 1
            idle = next((one for one in self.open if one.is_idle), None)
            if idle is None:
                return False
            idle.evict()
        self.open[session] = None
        return True


class HttpSession:
    """Implements net.transport.Session, and net.entry.Guest for https."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._http = _parser()
        self._transport: Transport | None = None
        self._deadline: Timer | None = None
        self._request: h11.Request | None = None
        self._is_kept = False  # whether HTTP/1.0 asked for the connection to stay; h11 ends it
        self._answered = 0
        self._body_bytes = 0  # of the request that is being read
        self._run: Run[Answer] | None = None  # makes the answer that is due
        # The turn in which the next request is handled, or more of an answer written.
        self._next: Timer | None = None

    def connected(self, transport: Transport) -> None:
        self._transport = transport
        if self._server.admit(self):
            self._arm()
        else:
            transport.abort()

    def entered(self) -> None:
        """See net.entry.Guest: with TLS before all the session starts behind it."""

    def received(self, data: bytes) -> None:
        if self._transport is None:
            return
        try:
            self._http.receive_data(data)
        except h11.RemoteProtocolError as err:
            self._bad(err)
            return
        if self._run is None and self._next is None:
            self._go_on()

    def lost(self, reason: str) -> None:
        del reason
        self._transport = None
        self._stop()
        self._server.open.pop(self, None)

    @property
    def is_idle(self) -> bool:
        """Whether no answer is being made; half a request is none."""
        return self._run is None and self._next is None

    def evict(self) -> None:
        """End at once, for somebody else."""
        self._stop()
        self._server.open.pop(self, None)
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _go_on(self) -> None:
        """Handle what was read, up to the first request that is whole."""
        self._next = None
        try:
            while self._step():
                pass
        except h11.RemoteProtocolError as err:
            self._bad(err)

    def _bad(self, err: h11.RemoteProtocolError) -> None:
        self._refuse_plainly(malformed(err))

    def _step(self) -> bool:
        """Take one event; False when there is nothing more to do with these bytes."""
        if self._transport is None:
            return False
        if self._http.their_state is h11.IDLE and (text := head_flaw(self._http.trailing_data[0])):
            self._refuse_plainly(text)
            return False
        event = self._http.next_event()
        if isinstance(event, h11.Request):
            return self._accept(event)
        if isinstance(event, h11.Data):
            return self._skip(len(event.data))
        if isinstance(event, h11.EndOfMessage):
            self._respond()
            return False  # others have their turn before a request that came with this one
        if event is h11.NEED_DATA:
            return False
        self._close()  # the peer closed it
        return False

    def _accept(self, request: h11.Request) -> bool:
        names = [name for name, _ in request.headers]
        if len(names) > limits.HTTP_HEADERS_MAX:
            self._refuse_plainly(TOO_LARGE)
        elif text := flaw(request):
            self._refuse_plainly(text)
        elif _expects(request) not in {b"", b"100-continue"}:
            self._refuse(Answer(417, TEXT, (b"Expectation Failed\n",)))
        elif request.method == b"CONNECT":
            self._refuse(Answer(405, TEXT, (b"Method Not Allowed\n",)))
        elif _length(request) > limits.HTTP_BODY_BYTES_MAX:
            self._too_large()
        else:
            self._request = request
            self._body_bytes = 0
            if not _expects(request) or not _has_body(request):
                return True
            self._respond()  # nobody reads the body: it need not come, and nothing behind it
        return False

    def _skip(self, size: int) -> bool:
        """Throw away a part of a body: no endpoint reads one."""
        self._body_bytes += size
        if self._body_bytes <= limits.HTTP_BODY_BYTES_MAX:
            return True
        self._too_large()
        return False

    def _too_large(self) -> None:
        self._server.counters.bad += 1
        self._refuse(Answer(413, TEXT, (b"Content Too Large\n",)))

    def _respond(self) -> None:
        """Make the answer, in this turn of the loop or in more than one."""
        request = self._request
        assert request is not None, "h11 ends only what it began"
        self._disarm()
        if is_about_the_server(request):
            steps = at_once(Answer(200, TEXT, ()))
        else:
            steps = self._server.endpoints.answer(request.target.decode("ascii", "replace"))
        run = self._run = Run(steps, self._server.rounds.later, self._answer, self._fault)
        run.start()
        if run.paused and self._transport is not None:
            self._transport.pause_reading()  # what comes meanwhile stays in the socket

    def _fault(self, err: Exception) -> None:
        self._server.counters.faults += 1
        target = bytes(self._request.target[:100]) if self._request is not None else b""
        log.error("Monitoring failed: target=%r", target, exc_info=err)
        self._answer(
            Answer(500, JSON, (go_json.encode({"status": "error", "error": "internal error"}),))
        )

    def _answer(self, answer: Answer) -> None:
        paused, self._run = self._run is not None and self._run.paused, None
        self._answered += 1
        last = self._answered >= limits.HTTP_REQUESTS_MAX or self._http.their_state is h11.SEND_BODY
        self._is_kept = not last and self._request is not None and _asks_to_be_kept(self._request)
        chunks = self._response(answer, *([("Connection", "close")] if last else []))
        transport = self._transport
        assert transport is not None, "who is gone is not answered"
        if transport.coding:
            self._write_coded(in_pieces(chunks), paused=paused)
        else:
            transport.write(chunks)
            self._sent(paused=paused)

    def _write_coded(self, pieces: Iterator[bytes], *, paused: bool) -> None:
        """Have so much encrypted as one turn is for, and go on in the next."""
        self._next = None
        transport = self._transport
        assert transport is not None, "who is gone is not answered"
        left = limits.CODED_TURN_BYTES // transport.coding
        for piece in pieces:
            transport.write([piece])
            left -= len(piece)
            if left <= 0:
                transport.pause_reading()
                self._next = self._server.rounds.later(
                    lambda: self._write_coded(pieces, paused=True)
                )
                return
        self._sent(paused=paused)

    def _sent(self, *, paused: bool) -> None:
        """Go on once an answer is written."""
        if self._is_behind():
            self._close()
            return
        if self._is_kept:
            unread, _ = self._http.trailing_data
            self._http = _parser()
            if unread:
                self._http.receive_data(unread)
        elif self._http.our_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self._close()
            return
        self._request = None
        self._arm()
        open_ = self._server.open
        open_[self] = open_.pop(self, None)
        assert self._transport is not None, "who is not behind is there"
        if self._http.trailing_data[0]:
            self._next = self._server.rounds.later(self._resume)
            if not paused:
                self._transport.pause_reading()
        elif paused:
            self._transport.resume_reading()

    def _resume(self) -> None:
        """Handle the next of the requests that came at once."""
        if self._transport is not None:
            self._transport.resume_reading()
        self._go_on()

    def _is_behind(self) -> bool:
        """A peer that asks and does not read is answered no further."""
        transport = self._transport
        return transport is None or transport.pending_bytes() > limits.HTTP_PENDING_BYTES_MAX

    def _refuse_plainly(self, text: str) -> None:
        """Answer what is no request, or none that could be served, with Go's status and words."""
        self._server.counters.bad += 1
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            assert self._transport is not None, "who sent it is there"
            self._transport.write([refusal(text)])
        self._close()

    def _refuse(self, answer: Answer, *headers: tuple[str, str]) -> None:
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            assert self._transport is not None, "who is gone is not refused"
            self._transport.write(self._response(answer, ("Connection", "close"), *headers))
        self._close()

    def _response(self, answer: Answer, *headers: tuple[str, str]) -> list[bytes]:
        response = h11.Response(
            status_code=answer.status,
            reason=HTTPStatus(answer.status).phrase,
            headers=[
                ("Content-Type", answer.content_type),
                ("Content-Length", str(sum(map(len, answer.pieces)))),
                ("Date", formatdate(self._server.clock.wall_ns() // NS_PER_S, usegmt=True)),
                *_HEADERS,
                *_CORS.get(answer.content_type, ()),
                *([("Location", answer.location)] if answer.location else []),
                *headers,
            ],
        )
        head = self._http.send(response)
        if self._request is not None and self._request.http_version == b"1.0":
            # Its connection ends without a word, unless it asked for it to stay.
            stays = b"Connection: keep-alive\r\n" if self._is_kept else b""
            head = head.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
            head = head.replace(b"Connection: close\r\n", stays)
        chunks = [head]
        if self._request is None or self._request.method != b"HEAD":
            chunks += [self._http.send(h11.Data(data=piece)) for piece in answer.pieces if piece]
        chunks.append(self._http.send(h11.EndOfMessage()))
        return [chunk for chunk in chunks if chunk]

    def _arm(self) -> None:
        self._disarm()
        self._deadline = self._server.clock.call_later(limits.HTTP_DEADLINE_NS, self._overdue)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _overdue(self) -> None:
        self._deadline = None
        if self._transport is not None and self._transport.has_unread():  # it may be whole by that
            watch_ns = limits.UNREAD_WATCH_NS
            self._deadline = self._server.clock.call_later(watch_ns, self._overdue)
            return
        if self._http.their_state is not h11.IDLE or self._answered == 0:
            self._server.counters.overdue += 1
        self._close()

    def _stop(self) -> None:
        """End what is under way."""
        self._disarm()
        if self._run is not None:
            self._run.cancel()
            self._run = None
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _close(self) -> None:
        self._stop()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()


def _parser() -> h11.Connection:
    return h11.Connection(h11.SERVER, max_incomplete_event_size=limits.HTTP_HEAD_BYTES_MAX)


def _asks_to_be_kept(request: h11.Request) -> bool:
    return request.http_version == b"1.0" and any(
        name == b"connection" and b"keep-alive" in value.lower() for name, value in request.headers
    )


def _expects(request: h11.Request) -> bytes:
    return next((value.lower() for name, value in request.headers if name == b"expect"), b"")


def _has_body(request: h11.Request) -> bool:
    return _length(request) > 0 or any(name == b"transfer-encoding" for name, _ in request.headers)


def _length(request: h11.Request) -> int:
    """The announced size of a body; h11 has checked that it is a number of at most 20 digits."""
    return next((int(value) for name, value in request.headers if name == b"content-length"), 0)
