"""`$JS.API.…`: which endpoints there are, and how a request becomes an answer.

One row of ENDPOINTS per endpoint; what each does is in stream_api and consumer_api. An answer that
promises a change leaves after the COMMIT that holds it. Unknown endpoints are met with silence, as
nats-server does. Truth: measured on nats-server 2.15.1.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from leafnode.errors import JetStreamError, StoreBusy, StoreError
from leafnode.jetstream import (
    advisory,
    consumer_api,
    snapshot_api,
    steer_api,
    stream_api,
    stream_list,
    wire,
)
from leafnode.jetstream.api_types import RESPONSE_TYPE
from leafnode.jetstream.domain import send_no_responders
from leafnode.jetstream.errors import js_error, store_error
from leafnode.jetstream.level import level_is_met
from leafnode.jetstream.origins import answers_direct
from leafnode.jetstream.request import Handler, Request
from leafnode.limits import (
    ANSWER_BYTES_A_WORK,
    API_REQUEST_BYTES_MAX,
    API_WORK,
    JSON_BYTES_A_WORK,
)
from leafnode.protocol import header
from leafnode.routing.answers import is_request

if TYPE_CHECKING:
    from leafnode.jetstream.jetstream import AccountJetStream
    from leafnode.jetstream.stream import Stream
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Delivery, Subscription

log = logging.getLogger(__name__)

_PREFIX: Final = b"$JS.API."
_ELSEWHERE: Final = (_PREFIX + b"DIRECT.GET.", _PREFIX + b"CONSUMER.MSG.NEXT.")


class Audit(Enum):
    """Of which answers to an endpoint an advisory tells."""

    ALL = auto()
    ERRORS = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One kind of request. `args` is how many tokens may follow its name.

    `configures`: its body may be as long as a payload, else API_REQUEST_BYTES_MAX.
    """

    kind: str  # of the response: io.nats.jetstream.api.v1.<kind>_response
    args: tuple[int, int]
    handle: Handler
    mutates: bool = False  # its answer waits for the commit
    on_error: dict[str, Any] = field(default_factory=dict)  # fields that errors carry too
    audit: Audit = Audit.ALL
    configures: bool = False


class _Arrived(NamedTuple):
    """A request as it came."""

    endpoint: Endpoint
    tokens: list[str]  # behind the endpoint's name
    subject: bytes
    origin: Peer
    reply: bytes
    block: bytes
    payload: bytes


class _Asked(NamedTuple):
    """What an answer and its audit need of a request."""

    endpoint: Endpoint
    subject: bytes
    origin: Peer
    reply: bytes
    payload: bytes
    lines: list[tuple[bytes, bytes]]  # of the answer's header
    name: str  # of the stream, of endpoints that change one
    stream: Stream | None  # that had this name then


def _clustered(js: AccountJetStream, request: Request) -> dict[str, Any]:
    del js, request
    raise js_error(10010)


_PAGE: Final = {"total": 0, "offset": 0, "limit": 0}
_MANY: Final = 1 << 30  # a filter subject may have any number of tokens

ENDPOINTS: Final[dict[bytes, Endpoint]] = {
    b"INFO": Endpoint("account_info", (0, 0), stream_api.account_info),
    b"STREAM.CREATE": Endpoint(
        "stream_create", (1, 1), stream_api.create, mutates=True, configures=True
    ),
    b"STREAM.UPDATE": Endpoint(
        "stream_update", (1, 1), stream_api.update, mutates=True, configures=True
    ),
    b"STREAM.NAMES": Endpoint(
        "stream_names", (0, 0), stream_list.names, on_error={**_PAGE, "streams": None}
    ),
    b"STREAM.LIST": Endpoint(
        "stream_list", (0, 0), stream_list.listing, on_error={**_PAGE, "streams": []}
    ),
    b"STREAM.INFO": Endpoint("stream_info", (1, 1), stream_api.info, on_error=_PAGE),
    b"STREAM.DELETE": Endpoint("stream_delete", (1, 1), stream_api.delete, mutates=True),
    b"STREAM.PURGE": Endpoint(
        "stream_purge", (1, 1), stream_api.purge, mutates=True, on_error={"purged": 0}
    ),
    b"STREAM.MSG.GET": Endpoint("stream_msg_get", (1, 1), stream_api.msg_get, audit=Audit.ERRORS),
    b"STREAM.MSG.DELETE": Endpoint(
        "stream_msg_delete", (1, 1), stream_api.msg_delete, mutates=True
    ),
    b"STREAM.SNAPSHOT": Endpoint("stream_snapshot", (1, 1), snapshot_api.snapshot),
    b"STREAM.RESTORE": Endpoint(
        "stream_restore",
        (1, 1),
        snapshot_api.restore,
        on_error={"deliver_subject": ""},
        configures=True,
    ),
    b"CONSUMER.CREATE": Endpoint(
        "consumer_create", (1, _MANY), consumer_api.create, mutates=True, configures=True
    ),
    b"CONSUMER.DURABLE.CREATE": Endpoint(
        "consumer_create", (2, 2), consumer_api.create_durable, mutates=True, configures=True
    ),
    b"CONSUMER.NAMES": Endpoint(
        "consumer_names", (1, 1), consumer_api.names, on_error={**_PAGE, "consumers": []}
    ),
    b"CONSUMER.LIST": Endpoint(
        "consumer_list", (1, 1), consumer_api.listing, on_error={**_PAGE, "consumers": []}
    ),
    b"CONSUMER.INFO": Endpoint("consumer_info", (2, 2), consumer_api.info),
    b"CONSUMER.DELETE": Endpoint("consumer_delete", (2, 2), consumer_api.delete, mutates=True),
    b"CONSUMER.PAUSE": Endpoint(
        "consumer_pause",
        (2, 2),
        steer_api.pause,
        mutates=True,
        on_error={"paused": False, "pause_until": "0001-01-01T00:00:00Z"},
    ),
    b"CONSUMER.UNPIN": Endpoint("consumer_unpin", (2, 2), steer_api.unpin),
    b"CONSUMER.RESET": Endpoint(
        "consumer_reset",
        (2, 2),
        steer_api.reset,
        mutates=True,
        on_error={"reset_seq": 0},
        audit=Audit.NONE,
    ),
    b"STREAM.LEADER.STEPDOWN": Endpoint("stream_leader_stepdown", (1, 1), _clustered),
    b"STREAM.PEER.REMOVE": Endpoint("stream_remove_peer", (1, 1), _clustered),
    b"STREAM.PEER.EVACUATE": Endpoint("stream_evacuate_peer", (1, 1), _clustered),
    b"STREAM.CANCEL_MOVE": Endpoint("stream_cancel_move", (1, 1), _clustered),
    b"CONSUMER.LEADER.STEPDOWN": Endpoint("consumer_leader_stepdown", (2, 2), _clustered),
    b"CONSUMER.PEER.REMOVE": Endpoint("consumer_remove_peer", (2, 2), _clustered),
    b"CONSUMER.PEER.EVACUATE": Endpoint("consumer_evacuate_peer", (2, 2), _clustered),
}


def find_endpoint(subject: bytes) -> tuple[Endpoint, list[bytes]] | None:
    """Return the endpoint of a subject and the tokens after its name, or None."""
    tokens = subject[len(_PREFIX) :].split(b".")
    for size in (3, 2, 1):
        endpoint = ENDPOINTS.get(b".".join(tokens[:size])) if len(tokens) >= size else None
        if endpoint is not None:
            args = tokens[size:]
            least, most = endpoint.args
            return (endpoint, args) if least <= len(args) <= most else None
    return None


def is_served_elsewhere(subject: bytes) -> bool:
    """Say whether streams and consumers answer there by subscriptions of their own."""
    return subject.startswith(_ELSEWHERE)


class Api:
    """The request side of one account's JetStream."""

    def __init__(self, js: AccountJetStream) -> None:
        self._js = js
        self._sub: Subscription | None = None

    def open(self) -> None:
        """Begin to answer."""
        self._sub = self._js.context.account.subscribe(
            _PREFIX + b">", self._on_request, is_service=True
        )

    def close(self) -> None:
        """Stop answering."""
        if self._sub is not None:
            self._js.context.account.unsubscribe(self._sub)
            self._sub = None

    def _on_request(self, delivery: Delivery) -> None:
        trace, subject = delivery.trace, delivery.subject
        if trace is not None and trace.is_served(subject, subject):
            return
        if not (is_request(delivery) and subject.startswith(_PREFIX)):
            return  # no request: the server's answer, or what a stream holds
        if is_served_elsewhere(subject):
            if self._is_served(subject):
                return  # who serves it says what work that is
            found = None
        else:
            found = find_endpoint(subject)
        size = sum(len(body) for _, _, body in delivery.messages)
        work = API_WORK * len(delivery.messages) + size // JSON_BYTES_A_WORK
        delivery.origin.outbox.work_left -= work
        if found is None:
            self._on_unknown(delivery)
            return
        endpoint, args = found
        lineup = self._js.lineup
        tokens = [arg.decode("utf-8", "replace") for arg in args]
        name = tokens[0] if tokens else ""
        for reply, header_size, body in delivery.messages:
            block, payload = body[:header_size], body[header_size:]
            arrived = _Arrived(endpoint, tokens, subject, delivery.origin, reply, block, payload)
            if not lineup.waits(name):
                self._answer(arrived)
                continue
            try:
                lineup.add(name, len(body), partial(self._answer, arrived))
            except StoreBusy as error:
                self._request(arrived).settle(store_error(error))

    def _request(self, arrived: _Arrived) -> Request:
        lines: list[tuple[bytes, bytes]] = []
        endpoint, tokens, subject, origin, reply, block, payload = arrived
        name = tokens[0] if tokens else ""
        asked = _Asked(
            *(endpoint, subject, origin, reply, payload, lines),
            *(name, self._js.streams.get(name)),
        )
        return Request(
            list(tokens),
            reply,
            block,
            payload,
            partial(self._finish, asked),
            partial(self._send, asked),
            lines,
            origin,
            strict=self._js.context.bounds.strict,
        )

    def _on_unknown(self, delivery: Delivery) -> None:
        """Direct Get and pulls have subscriptions of their own; without one nobody responds here.

        Another account may, by a service import, or whoever else hears it.
        """
        subject, account = delivery.subject, self._js.context.account
        if is_served_elsewhere(subject) and account.is_sole(self._sub, subject, delivery.origin):
            for reply, _, _ in delivery.messages:
                send_no_responders(account, delivery.origin, reply, subject)

    def _is_served(self, subject: bytes) -> bool:
        if subject.startswith(_ELSEWHERE[0]):
            name = subject[len(_ELSEWHERE[0]) :].partition(b".")[0]
            return answers_direct(self._js.streams, name.decode("utf-8", "replace"))
        tokens = subject[len(_PREFIX) :].decode("utf-8", "replace").split(".")
        stream = self._js.streams.get(tokens[3] if len(tokens) == 5 else tokens[2])
        return stream is not None and len(tokens) == 5 and tokens[4] in stream.consumers

    def _answer(self, arrived: _Arrived) -> None:
        request, endpoint = self._request(arrived), arrived.endpoint
        if not level_is_met(request.block):
            request.finish(js_error(10185))
        elif len(request.payload) > API_REQUEST_BYTES_MAX and not endpoint.configures:
            request.finish(js_error(10025, f"longer than {API_REQUEST_BYTES_MAX} bytes"))
        else:
            request.answer(partial(endpoint.handle, self._js, request))

    def _finish(self, asked: _Asked, answer: dict[str, Any] | JetStreamError) -> None:
        if asked.endpoint.mutates and not isinstance(answer, JetStreamError):
            stream = self._js.streams.get(asked.name, asked.stream)
            assert stream is not None, "what was changed is there, or was"
            stream.root.after_commit(partial(self._committed, asked, answer))
        else:
            self._send(asked, answer)

    def _committed(self, asked: _Asked, answer: dict[str, Any], error: StoreError | None) -> None:
        self._send(asked, answer if error is None else store_error(error))

    def _send(self, asked: _Asked, answer: dict[str, Any] | JetStreamError) -> None:
        endpoint, stats, context = asked.endpoint, self._js.stats, self._js.context
        stats.total += 1
        response: dict[str, Any] = {"type": f"{RESPONSE_TYPE}{endpoint.kind}_response"}
        audited = endpoint.audit is Audit.ALL
        if isinstance(answer, JetStreamError):
            stats.errors += 1
            audited = endpoint.audit is not Audit.NONE
            response["error"] = {
                "code": answer.code,
                "err_code": answer.err_code,
                "description": answer.description,
            }
            response |= endpoint.on_error
        else:
            response |= answer
        audited = audited and advisory.is_audited(context)
        if not (asked.reply or audited):
            return
        text = wire.encode(response)
        asked.origin.outbox.work_left -= len(text) // ANSWER_BYTES_A_WORK
        if asked.reply:
            block = header.build(asked.lines) if asked.lines else b""
            context.send(asked.reply, block + text, header_size=len(block))
        if audited:
            advisory.api_audit(
                context,
                asked.origin,
                subject=asked.subject,
                request=asked.payload,
                response=text,
            )
