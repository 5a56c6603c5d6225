"""Requests to the system account: taken in, answered in turn, each answer in its envelope.

Knows subjects, filters, errors and encodings; not what an endpoint answers (answers.py). Requests
wait in a bounded queue and are answered a few milliseconds' worth at a time, since every account
may send some of them. Truth: nats-server 2.15.1 server/events.go zReq; answers measured.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from leafnode import go_json
from leafnode.limits import (
    SYSTEM_REQUEST_BYTES_MAX,
    SYSTEM_REQUEST_HEADER_BYTES_MAX,
    SYSTEM_REQUEST_OTHERS_BYTES_MAX,
    SYSTEM_REQUESTS_ACCOUNT_MAX,
    SYSTEM_REQUESTS_MAX,
    SYSTEM_REQUESTS_OTHERS_MAX,
    SYSTEM_REQUESTS_TURN_NS,
)
from leafnode.monitor.query import BadQuery
from leafnode.routing.answers import is_request
from leafnode.system import options
from leafnode.system.encoding import encoded, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from leafnode.monitor.steps import Steps
    from leafnode.routing.account import Account
    from leafnode.routing.peer import Peer
    from leafnode.routing.subscription import Delivery
    from leafnode.system.envelope import Envelope
    from leafnode.system.options import Fields

log = logging.getLogger(__name__)

_BAD_REQUEST: Final = 400
_FAILED: Final = 500


class Refused(Exception):  # noqa: N818 -- what the answer says
    """The request cannot be done; the text is the answer's description, the code is 500."""


class NoAnswer(Exception):  # noqa: N818 -- what follows
    """Others may have an answer, this server has none."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `account`: where its answer goes. `asker`: who published it."""

    account: Account
    subject: str
    reply: bytes
    header: bytes
    body: bytes
    asker: Peer

    def token(self, index: int) -> str:
        """Return a token of the subject, such as the account in `$SYS.REQ.ACCOUNT.<acc>.CONNZ`."""
        return self.subject.split(".")[index]


@dataclass(frozen=True, slots=True)
class Service:
    """How one subject is answered.

    `answer` gets the request and its fields, and returns `data` or steps that do. `fields` None:
    the body is no JSON. `required`: a body that cannot be read as these is not answered. `raw`:
    what `answer` returns is the whole message, and a request without a reply is served too.
    `is_command`: there is no data, success says all. `is_imported`: every account asks it as a
    service of the system account, which itself is no exception.
    """

    answer: Callable[[Request, dict[str, Any]], object]
    fields: Fields | None
    required: Fields | None = None
    raw: bool = False
    is_command: bool = False
    is_imported: bool = False


class Requests:
    """Serves subjects, of the system account and of others."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._queue: deque[tuple[Service, Request]] = deque()
        self._of_others: dict[Account, int] = {}  # waiting, but for those of the system account
        self._job: Steps[None] | None = None  # what answers the first of them
        self.refused = 0  # requests unanswered because too many others waited

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def serve(
        self, account: Account, subject: str, service: Service, imported_as: str = ""
    ) -> None:
        """Answer what is published on `subject` in `account`.

        `imported_as`: what it is in the system account of nats-server, for traces.
        """
        most = self._most(account)

        def take(delivery: Delivery) -> None:
            if not is_request(delivery):
                return
            trace = delivery.trace
            if trace is not None and imported_as:
                is_only_traced = trace.is_served(delivery.subject, imported_as.encode())
                if is_only_traced:
                    return
            for reply, header_size, body in delivery.messages:
                self._enqueue(
                    service,
                    Request(
                        account=account,
                        subject=delivery.subject.decode("utf-8", "replace"),
                        reply=reply,
                        header=_short(body[:header_size]),
                        # One byte more tells that it is too large.
                        body=body[header_size : header_size + most + 1],
                        asker=delivery.origin,
                    ),
                )

        account.subscribe(subject.encode(), take, is_service=True)

    def serve_command(
        self, account: Account, subject: str, start: Callable[[Callable[[str], None]], None]
    ) -> None:
        """Start something that takes its time; it calls back with what went wrong, or ""."""

        def answer(request: Request, given: dict[str, Any]) -> object:
            del given

            def done(problem: str) -> None:
                error = (_FAILED, problem) if problem else None
                body = go_json.encode(self._wrap(error=error))
                self._respond(service, request, body)

            start(done)
            raise NoAnswer  # not yet

        service = Service(answer, options.FILTER_ONLY, is_command=True)
        self.serve(account, subject, service)

    def _most(self, account: Account) -> int:
        """Return how many bytes a request of an account may have: reading it is one step."""
        is_own = account is self._envelope.account
        return SYSTEM_REQUEST_BYTES_MAX if is_own else SYSTEM_REQUEST_OTHERS_BYTES_MAX

    def _enqueue(self, service: Service, request: Request) -> None:
        if not request.reply and not service.raw:
            return  # nobody would hear the answer
        account, others = request.account, self._of_others
        is_other = account is not self._envelope.account
        if len(self._queue) >= SYSTEM_REQUESTS_MAX or (
            is_other
            and (
                others.get(account, 0) >= SYSTEM_REQUESTS_ACCOUNT_MAX
                or sum(others.values()) >= SYSTEM_REQUESTS_OTHERS_MAX
            )
        ):
            self.refused += 1
            return
        if is_other:
            others[account] = others.get(account, 0) + 1
        self._queue.append((service, request))
        if len(self._queue) == 1:
            self._envelope.clock.call_later(0, self._work)

    def _work(self) -> None:
        """Answer for SYSTEM_REQUESTS_TURN_NS, at least one step; then others have a turn."""
        clock = self._envelope.clock
        end_ns = clock.monotonic_ns() + SYSTEM_REQUESTS_TURN_NS
        try:
            while self._queue:
                self._step()
                if clock.monotonic_ns() >= end_ns:
                    break
        finally:
            if self._queue:
                clock.call_later(0, self._work)

    def _step(self) -> None:
        """Do a step of what the first request needs, and take it off where that was the last."""
        if self._job is None:
            self._job = self._guarded(*self._queue[0])
        is_done = True  # also where it fails: the others are not to wait for it
        try:
            is_done = next(self._job, self) is self
        finally:
            if is_done:
                self._job = None
                self._forget(self._queue.popleft()[1].account)

    def _forget(self, account: Account) -> None:
        """Note that a request of this account waits no longer."""
        waiting = self._of_others.pop(account, 0) - 1
        if waiting > 0:
            self._of_others[account] = waiting

    def _guarded(self, service: Service, request: Request) -> Steps[None]:
        """Answer one request; whatever fails, the others have their turn."""
        try:
            yield from self._answer(service, request)
        except NoAnswer:
            pass
        except Exception as err:  # noqa: BLE001 -- boundary: background job, told to the owner
            request.account.on_fault(request.subject.encode(), err)

    def _answer(self, service: Service, request: Request) -> Steps[None]:
        """Answer one request. Raises NoAnswer."""
        message = yield from self._message(service, request)
        if not request.reply:
            return
        body = yield from written(message)
        block = b""
        is_whole = service.raw or service.is_imported  # nats-server compresses none of these
        is_error = isinstance(message, dict) and "error" in message
        if request.header and not is_whole and not is_error:
            block, body = yield from encoded(request.header, body)
        self._respond(service, request, block + body, header_size=len(block))

    def _respond(
        self, service: Service, request: Request, body: bytes, *, header_size: int = 0
    ) -> None:
        account = request.account
        is_direct = account is self._envelope.account and not service.is_imported
        account.answer(request.reply, body, header_size=header_size, announced=is_direct)

    def _message(self, service: Service, request: Request) -> Steps[object]:
        """Return the whole answer, in steps; raises NoAnswer where there is none to give."""
        given = _required(request, service.required) if service.required is not None else {}
        if service.fields is not None:
            try:
                most = self._most(request.account)
                given |= options.read(request.body, service.fields, most)
            except options.BadRequest as err:
                return self._wrap(error=(_BAD_REQUEST, str(err)))
            if not options.concerns(self._envelope.about, given):
                raise NoAnswer
        try:
            data = service.answer(request, given)
            if isinstance(data, Generator):
                data = yield from data
        except (Refused, BadQuery) as err:
            # Go shows a typed nothing as null, and leaves out what has no type.
            nothing = None if service.is_command else msgspec.Raw(b"null")
            return self._wrap(nothing, error=(_FAILED, str(err)))
        return data if service.raw else self._wrap(data)

    def _wrap(
        self, data: object = None, *, error: tuple[int, str] | None = None
    ) -> dict[str, object]:
        message: dict[str, object] = {"server": self._envelope.server()}
        if data is not None:
            message["data"] = data
        if error is not None:
            code, description = error
            message["error"] = {"code": code, "description": description}
        return message


def _required(request: Request, fields: Fields) -> dict[str, Any]:
    if not request.body:
        raise NoAnswer
    try:
        return options.read(request.body, fields)
    except options.BadRequest as err:
        raise NoAnswer from err


def _short(header: bytes) -> bytes:
    """Return a header that may be kept while its request waits; nothing of a larger one."""
    return header if len(header) <= SYSTEM_REQUEST_HEADER_BYTES_MAX else b""
