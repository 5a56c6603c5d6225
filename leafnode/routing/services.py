"""Service imports: requests go to another account, answers come back to the requester alone.

An import is a subscription of the server in the importing account; it sends each request on with a
reply of the exporter's own (`_R_.…`), and what is published there returns under the requester's
reply. Knows accounts, permissions of neither; what time it is and who a peer is come from `World`.
Truth: nats-server 2.15.1 server/client.go processServiceImport; measured.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from leafnode.limits import HEADER_BYTES_A_WORK, RESPONSES_ENDED_PER_TURN, SERVICE_WORK
from leafnode.nuid import nuid
from leafnode.protocol.subject import is_literal
from leafnode.protocol.transform import import_transform, untokenize
from leafnode.routing import latency as measure
from leafnode.routing.answers import ACK_PREFIX, is_of_the_api
from leafnode.routing.awaited import Awaited
from leafnode.routing.deliver import deliver
from leafnode.routing.fate import Fate
from leafnode.routing.latency import Measurement, asks_for_sample
from leafnode.routing.owed import Response
from leafnode.routing.permissions import LOGIN_REQUESTS
from leafnode.routing.plan import Plan
from leafnode.routing.request_header import RequestHeader
from leafnode.routing.route import Message
from leafnode.routing.service_export import Answers, Passed
from leafnode.routing.subscription import Subscription
from leafnode.slices import finish, in_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from random import Random

    from leafnode.protocol.client_info import ClientInfo
    from leafnode.routing.account import Account
    from leafnode.routing.latency import Headers
    from leafnode.routing.peer import Peer
    from leafnode.routing.service_export import ServiceExport, Timer

_REPLY_PREFIX: Final = "_R_."
_REPLY_CHARS: Final = 6


ServicesPlan = Plan[tuple["ServiceImport", Subscription], Subscription]
_IMPORTS_A_STEP: Final = 32  # of 2 us each, where they are new


class World(Protocol):
    """What services need of the server."""

    random: Random
    server_name: str
    server_hash: bytes  # names this server in the replies of measured requests
    system: Account | None  # imports from it always say which server asks

    def monotonic_ns(self) -> int: ...

    def wall_ns(self) -> int: ...

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer: ...

    def client_info(self, peer: Peer, *, detailed: bool) -> ClientInfo | None:
        """Return what is known of a peer; None for a part of the server."""
        ...

    def measured(self, exporter: Account, subject: bytes, measurement: Measurement) -> None:
        """Publish a measurement in the exporter's account."""
        ...


class ServiceImport:
    """Requests of one account on `local`, answered by another's export."""

    __slots__ = (
        "_transform",
        "_verbatim",
        "export",
        "exporter",
        "key",
        "local",
        "services",
        "share",
        "to",
    )

    def __init__(
        self, services: Services, export: ServiceExport, to: bytes, local: bytes, *, share: bool
    ) -> None:
        """`to` are the exporter's subjects; both may name wildcards. Raises TransformError."""
        self.services = services
        self.export = export
        self.exporter = export.account
        self.share = share
        self.key = (id(export), to, local, share)  # what is the same import has the same
        self.to, _ = untokenize(to)
        self.local, _ = untokenize(local)
        self._verbatim = to == local
        self._transform = None if self._verbatim else import_transform(to, local)

    def forward(self, origin: Peer, message: Message) -> int:
        """Send a request on; return how many received it. Implements Relay."""
        if message.passed and any(one.export is self.export for one in message.passed):
            return 0  # a circle
        origin.outbox.work_left -= SERVICE_WORK + message.header_size // HEADER_BYTES_A_WORK
        exporter = self.exporter
        to = self._subject_there(message.subject)
        if exporter.mappings is not None:
            to = exporter.mappings.choose(to)
        if message.shown and to == LOGIN_REQUESTS:
            return 0  # see `Account.deliver`
        if message.is_answer and (is_of_the_api(to) or not is_literal(self.local)):
            return 0  # as there, where it goes no further by an import with wildcards
        trace = message.trace
        if trace is not None:
            trace.is_imported(exporter, message.subject, to)
            if not self.export.allow_trace:
                if trace.only:
                    return 0
                trace = None
        response, reply = None, message.reply
        sampled, headers = self._sample(message)
        if not reply or reply == LOGIN_REQUESTS:
            reply = b""
            if sampled:
                self._measure(measure.BAD_REQUEST, origin, headers)
        elif not reply.startswith(ACK_PREFIX):  # pull consumers of another account need those
            response = self.services.expect(self, origin, message, headers if sampled else None)
            reply = response.reply
        info = self._info(origin, message)
        passed = (*message.passed, Passed(self.export, self.share, info))
        made = RequestHeader(info, message.trace is not None, _was_traced(message))
        fate = None
        if response is not None:
            fate = Fate(partial(response.end, measure.NO_RESPONDERS), message.fate)
        request = Message(
            to,
            reply,
            message.header_size,
            message.body,
            None,
            passed,
            trace,
            made=made if any(made) else None,
            fate=fate or message.fate,
            shown=message.shown,
        )
        received = deliver(exporter, origin, request)
        if fate is not None:
            fate.release()
        return received

    def _subject_there(self, subject: bytes) -> bytes:
        if self._verbatim:
            return subject
        return self.to if self._transform is None else self._transform.apply(subject)

    def _shares(self, message: Message) -> bool:
        """Say whether the requester consented; the account that asked first decides."""
        return message.passed[-1].share if message.passed else self.share

    def _info(self, origin: Peer, message: Message) -> ClientInfo | None:
        world = self.services.world
        is_shared = self._shares(message)
        before = message.passed[-1] if message.passed else None
        names_server = self.exporter is world.system
        if before is not None and before.info is not None:
            importer = self.services.account.name
            info: ClientInfo | None = msgspec.structs.replace(before.info, svc=importer)
            names_server = names_server or self.share
        else:
            info = world.client_info(origin, detailed=is_shared)
        if info is not None and names_server and not is_shared:
            info = msgspec.structs.replace(info, server=world.server_name)
        return info

    def _sample(self, message: Message) -> tuple[bool, Headers]:
        latency = self.export.latency
        if latency is None or self.export.answers is not Answers.ONE:
            return False, {}
        block = message.body[: message.header_size]
        return asks_for_sample(latency, block, self.services.world.random)

    def _measure(self, outcome: tuple[int, str], origin: Peer, headers: Headers) -> None:
        world = self.services.world
        requester = world.client_info(origin, detailed=self.share)
        measurement = Measurement(outcome, requester, world.wall_ns(), headers)
        assert self.export.latency is not None, "only measured services sample"
        world.measured(self.exporter, self.export.latency.subject, measurement)


class Services:
    """One account's part in services: what it imports, and the answers it owes or waits for.

    The account's own (`account.services`) once somebody says so.
    """

    __slots__ = (
        "_imports",
        "_prefix",
        "_sub",
        "account",
        "awaited",
        "responses",
        "world",
    )

    def __init__(self, account: Account, world: World) -> None:
        self.account = account
        self.world = world
        self.responses: dict[bytes, Response] = {}  # that this account's members owe, by reply
        self.awaited = Awaited(account.sublist, world.call_later)
        self._imports: list[tuple[ServiceImport, Subscription]] = []
        self._prefix = b""
        self._sub: Subscription | None = None

    def replace_imports(self, imports: Iterable[ServiceImport]) -> None:
        """Import these services from now on, and no others."""
        self.adopt(finish(self.planned(imports)))

    def planned(self, imports: Iterable[ServiceImport]) -> Generator[None, None, ServicesPlan]:
        """Find out in steps what is new, and what is not there any more, where these are imported.

        One that was there keeps its subscription. Those of new ones sleep until this is adopted;
        where it is not it has to be given up, as it is where not all steps are taken.
        """
        before: dict[object, list[tuple[ServiceImport, Subscription]]] = {}
        for number, (one, sub) in enumerate(self._imports, 1):
            before.setdefault(one.key, []).append((one, sub))
            if number % _IMPORTS_A_STEP == 0:
                yield
        plan: ServicesPlan = Plan([], [], [])
        try:
            for number, one in enumerate(imports, 1):
                known = before.get(one.key)
                plan.all.append(known.pop() if known else self._asleep(one, plan.fresh))
                if number % _IMPORTS_A_STEP == 0:
                    yield
        except BaseException:
            self.give_up(plan)
            raise
        plan.gone.extend([sub for several in before.values() for _, sub in several])
        return plan

    def _asleep(
        self, one: ServiceImport, fresh: list[Subscription]
    ) -> tuple[ServiceImport, Subscription]:
        sub = Subscription(self.account.system, one.local)
        sub.relay, sub.asleep = one, True
        self.account.insert(sub)
        fresh.append(sub)
        return one, sub

    def adopt(self, plan: ServicesPlan) -> None:
        """Import what was planned from now on, and nothing else. Answers on their way still
        arrive.
        """
        self._imports = plan.all
        self.account.replace(plan.gone, plan.fresh)

    def give_up(self, plan: ServicesPlan) -> None:
        """Do not import what was planned."""
        self.account.remove_all(plan.fresh)

    @property
    def imports(self) -> list[ServiceImport]:
        return [one for one, _ in self._imports]

    def stop(self) -> None:
        """Import nothing and owe nothing any more: the account goes."""
        self.replace_imports(())
        in_slices(self.world.call_later, self._ending(), RESPONSES_ENDED_PER_TURN)
        if self._sub is not None:
            self.account.remove(self._sub)
            self._sub = None

    def _ending(self) -> Iterator[None]:
        for response in list(self.responses.values()):
            response.end(measure.NO_RESPONDERS)
            yield

    # --- answers

    def forward(self, origin: Peer, message: Message) -> int:
        """Bring back what was published on a reply of ours. Implements Relay.

        It is heard here, late or not: who answers is told of nobody (as nats-server).
        """
        if message.fate is not None:
            message.fate.is_received()
        response = self.responses.get(message.subject)
        return response.forward(origin, message) if response is not None else 0

    def expect(
        self, service: ServiceImport, origin: Peer, message: Message, headers: Headers | None
    ) -> Response:
        """Note that an answer is owed to a request of this account.

        `headers` None: the request is not measured.
        """
        export = service.export
        owner = _services_of(export.account, self.world)
        reply = owner.new_reply(is_measured=headers is not None)
        response = Response(owner, self, reply, message.reply, export, origin)
        response.answers = export.answers
        response.asked = message.subject
        response.share = service.share
        if headers is not None:
            response.latency = export.latency
            response.headers = headers
            response.requester_info = self.world.client_info(origin, detailed=service.share)
        owner.owe(response)
        return response

    def unanswered(self, reply: bytes, subject: bytes) -> tuple[Account, bytes, bytes]:
        """Owe no answer to a request that reached nobody, through however many imports it came.

        Return where it was made: account, reply and subject.
        """
        response = self.responses.get(reply)
        if response is None:
            return self.account, reply, subject
        response.end(measure.NO_RESPONDERS)
        return response.importer.unanswered(response.to, response.asked or subject)

    def expect_further(self, before: Response, origin: Peer, reply: bytes) -> Response:
        """Note that an answer to an answer is owed by this account."""
        mine = self.new_reply(is_measured=False)
        response = Response(self, before.responders, mine, reply, before.export, origin)
        response.answers = before.answers
        response.share = before.share
        self.owe(response)
        return response

    def owe(self, response: Response) -> None:
        """Have an answer brought back that is published on its reply in this account."""
        export = response.export
        response.importer.awaited.add(response)
        response.started_ns = response.touched_ns = self.world.monotonic_ns()
        response.started_wall_ns = self.world.wall_ns()
        self.responses[response.reply] = response
        export.open[response.reply] = response
        if export.timer is None:
            export.timer = self.world.call_later(export.threshold_ns, lambda: self._expire(export))

    def new_reply(self, *, is_measured: bool) -> bytes:
        """Return where one answer is to be published in this account."""
        random = self.world.random
        if self._sub is None:
            self._prefix = f"{_REPLY_PREFIX}{nuid(random, _REPLY_CHARS)}.".encode()
            self._sub = Subscription(self.account.system, self._prefix + b">")
            self._sub.relay = self
            self.account.insert(self._sub)
        end = b".%b.T" % self.world.server_hash if is_measured else b""
        while True:
            reply = self._prefix + nuid(random, _REPLY_CHARS).encode() + end
            if reply not in self.responses:
                return reply

    def _expire(self, export: ServiceExport) -> None:
        """End the answers of a service that took too long, and look again after as long.

        So one has up to twice the threshold, as on nats-server: services rely on it.
        """
        until_ns = self.world.monotonic_ns() - export.threshold_ns
        export.timer = None
        oldest = list(islice(export.open.values(), RESPONSES_ENDED_PER_TURN))
        late = [response for response in oldest if response.touched_ns <= until_ns]
        for response in late:
            response.end(measure.TIMED_OUT)
        is_over = len(late) < RESPONSES_ENDED_PER_TURN
        if export.open and export.timer is None:
            delay_ns = export.threshold_ns if is_over else 0
            export.timer = self.world.call_later(delay_ns, lambda: self._expire(export))


def _was_traced(message: Message) -> bool:
    """Say whether an import before took away what asks for a trace."""
    return message.made is not None and (message.made.is_traced or message.made.was_traced)


def _services_of(account: Account, world: World) -> Services:
    if account.services is None:
        account.services = Services(account, world)
    return account.services
