"""Direct Get: one message straight from the store, as a message and not as JSON.

Single messages by sequence, last or next by subject, and start time; several: direct_batch.
Truth: ADR-31, measured on nats-server 2.15.1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from leafnode.errors import StoreError
from leafnode.jetstream import wire
from leafnode.jetstream.api_types import MsgGetRequest
from leafnode.jetstream.direct_batch import (
    DirectLast,
    DirectRange,
    append_header,
    origin_header,
)
from leafnode.jetstream.errors import store_status
from leafnode.jetstream.level import level_is_met
from leafnode.limits import DIRECT_REQUEST_BYTES_MAX, GET_WORK
from leafnode.protocol import header
from leafnode.protocol.subject import is_literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.jetstream.stream import Stream
    from leafnode.routing.subscription import Delivery, Subscription
    from leafnode.store.api import StoredMsg

_GROUP: Final = b"_sys_"
_OVER: Final = object()
_NOT_FOUND: Final = header.status(404, b"Message Not Found")
_EMPTY: Final = header.status(408, b"Empty Request")
_MALFORMED: Final = header.status(408, b"Malformed Request")
_BAD: Final = header.status(408, b"Bad Request")
_LEVEL: Final = header.status(412, b"Required Api Level")


class DirectGet:
    """Answers `$JS.API.DIRECT.GET.<stream>` for one stream; a mirror also for its origin `name`.

    One of them answers: they subscribe in one group.
    """

    __slots__ = ("_stream", "_subject", "_subs")

    def __init__(self, stream: Stream, name: str = "") -> None:
        self._stream = stream
        self._subject = b"$JS.API.DIRECT.GET.%b" % (name or stream.name).encode()
        self._subs: list[Subscription] = []

    @property
    def is_open(self) -> bool:
        return bool(self._subs)

    def open(self) -> None:
        """Begin to answer."""
        if not self._subs:
            subscribe = self._stream.context.account.subscribe
            self._subs = [
                subscribe(self._subject, self._on_request, queue=_GROUP),
                subscribe(self._subject + b".>", self._on_request, queue=_GROUP),
            ]

    def close(self) -> None:
        """Stop answering."""
        for sub in self._subs:
            self._stream.context.account.unsubscribe(sub)
        self._subs = []

    def _on_request(self, delivery: Delivery) -> None:
        if delivery.trace is not None and delivery.trace.only:
            return
        delivery.origin.outbox.work_left -= GET_WORK * len(delivery.messages)
        tail = delivery.subject[len(self._subject) + 1 :]
        for reply, header_size, body in delivery.messages:
            if not reply:
                continue
            status = self._start(reply, tail, body[:header_size], body[header_size:])
            if status:
                self._stream.context.send_status(reply, status)

    def _start(self, reply: bytes, tail: bytes, block: bytes, payload: bytes) -> bytes:
        """Begin to answer one request; return the status when there is nothing to begin."""
        if not level_is_met(block):
            return _LEVEL
        if not payload and tail:  # what clients ask of a bucket
            return self._last(reply, tail)
        request = MsgGetRequest()
        if payload:
            if len(payload) > DIRECT_REQUEST_BYTES_MAX:
                return _MALFORMED
            try:
                request = wire.decode_lax(MsgGetRequest, payload)
            except wire.BindError:
                return _MALFORMED
        if tail:
            if request != MsgGetRequest(no_hdr=request.no_hdr, max_bytes=request.max_bytes):
                return _BAD
            request.last_by_subj = tail.decode("utf-8", "replace")
        elif not _selects(request):
            return _EMPTY
        if is_contradictory(request) or _mixes_several(request):
            return _BAD

        try:
            if request.multi_last:
                DirectLast(self._stream, reply, request).start()
            elif request.batch:
                DirectRange(self._stream, reply, request).start()
            else:
                answer = partial(self._answer, reply, no_header=request.no_hdr)
                select(self._stream, request, answer, partial(self._failed, reply))
        except StoreError as error:
            return self._refused(error)
        return b""

    def _failed(self, reply: bytes, error: StoreError) -> None:
        self._stream.context.send_status(reply, self._refused(error))

    def _last(self, reply: bytes, subject: bytes) -> bytes:
        try:
            subject.decode()
        except UnicodeDecodeError:  # as in a request's body
            subject = subject.decode("utf-8", "replace").encode()
        answer = partial(self._answer, reply)
        try:
            if is_literal(subject):
                self._stream.store.last(subject, answer)
            else:
                request = MsgGetRequest(last_by_subj=subject.decode())
                select(self._stream, request, answer, partial(self._failed, reply))
        except StoreError as error:
            return self._refused(error)
        return b""

    def _refused(self, error: StoreError) -> bytes:
        self._stream.trouble.note("Direct get refused", error)
        return store_status(error)

    def _answer(self, reply: bytes, msg: StoredMsg | None, *, no_header: bool = False) -> None:
        context = self._stream.context
        if msg is None:
            context.send_status(reply, _NOT_FOUND)
            return
        if no_header:
            context.send(reply, msg.payload)
            return
        block = append_header(msg.header, origin_header(self._stream, msg))
        context.send(reply, block + msg.payload, header_size=len(block))


def _selects(request: MsgGetRequest) -> bool:
    """Say whether the request names any message."""
    one = request.seq or request.last_by_subj or request.next_by_subj or request.multi_last
    return bool(one) or request.start_time is not None


def is_contradictory(request: MsgGetRequest) -> bool:
    """Say whether the request names its message in two ways that exclude each other."""
    timed = request.start_time is not None
    if request.last_by_subj:
        return bool(request.seq or request.next_by_subj or timed)
    return bool(request.seq and timed)


def _mixes_several(request: MsgGetRequest) -> bool:
    """Say whether what asks for several messages contradicts the rest."""
    if request.last_by_subj and (request.batch > 0 or request.multi_last):
        return True
    if request.next_by_subj and request.multi_last:
        return True
    return bool(request.up_to_seq) and request.up_to_time is not None


def select(
    stream: Stream,
    request: MsgGetRequest,
    done: Callable[[StoredMsg | None], None],
    failed: Callable[[StoreError], None],
) -> None:
    """Find the one message that a request with a single selector means: now, or where very many
    subjects are held against it, in steps and in turn with other answers. Raises StoreError, and
    calls `failed` with what is raised later.
    """
    pattern = (request.last_by_subj or request.next_by_subj).encode()
    steps = stream.store.prepare(pattern) if pattern else iter(())
    if next(steps, _OVER) is _OVER:
        _select(stream, request, done)
        return
    context = stream.context

    def step() -> None:
        if stream.closed:
            return
        try:
            if next(steps, _OVER) is _OVER:
                _select(stream, request, done)
            else:
                context.rounds.go_on(context.clock, step)
        except StoreError as error:
            failed(error)

    context.rounds.begin(context.clock, step)


def _select(
    stream: Stream, request: MsgGetRequest, done: Callable[[StoredMsg | None], None]
) -> None:
    store = stream.store

    def first(found: list[StoredMsg]) -> None:
        done(found[0] if found else None)

    if request.last_by_subj:
        store.last(request.last_by_subj.encode(), done)
    elif request.next_by_subj:
        timed = request.start_time
        start = max(request.seq, 1) if timed is None else store.seq_at(timed)
        store.read(start, [request.next_by_subj.encode()], 1, 1, first)
    elif request.start_time is not None:
        store.read(store.seq_at(request.start_time), [], 1, 1, first)
    else:
        store.get(request.seq, done)
